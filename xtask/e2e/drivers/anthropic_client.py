"""PyPI `anthropic` at base URL `/anthropic`, and `byok`'s Anthropic calls through the envelope.

The mock provider knows messages only: no token counts, models in OpenAI's shape, no usage of caches
or thinking, no files and no message batches. For those a provider of our own answers (see
`anthropic_provider.py`).
"""

from __future__ import annotations

import json
from decimal import Decimal

import anthropic
from anthropic import Anthropic
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from byo import BYOK
from byo.errors import NotFoundError, ProviderError
from openai import OpenAI

from anthropic_provider import USAGE, Provider, message
from harness import (
    PROVIDER_KEY,
    SECRET_KEY,
    SERVER,
    WRONG_KEY,
    Checks,
    Witness,
    answered_well,
    arrived_clean,
    ask,
    connect,
    holds,
    http,
    log_row,
    parse,
    raises,
    same,
    same_row,
)

check = Checks("python-anthropic")

REF = "anthropic-python"
OWN = "anthropic-python-own"
REFUSED = "anthropic-python-refused"
OPUS = "claude-opus-4-7"
# What the provider of our own reports, at claude-opus-4-7's prices, its two searches included.
COST = (10 * 5 + 300 * Decimal("0.5") + 150 * Decimal("6.25") + 50 * 10 + 42 * 25) / 1_000_000 + 2 * Decimal("0.01")
COUNTED = {
    "inputTokens": 510,
    "cacheReadTokens": 300,
    "cacheWriteTokens": 200,
    "outputTokens": 42,
    "reasoningTokens": 30,
    "totalTokens": 552,
    "costUsd": COST,
}
TOOLS = [{"name": "get_weather", "description": "The weather.", "input_schema": {"type": "object"}}]

provider = Provider(PROVIDER_KEY)
byok = BYOK(api_key=SECRET_KEY, base_url=SERVER)


def client(ref_id: str | None = REF, token: str = SECRET_KEY) -> Anthropic:
    headers = {"X-BYO-Ref-Id": ref_id} if ref_id else {}
    return Anthropic(
        base_url=f"{SERVER}/anthropic", api_key=token, default_headers=headers, max_retries=0, timeout=30
    )


def own() -> Anthropic:
    return client(OWN)


def question(text: str) -> dict:
    return {"model": OPUS, "max_tokens": 256, "messages": ask(text)}


@check("three customers are connected, a wrong key is told")
def _() -> None:
    same(connect(REF, provider="anthropic")["status"], "valid", REF)
    config = {"baseUrl": provider.url}
    same(connect(OWN, provider="anthropic", providerConfig=config)["status"], "valid", OWN)
    answer = connect(REFUSED, WRONG_KEY, provider="anthropic", providerConfig=config)
    same(answer["status"], "invalid", REFUSED)
    method, path, headers, _ = provider.asked[0]
    same((method, path, headers["anthropic-version"]), ("GET", "/v1/models?limit=1", "2023-06-01"), "validation")


@check("messages: the body is the provider's, byte for byte, and the row has its usage and exact cost")
def _() -> None:
    witness = Witness()
    raw = client().messages.with_raw_response.create(**question("say hello"))
    exchange = witness.one()
    same(raw.http_response.content, exchange.answer, "body")
    parsed = raw.parse()
    holds(isinstance(parsed.content[0], TextBlock), f"content: {parsed.content}")
    holds(parsed.content[0].text.startswith("Hello from the provider"), "the SDK's reading of it")
    row = log_row(answered_well(raw.headers, provider="anthropic"))
    same_row(
        row,
        refId=REF,
        provider="anthropic",
        model=OPUS,
        operation="messages",
        success=True,
        streamed=False,
        inputTokens=1234,
        outputTokens=567,
        totalTokens=1801,
        costUsd=(1234 * Decimal(5) + 567 * Decimal(25)) / 1_000_000,
    )


@check("messages: the provider gets the customer's key where it takes it, and the SDK's own version")
def _() -> None:
    witness = Witness()
    client().messages.create(**question("say hello"), extra_headers={"anthropic-beta": "one-1,two-2"})
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-api-key")
    same(exchange.path, "/v1/messages", "path upstream")
    same(exchange.header("anthropic-version"), "2026-10-21", "version")
    same(exchange.header("anthropic-beta"), "one-1,two-2", "betas")
    same(json.loads(exchange.request), question("say hello"), "request body upstream")


@check("an older SDK's key header and version do as well")
def _() -> None:
    witness = Witness()
    headers = {"x-api-key": SECRET_KEY, "x-byo-ref-id": REF, "anthropic-version": "2023-06-01"}
    status, _, body = http("POST", "/anthropic/v1/messages?beta=true", None, question("say hello"), headers)
    same(status, 200, f"{body[:300]!r}")
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-api-key")
    same(exchange.path, "/v1/messages?beta=true", "path upstream")
    same(exchange.header("anthropic-version"), "2023-06-01", "version")


@check("streamed messages: byte for byte, counted")
def _() -> None:
    witness = Witness()
    with client().messages.with_streaming_response.create(**question("answer in many scripts"), stream=True) as raw:
        request_id = answered_well(raw.headers, provider="anthropic")
        received = raw.read()
    same(received, witness.one().answer, "stream")
    same_row(
        log_row(request_id),
        model=OPUS,
        streamed=True,
        success=True,
        inputTokens=21,
        outputTokens=43,
        costUsd=(21 * Decimal(5) + 43 * Decimal(25)) / 1_000_000,
    )


@check("streamed messages: the SDK's helper sees the whole text and usage")
def _() -> None:
    with client().messages.stream(**question("answer in many scripts")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    holds(text.startswith("Grüße, 世界!") and text.endswith("\r\nend"), f"text: {text!r}")
    same((final.usage.input_tokens, final.usage.output_tokens), (21, 43), "usage")


@check("tool use: both turns, whole and streamed")
def _() -> None:
    asked = {**question("weather in Oslo"), "tools": TOOLS}
    first = client().messages.create(**asked)
    block = first.content[0]
    holds(isinstance(block, ToolUseBlock), f"content: {first.content}")
    same((block.name, block.input, first.stop_reason), ("get_weather", {"city": "Oslo"}, "tool_use"), "tool use")
    with client().messages.stream(**asked) as stream:
        same(stream.get_final_message().content[0].input, {"city": "Oslo"}, "streamed input")
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "7 degrees"}
    asked["messages"] = [
        *asked["messages"],
        {"role": "assistant", "content": [block.model_dump(include={"type", "id", "name", "input"})]},
        {"role": "user", "content": [result]},
    ]
    same(client().messages.create(**asked).content[0].text, "It is 7 degrees in Oslo.", "the answer")


@check("caches, thinking and searches: each in its bucket, whole and streamed")
def _() -> None:
    raw = own().messages.with_raw_response.create(**question("think"))
    same(json.loads(raw.http_response.content), message(), "body")
    same(raw.headers["anthropic-ratelimit-requests-remaining"], "49", "rate limit")
    same((raw.headers["request-id"], raw.parse()._request_id), ("req_1", "req_1"), "the provider's request id")
    row = log_row(answered_well(raw.headers, provider="anthropic"))
    same_row(row, operation="messages", success=True, streamed=False, **COUNTED)
    with own().messages.stream(**question("think")) as stream:
        final = stream.get_final_message()
        request_id = answered_well(stream.response.headers, provider="anthropic")
    holds(isinstance(final.content[0], ThinkingBlock), f"content: {final.content}")
    same((final.content[0].signature, final.content[1].input), ("c2lnbmVk", {"city": "Oslo"}), "blocks")
    same(final.usage.output_tokens, USAGE["output_tokens"], "the SDK's usage")
    same_row(log_row(request_id), success=True, streamed=True, **COUNTED)


@check("an error inside a stream is the SDK's error, and the row says so")
def _() -> None:
    before = len(provider.asked)
    asked = {**question("fail in the middle"), "stream": True}
    # The status is 200, so the SDK has no narrower type for it.
    error = raises(anthropic.APIStatusError, lambda: list(own().messages.create(**asked)))
    same(error.body["error"], {"type": "overloaded_error", "message": "Overloaded"}, "error")
    same(len(provider.asked), before + 1, "calls upstream")
    row = log_row(error.response.headers["x-request-id"])
    same_row(row, success=False, errorClass="provider_down", streamed=True, inputTokens=510)


@check("count_tokens: answered, and not counted as use")
def _() -> None:
    raw = own().messages.with_raw_response.count_tokens(model=OPUS, messages=ask("count me"))
    same(raw.parse().input_tokens, 14, "tokens")
    row = log_row(answered_well(raw.headers, provider="anthropic"))
    same_row(row, operation="messages/count_tokens", success=True, inputTokens=None, costUsd=None)


@check("models: the list and one")
def _() -> None:
    same([model.id for model in own().models.list(limit=5)], [OPUS], "ids")
    same(provider.asked[-1][1], "/v1/models?limit=5", "path upstream")
    same(own().models.retrieve(OPUS).display_name, "Claude Opus 4.7", "name")


@check("files: uploaded, looked at, read, and nobody else's")
def _() -> None:
    made = own().files.upload(file=("notes.txt", b"notes", "text/plain"))
    same(made.id, "file_1", "id")
    holds(b"notes" in provider.asked[-1][3], "the file's bytes upstream")
    same(own().files.retrieve_metadata("file_1").filename, "notes.txt", "name")
    same(own().files.download("file_1").read(), b"notes", "content")
    raises(anthropic.NotFoundError, lambda: client().files.retrieve_metadata("file_1"))
    named = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    asked = {**question("read"), "messages": [{"role": "user", "content": named}]}
    raises(anthropic.NotFoundError, lambda: client().messages.create(**asked))
    same(own().messages.create(**asked).id, "msg_1", "the owner's message")


@check("batches: made, looked at, cancelled; results pass line by line; nobody else's")
def _() -> None:
    params = {"model": OPUS, "max_tokens": 16, "messages": ask("in a batch")}
    made = own().messages.batches.create(requests=[{"custom_id": "one", "params": params}])
    same((made.id, made.processing_status), ("msgbatch_1", "ended"), "batch")
    same(own().messages.batches.retrieve(made.id).request_counts.succeeded, 1, "counts")
    same(own().messages.batches.cancel(made.id).id, made.id, "cancelled")
    # The SDK calls the address that the batch says its results are at, with the token that it holds.
    same(made.results_url, f"{SERVER}/anthropic/v1/messages/batches/{made.id}/results", "where the results are")
    raw = own().messages.batches.with_raw_response.results(made.id)
    lines = list(raw.parse())
    same([line.result.message.usage.output_tokens for line in lines], [42], "the lines of results")
    same(provider.asked[-1][1], f"/v1/messages/batches/{made.id}/results", "path upstream")
    same(log_row(raw.headers["x-request-id"])["outputTokens"], None, "looking is no use")
    raises(anthropic.NotFoundError, lambda: client().messages.batches.retrieve(made.id))


@check("AuthenticationError: the provider's for a wrong key, ours for a wrong token")
def _() -> None:
    error = raises(anthropic.AuthenticationError, lambda: client(REFUSED).messages.create(**question("say hello")))
    same(error.body["error"]["message"], "invalid x-api-key", "the provider's message")
    row = log_row(error.response.headers["x-request-id"])
    same_row(row, statusCode=401, errorClass="key_rejected", success=False)
    stranger = client(token="byo_sk_live_nobodys")
    error = raises(anthropic.AuthenticationError, lambda: stranger.messages.create(**question("say hello")))
    same(error.body["error"]["type"], "authentication_error", "ours")


@check("ours are the SDK's typed errors: no refId is BadRequestError, no key NotFoundError")
def _() -> None:
    error = raises(anthropic.BadRequestError, lambda: client(None).messages.create(**question("say hello")))
    same(error.body["error"]["type"], "invalid_request_error", "type")
    holds("X-BYO-Ref-Id" in error.body["error"]["message"], f"message: {error}")
    same(error.body["error"]["details"]["error_code"], "missing_ref_id", "code")
    error = raises(anthropic.NotFoundError, lambda: client("nobody").messages.create(**question("say hello")))
    holds("/keys/connect" in error.message, f"message: {error}")


@check("the provider's refusals keep status and type: 429, 500, 404")
def _() -> None:
    for text, kind in (
        ("limit my rate", anthropic.RateLimitError),
        ("fail inside", anthropic.InternalServerError),
        ("use a retired model", anthropic.NotFoundError),
    ):
        raises(kind, lambda text=text: client().messages.create(**question(text)))


@check("X-BYO-Provider: OpenAI's SDK at /v1 calls Anthropic's compatible endpoint, whole and streamed")
def _() -> None:
    headers = {"X-BYO-Ref-Id": REF, "X-BYO-Provider": "anthropic"}
    compatible = OpenAI(base_url=f"{SERVER}/v1", api_key=SECRET_KEY, default_headers=headers, max_retries=0)
    for streamed in (False, True):
        witness = Witness()
        raw = compatible.chat.completions.with_raw_response.create(
            model=OPUS, messages=ask("say hello"), stream=streamed
        )
        answer = raw.parse()
        if streamed:
            holds(all(chunk.choices for chunk in answer), "the usage chunk is not hidden")
        exchange = witness.one()
        arrived_clean(exchange)
        same(exchange.path, "/v1/chat/completions", "path upstream")
        row = log_row(answered_well(raw.headers, provider="anthropic"))
        same_row(row, provider="anthropic", operation="chat/completions", streamed=streamed, success=True)
        same_row(row, inputTokens=1234, outputTokens=567, costUsd=Decimal("0.020345"))


@check("byok: anthropic.messages.create through the envelope")
def _() -> None:
    witness = Witness()
    answer = byok.anthropic(ref_id=REF).messages.create(**question("say hello"))
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-api-key")
    same(exchange.header("anthropic-version"), "2023-06-01", "the version that is added")
    same(answer, json.loads(exchange.answer), "data")
    answer = byok.anthropic(ref_id=OWN).messages.create(**question("think"))
    same(answer, message(), "data")


@check("byok: the envelope tells usage and cost; count_tokens has none")
def _() -> None:
    def call(operation: str, payload: dict) -> dict:
        body = {"refId": OWN, "providerPayload": payload}
        status, _, answer = http("POST", f"/proxy/anthropic/{operation}", SECRET_KEY, body)
        same(status, 200, operation)
        return parse(answer)

    told = call("messages", question("think"))
    same((told["provider"], told["usage"]["inputTokens"], told["costUsd"]), ("anthropic", 510, COST), "told")
    told = call("messages/count_tokens", {"model": OPUS, "messages": ask("count me")})
    same((told["data"], told["usage"], told["costUsd"]), ({"input_tokens": 14}, None, None), "told")


@check("byok: a wrong key is ProviderError, no key NotFoundError")
def _() -> None:
    error = raises(ProviderError, lambda: byok.anthropic(ref_id=REFUSED).messages.create(**question("say hello")))
    same((error.status_code, error.message), (401, "invalid x-api-key"), "status and the provider's message")
    raises(NotFoundError, lambda: byok.anthropic(ref_id="nobody").messages.create(**question("say hello")))


if __name__ == "__main__":
    check.run()
