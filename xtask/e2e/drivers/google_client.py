"""PyPI `google-genai` at base URL `/google`, and `byok`'s Google calls through the envelope.

The mock provider knows generated content under /v1beta only: no models (so that a key is left
unverified), no token counts, no batched embeddings, which are what the SDK always asks for, and no
usage of caches or thoughts. For those a provider of our own answers (see `google_provider.py`).
"""

from __future__ import annotations

import functools
import io
import json
from decimal import Decimal

from byo import BYOK
from byo.errors import NotFoundError, ProviderError
from google import genai
from google.genai import errors, types

from google_provider import Provider, answer, chunks
from harness import (
    PROMPT_CANARY,
    PROVIDER_KEY,
    SECRET_KEY,
    SERVER,
    WRONG_KEY,
    Checks,
    Witness,
    answered_well,
    arrived_clean,
    connect,
    holds,
    http,
    log_row,
    parse,
    raises,
    same,
    same_row,
)

check = Checks("python-google")

REF = "google-python"
OWN = "google-python-own"
REFUSED = "google-python-refused"
FLASH = "gemini-2.5-flash"
PRO = "gemini-2.5-pro"
# What the provider of our own reports, at gemini-2.5-pro's prices.
COST = (65 * Decimal("1.25") + 40 * Decimal("0.125") + 50 * 10) / 1_000_000
COUNTED = {
    "inputTokens": 105,
    "cacheReadTokens": 40,
    "outputTokens": 50,
    "reasoningTokens": 30,
    "totalTokens": 155,
    "costUsd": COST,
}

provider = Provider(PROVIDER_KEY)
byok = BYOK(api_key=SECRET_KEY, base_url=SERVER)


@functools.cache  # a client that nobody holds closes its connections, in the middle of a call as well
def client(ref_id: str | None = REF, token: str = SECRET_KEY, version: str = "v1beta") -> genai.Client:
    headers = {"X-BYO-Ref-Id": ref_id} if ref_id else {}
    options = types.HttpOptions(base_url=f"{SERVER}/google", headers=headers, api_version=version, timeout=30_000)
    return genai.Client(api_key=token, http_options=options)


def own(version: str = "v1") -> genai.Client:
    return client(OWN, version=version)


def ask(text: str) -> str:
    return f"{text} ({PROMPT_CANARY})"


def flash(input_tokens: int, output_tokens: int) -> Decimal:
    return (input_tokens * Decimal("0.3") + output_tokens * Decimal("2.5")) / 1_000_000


def called(response: types.GenerateContentResponse) -> str:
    """The request id of an answer with the headers that every answer carries."""
    return answered_well(response.sdk_http_response.headers, provider="google")


@check("three customers are connected, a wrong key is told")
def _() -> None:
    # The mock provider has no list of models to try the key at.
    same(connect(REF, provider="google")["status"], "unverified", REF)
    config = {"baseUrl": provider.url}
    same(connect(OWN, provider="google", providerConfig=config)["status"], "valid", OWN)
    same(connect(REFUSED, WRONG_KEY, provider="google", providerConfig=config)["status"], "invalid", REFUSED)
    method, path, headers, _ = provider.asked[0]
    same((method, path, headers["x-goog-api-key"]), ("GET", "/v1beta/models?pageSize=1", PROVIDER_KEY), "validation")


@check("generate: the provider gets the customer's key in its header; the row has usage and exact cost")
def _() -> None:
    witness = Witness()
    response = client().models.generate_content(model=FLASH, contents=ask("say hello"))
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-goog-api-key")
    same(exchange.path, f"/v1beta/models/{FLASH}:generateContent", "path upstream")
    holds(response.text.startswith("Hello from the provider"), f"text: {response.text}")
    same_row(
        log_row(called(response)),
        refId=REF,
        provider="google",
        model=FLASH,
        operation="generateContent",
        success=True,
        streamed=False,
        inputTokens=1234,
        outputTokens=567,
        totalTokens=1801,
        costUsd=flash(1234, 567),
    )


@check("generate: the body is the provider's, byte for byte; a key in the query goes no further")
def _() -> None:
    witness = Witness()
    path = f"/google/v1beta/models/{FLASH}:generateContent?key={SECRET_KEY}&alt=json"
    payload = {"contents": [{"role": "user", "parts": [{"text": ask("answer in many scripts")}]}]}
    headers = {"x-goog-api-key": SECRET_KEY, "x-byo-ref-id": REF}
    status, _, body = http("POST", path, None, payload, headers)
    exchange = witness.one()
    same((status, body), (200, exchange.answer), "body")
    arrived_clean(exchange, key_header="x-goog-api-key")
    same(exchange.path, f"/v1beta/models/{FLASH}:generateContent?alt=json", "path upstream")


@check("streamed: every chunk, counted")
def _() -> None:
    witness = Witness()
    seen = list(client().models.generate_content_stream(model=FLASH, contents=ask("answer in many scripts")))
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-goog-api-key")
    same(exchange.path, f"/v1beta/models/{FLASH}:streamGenerateContent?alt=sse", "path upstream")
    text = "".join(chunk.text or "" for chunk in seen)
    holds(text.startswith("Grüße, 世界!") and text.endswith("\r\nend"), f"text: {text!r}")
    row = log_row(called(seen[0]))
    same_row(row, streamed=True, success=True, inputTokens=21, outputTokens=43, costUsd=flash(21, 43))


@check("function calls arrive, whole and streamed")
def _() -> None:
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema={"type": "object"})
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = {"model": FLASH, "contents": ask("weather in Oslo"), "config": config}
    call = client().models.generate_content(**asked).function_calls[0]
    same((call.name, call.args), ("get_weather", {"city": "Oslo"}), "call")
    streamed = [c for chunk in client().models.generate_content_stream(**asked) for c in chunk.function_calls or []]
    same([(call.name, call.args) for call in streamed], [("get_weather", {"city": "Oslo"})], "streamed call")


@check("thoughts, caches and tools: each in its bucket, whole and streamed, under /v1 and /v1beta")
def _() -> None:
    for version in ("v1", "v1beta"):
        response = own(version).models.generate_content(model=PRO, contents=ask("think"))
        same(provider.asked[-1][1], f"/{version}/models/{PRO}:generateContent", "path upstream")
        same(response.usage_metadata.thoughts_token_count, 30, "the SDK's reading of it")
        same_row(log_row(called(response)), model=PRO, success=True, streamed=False, **COUNTED)
        seen = list(own(version).models.generate_content_stream(model=PRO, contents=ask("think")))
        same("".join(chunk.text or "" for chunk in seen), "Seven degrees.", "text")
        same_row(log_row(called(seen[0])), model=PRO, success=True, streamed=True, **COUNTED)


@check("the array form of a stream passes as it is and is counted")
def _() -> None:
    headers = {"x-goog-api-key": SECRET_KEY, "x-byo-ref-id": OWN}
    payload = {"contents": [{"parts": [{"text": ask("think")}]}]}
    status, told, body = http("POST", f"/google/v1beta/models/{PRO}:streamGenerateContent", None, payload, headers)
    same((status, json.loads(body)), (200, chunks()), "chunks")
    same_row(log_row(told["x-request-id"]), success=True, operation="streamGenerateContent", **COUNTED)


@check("an error inside a stream is the SDK's error, and the row says so")
def _() -> None:
    seen = []

    def read() -> None:
        for chunk in own().models.generate_content_stream(model=PRO, contents=ask("fail in the middle")):
            seen.append(chunk)

    error = raises(errors.ServerError, read)
    same((error.code, error.status), (503, "UNAVAILABLE"), "error")
    row = log_row(called(seen[0]))
    same_row(row, success=False, errorClass="provider_down", streamed=True, inputTokens=100, outputTokens=30)


@check("embeddings: vectors, usage and cost")
def _() -> None:
    response = own().models.embed_content(model="gemini-embedding-001", contents=ask("embed me"))
    same(response.embeddings[0].values, [0.25, -0.5], "vector")
    same(provider.asked[-1][1], "/v1/models/gemini-embedding-001:batchEmbedContents", "path upstream")
    row = log_row(answered_well(response.sdk_http_response.headers, provider="google"))
    cost = 6 * Decimal("0.15") / 1_000_000
    same_row(row, operation="batchEmbedContents", model="gemini-embedding-001", inputTokens=6, costUsd=cost)


@check("count_tokens: answered, and not counted as use")
def _() -> None:
    response = own().models.count_tokens(model=PRO, contents=ask("count me"))
    same(response.total_tokens, 31, "tokens")
    row = log_row(answered_well(response.sdk_http_response.headers, provider="google"))
    same_row(row, operation="countTokens", success=True, inputTokens=None, costUsd=None)


@check("models: the list and one")
def _() -> None:
    same([model.name for model in own().models.list(config={"page_size": 5})], [f"models/{PRO}"], "names")
    same(own().models.get(model=PRO).display_name, "Gemini 2.5 Pro", "name")


@check("files: uploaded in pieces by an address of ours alone, read, and nobody else's")
def _() -> None:
    # More than the SDK sends at once.
    content = b"0123456789abcdef" * (10 << 16)
    before = len(provider.asked)
    made = own("v1beta").files.upload(file=io.BytesIO(content), config={"mime_type": "text/plain"})
    same(made.name, "files/f1", "name")
    same(b"".join(provider.uploaded) == content, True, "the bytes upstream")
    begun, *pieces = provider.asked[before:]
    same((begun[1], begun[2]["x-goog-api-key"]), ("/upload/v1beta/files", PROVIDER_KEY), "the beginning")
    same(len(pieces), 2, "pieces")
    for _, path, headers, _ in pieces:
        same(path, "/upload/v1beta/files?upload_id=AbC-1_x&upload_protocol=resumable", "path upstream")
        holds(not any(SECRET_KEY in value or PROVIDER_KEY in value for value in headers.values()), f"{headers}")
    same(own("v1beta").files.get(name=made.name).mime_type, "text/plain", "the owner's look")
    error = raises(errors.ClientError, lambda: client().files.get(name=made.name))
    same((error.code, error.details["error"]["status"]), (404, "NOT_FOUND"), "another's look")


@check("a wrong key is the SDK's 400 without the key in it; a wrong token our 401")
def _() -> None:
    error = raises(
        errors.ClientError, lambda: client(REFUSED).models.generate_content(model=PRO, contents=ask("say hello"))
    )
    same((error.code, error.details["error"]["details"][0]["reason"]), (400, "API_KEY_INVALID"), "error")
    holds(WRONG_KEY not in str(error.details), "the key is shown")
    row = log_row(error.response.headers["x-request-id"])
    same_row(row, statusCode=400, errorClass="key_rejected", success=False)
    wrong = client(token="byo_sk_live_nobodys")
    error = raises(errors.ClientError, lambda: wrong.models.generate_content(model=PRO, contents=ask("hi")))
    same((error.code, error.details["error"]["status"]), (401, "UNAUTHENTICATED"), "ours")


@check("ours are the SDK's typed errors: no refId is 400, no key 404")
def _() -> None:
    for ref_id, code, words, reason in (
        (None, 400, "X-BYO-Ref-Id", "missing_ref_id"),
        ("nobody", 404, "/keys/connect", "key_not_connected"),
    ):
        asked = client(ref_id)
        error = raises(
            errors.ClientError, lambda asked=asked: asked.models.generate_content(model=PRO, contents=ask("hi"))
        )
        same((error.code, error.details["error"]["details"][0]["reason"]), (code, reason), "error")
        holds(words in error.message, f"message: {error.message}")


@check("the provider's refusals keep their status: 429, 500, 404")
def _() -> None:
    for text, kind, code in (
        ("limit my rate", errors.ClientError, 429),
        ("fail inside", errors.ServerError, 500),
        ("use a retired model", errors.ClientError, 404),
    ):
        error = raises(
            kind, lambda text=text: client().models.generate_content(model=FLASH, contents=ask(text))
        )
        same(error.code, code, text)


@check("byok: google.generate_content.create through the envelope")
def _() -> None:
    payload = {"model": FLASH, "contents": [{"role": "user", "parts": [{"text": ask("say hello")}]}]}
    witness = Witness()
    told = byok.google(ref_id=REF).generate_content.create(**payload)
    exchange = witness.one()
    arrived_clean(exchange, key_header="x-goog-api-key")
    same(exchange.path, f"/v1beta/models/{FLASH}:generateContent", "path upstream")
    same(json.loads(exchange.request), {"contents": payload["contents"]}, "body upstream")
    same(told, json.loads(exchange.answer), "data")
    same(byok.google(ref_id=OWN).generate_content.create(model=f"models/{PRO}", contents=[]), answer(), "data")


@check("byok: the other operations of the envelope, their usage and cost")
def _() -> None:
    def call(operation: str, payload: dict) -> tuple[dict[str, str], bytes]:
        body = {"refId": OWN, "providerPayload": payload}
        status, headers, told = http("POST", f"/proxy/google/{operation}", SECRET_KEY, body)
        same(status, 200, operation)
        return headers, told

    told = parse(call("generateContent", {"model": PRO, "contents": []})[1])
    same((told["provider"], told["usage"]["reasoningTokens"], told["costUsd"]), ("google", 30, COST), "told")
    told = parse(call("countTokens", {"model": PRO, "contents": []})[1])
    same((told["data"], told["usage"], told["costUsd"]), ({"totalTokens": 31}, None, None), "told")
    headers, body = call("streamGenerateContent", {"model": PRO, "contents": []})
    same(headers["content-type"], "text/event-stream", "content-type")
    same([json.loads(event[6:]) for event in body.split(b"\r\n\r\n") if event], chunks(), "events")
    same_row(log_row(headers["x-request-id"]), streamed=True, **COUNTED)
    told = parse(call("batchEmbedContents", {"model": "gemini-embedding-001", "requests": []})[1])
    same(told["usage"]["inputTokens"], 6, "tokens")


@check("byok: a wrong key is ProviderError, no key NotFoundError")
def _() -> None:
    asked = {"model": PRO, "contents": []}
    error = raises(ProviderError, lambda: byok.google(ref_id=REFUSED).generate_content.create(**asked))
    same(error.status_code, 400, "status")
    raises(NotFoundError, lambda: byok.google(ref_id="nobody").generate_content.create(**asked))


if __name__ == "__main__":
    check.run()
