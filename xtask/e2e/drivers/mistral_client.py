"""PyPI `mistralai` at base URL `/mistral`, and the envelope's Mistral calls.

The mock provider answers Mistral's paths as OpenAI would: no usage in a stream that did not ask, other
embeddings and models. For those a provider of our own answers (see `mistral_provider.py`). OCR, audio
and batch jobs, which both lack, are tested with Mistral's bytes in the server's tests.
"""

from __future__ import annotations

import json
from decimal import Decimal

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
    events,
    get,
    holds,
    http,
    log_row,
    parse,
    raises,
    same,
    same_row,
)
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from mistral_provider import Provider
from openai import OpenAI

check = Checks("python-mistral")

REF = "mistral-python"
OWN = "mistral-python-own"
REFUSED = "mistral-python-refused"
MODEL = "mistral-small-latest"
# 1234 tokens at 0.15 USD a million, 567 at 0.60.
COST = (1234 * Decimal("0.15") + 567 * Decimal("0.60")) / 1_000_000
provider = Provider(PROVIDER_KEY)


def client(token: str = SECRET_KEY) -> Mistral:
    return Mistral(api_key=token, server_url=f"{SERVER}/mistral", timeout_ms=30_000)


def named(ref_id: str = REF) -> dict[str, dict[str, str]]:
    return {"http_headers": {"X-BYO-Ref-Id": ref_id}}


def newest(ref_id: str) -> dict:
    """The customer's latest call, from the log."""
    return get(f"/logs?refId={ref_id}&limit=1")["data"][0]


def enveloped(operation: str, payload: dict, ref_id: str = REF) -> tuple[dict, bytes]:
    """A call through the envelope: headers and body of an answer of status 200."""
    body = {"refId": ref_id, "providerPayload": payload}
    status, headers, answer = http("POST", f"/proxy/mistral/{operation}", SECRET_KEY, body)
    same(status, 200, f"{operation} ({answer[:300]!r})")
    return headers, answer


@check("two customers are connected, a wrong key is told")
def _() -> None:
    same(connect(REF, provider="mistral")["status"], "valid", REF)
    config = {"baseUrl": provider.url}
    same(connect(OWN, provider="mistral", providerConfig=config)["status"], "valid", OWN)
    same(connect(REFUSED, WRONG_KEY, provider="mistral")["status"], "invalid", REFUSED)


@check("chat: the SDK reads the answer, the request is its own")
def _() -> None:
    witness = Witness()
    answer = client().chat.complete(model=MODEL, messages=ask("say hello"), **named())
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/v1/chat/completions", "path upstream")
    holds(answer.choices[0].message.content.startswith("Hello from the provider"), f"content: {answer}")
    same((answer.usage.prompt_tokens, answer.usage.completion_tokens), (1234, 567), "usage")


@check("chat stream: all of it arrives, and nothing was put into the request")
def _() -> None:
    witness = Witness()
    text = ""
    for event in client().chat.stream(model=MODEL, messages=ask("say hello"), **named()):
        text += event.data.choices[0].delta.content or ""
    holds(text.startswith("Hello from the provider"), f"content: {text}")
    exchange = witness.one()
    sent = json.loads(exchange.request)
    holds(sent["stream"] is True and "stream_options" not in sent, f"request upstream: {sent}")


@check("a stream's usage is read from its last chunk, unasked")
def _() -> None:
    call = {"model": MODEL, "messages": ask("say hello"), **named(OWN)}
    told = [event.data for event in client().chat.stream(**call)]
    same("".join(chunk.choices[0].delta.content for chunk in told), "Bonjour!", "content")
    same(told[-1].usage.prompt_tokens, 100, "usage")
    cost = (36 * Decimal("0.15") + 64 * Decimal("0.015") + 40 * Decimal("0.60")) / 1_000_000
    same_row(newest(OWN), streamed=True, inputTokens=100, cacheReadTokens=64, outputTokens=40, costUsd=cost)


@check("embeddings and models")
def _() -> None:
    answer = client().embeddings.create(model="mistral-embed", inputs=["hello"], **named(OWN))
    same(answer.data[0].embedding, [0.25, 0.5], "vector")
    cost = 15 * Decimal("0.10") / 1_000_000
    same_row(newest(OWN), operation="embeddings", inputTokens=15, costUsd=cost)
    same(client().models.list(**named(OWN)).data[0].id, MODEL, "model")


@check("a wrong provider key is the SDK's own error with the provider's status")
def _() -> None:
    error = raises(SDKError, lambda: client().chat.complete(model=MODEL, messages=ask("say hello"), **named(REFUSED)))
    same(error.status_code, 401, "status")


@check("a missing refId is the SDK's own error with our message")
def _() -> None:
    error = raises(SDKError, lambda: client().chat.complete(model=MODEL, messages=ask("say hello")))
    same(error.status_code, 400, "status")
    holds("X-BYO-Ref-Id" in error.body, f"body: {error.body}")


@check("envelope: chat and embeddings, whole, with usage and exact cost")
def _() -> None:
    headers, answer = enveloped("chat", {"model": MODEL, "messages": ask("say hello")})
    told = parse(answer)
    same((told["success"], told["costUsd"]), (True, COST), "success, costUsd")
    row = log_row(answered_well(headers, provider="mistral"))
    same_row(row, operation="chat", inputTokens=1234, outputTokens=567, costUsd=COST, streamed=False)
    _, answer = enveloped("embeddings", {"model": "mistral-embed", "input": ["hello"]})
    same(parse(answer)["success"], True, "success")


@check("envelope: a stream is the provider's own, byte for byte")
def _() -> None:
    witness = Witness()
    _, answer = enveloped("chat", {"model": MODEL, "messages": ask("say hello"), "stream": True})
    same(answer, witness.one().answer, "stream")
    holds(events(answer)[-1] == b"data: [DONE]\n\n", "end")


@check("envelope: a wrong key is told inside, a missing refId and an unknown operation outside")
def _() -> None:
    payload = {"model": MODEL, "messages": ask("say hello")}
    told = parse(enveloped("chat", payload, REFUSED)[1])
    same((told["success"], told["statusCode"]), (False, 401), "success, statusCode")
    status, _, answer = http("POST", "/proxy/mistral/chat", SECRET_KEY, {"providerPayload": payload})
    same((status, parse(answer)["error"]), (400, "missing_ref_id"), "without a refId")
    status, _, _ = http("POST", "/proxy/mistral/rerank", SECRET_KEY, {"refId": REF, "providerPayload": payload})
    same(status, 404, "rerank")


@check("OpenAI's SDK with X-BYO-Provider: mistral reaches the same endpoint")
def _() -> None:
    headers = {"X-BYO-Ref-Id": REF, "X-BYO-Provider": "mistral"}
    openai = OpenAI(base_url=f"{SERVER}/v1", api_key=SECRET_KEY, default_headers=headers, max_retries=0)
    raw = openai.chat.completions.with_raw_response.create(model=MODEL, messages=ask("say hello"))
    same_row(log_row(answered_well(raw.headers, provider="mistral")), provider="mistral", costUsd=COST)


check.run()
