"""PyPI `mistralai` at base URL `/mistral`, and the envelope's Mistral calls.

The mock provider answers Mistral's paths as OpenAI would: its streams tell usage only when asked,
which Mistral's clients never do. That usage is read from Mistral's own last chunk is tested with
Mistral's bytes in the server's tests, so are OCR, audio and batch jobs, which the mock does not know.
"""

from __future__ import annotations

import json
from decimal import Decimal

from harness import (
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
    holds,
    http,
    log_row,
    parse,
    raises,
    same,
    same_row,
)
from mistralai.client import Mistral
from mistralai.client.errors import ResponseValidationError, SDKError
from openai import OpenAI

check = Checks("python-mistral")

REF = "mistral-python"
REFUSED = "mistral-python-refused"
MODEL = "mistral-small-latest"
# 1234 tokens at 0.15 USD a million, 567 at 0.60.
COST = (1234 * Decimal("0.15") + 567 * Decimal("0.60")) / 1_000_000


def client(token: str = SECRET_KEY) -> Mistral:
    return Mistral(api_key=token, server_url=f"{SERVER}/mistral", timeout_ms=30_000)


def named(ref_id: str = REF) -> dict[str, dict[str, str]]:
    return {"http_headers": {"X-BYO-Ref-Id": ref_id}}


def enveloped(operation: str, payload: dict, ref_id: str = REF) -> tuple[dict, bytes]:
    """A call through the envelope: headers and body of an answer of status 200."""
    body = {"refId": ref_id, "providerPayload": payload}
    status, headers, answer = http("POST", f"/proxy/mistral/{operation}", SECRET_KEY, body)
    same(status, 200, f"{operation} ({answer[:300]!r})")
    return headers, answer


@check("a customer is connected, a wrong key is told")
def _() -> None:
    same(connect(REF, provider="mistral")["status"], "valid", REF)
    same(connect(REFUSED, WRONG_KEY, provider="mistral")["status"], "invalid", REFUSED)


@check("chat: the SDK reads the answer, the row has usage and exact cost")
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


@check("embeddings: the provider's answer reaches the SDK, which misses an id that the mock leaves out")
def _() -> None:
    witness = Witness()
    call = {"model": "mistral-embed", "inputs": ["hello"], **named()}
    error = raises(ResponseValidationError, lambda: client().embeddings.create(**call))
    exchange = witness.one()
    same(exchange.path, "/v1/embeddings", "path upstream")
    same(error.raw_response.content, exchange.answer, "body")


@check("models")
def _() -> None:
    witness = Witness()
    holds(client().models.list(**named()).data, "models")
    same(witness.one().path, "/v1/models", "path upstream")


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
