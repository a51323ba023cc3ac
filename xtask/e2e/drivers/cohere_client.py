"""PyPI `cohere` at base URL `/cohere`, and the envelope's Cohere calls.

The mock provider knows chat, embed and rerank of version 2, and no search units in a rerank. What is
billed for those, and version 1, is tested with Cohere's bytes in the server's tests.
"""

from __future__ import annotations

import json
from decimal import Decimal

import cohere
import httpx
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
    holds,
    http,
    log_row,
    parse,
    raises,
    same,
    same_row,
)

check = Checks("python-cohere")

REF = "cohere-python"
REFUSED = "cohere-python-refused"
MODEL = "command-a-03-2025"
# 1234 tokens at 2.50 USD a million, 567 at 10.
COST = (1234 * Decimal("2.50") + 567 * Decimal(10)) / 1_000_000
HELLO = {"model": MODEL, "messages": ask("say hello")}


def client(ref_id: str | None = REF) -> cohere.ClientV2:
    headers = {"X-BYO-Ref-Id": ref_id} if ref_id else {}
    return cohere.ClientV2(
        api_key=SECRET_KEY, base_url=f"{SERVER}/cohere", httpx_client=httpx.Client(headers=headers, timeout=30)
    )


def enveloped(operation: str, payload: dict, ref_id: str = REF) -> tuple[dict, bytes]:
    """A call through the envelope: headers and body of an answer of status 200."""
    body = {"refId": ref_id, "providerPayload": payload}
    status, headers, answer = http("POST", f"/proxy/cohere/{operation}", SECRET_KEY, body)
    same(status, 200, f"{operation} ({answer[:300]!r})")
    return headers, answer


@check("a customer is connected, a wrong key is told")
def _() -> None:
    same(connect(REF, provider="cohere")["status"], "valid", REF)
    same(connect(REFUSED, WRONG_KEY, provider="cohere")["status"], "invalid", REFUSED)


@check("chat: the SDK reads the answer, the request is its own")
def _() -> None:
    witness = Witness()
    answer = client().chat(**HELLO)
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/v2/chat", "path upstream")
    holds(answer.message.content[0].text.startswith("Hello from the provider"), f"content: {answer}")
    same(answer.usage.billed_units.input_tokens, 1234, "billed")


@check("chat stream: all of it arrives, up to its own last event")
def _() -> None:
    told = list(client().chat_stream(**HELLO))
    text = "".join(e.delta.message.content.text for e in told if e.type == "content-delta")
    holds(text.startswith("Hello from the provider"), f"content: {text}")
    same(told[-1].type, "message-end", "last event")


@check("embed")
def _() -> None:
    answer = client().embed(
        model="embed-v4.0", texts=["hello"], input_type="search_query", embedding_types=["float"]
    )
    holds(len(answer.embeddings.float_[0]) > 1, "a vector")


@check("rerank reaches its path with the request as it was made")
def _() -> None:
    witness = Witness()
    client().rerank(model="rerank-v3.5", query="hello", documents=["hello", "bye"])
    exchange = witness.one()
    same(exchange.path, "/v2/rerank", "path upstream")
    same(json.loads(exchange.request)["documents"], ["hello", "bye"], "documents")


@check("a wrong provider key is UnauthorizedError")
def _() -> None:
    error = raises(cohere.UnauthorizedError, lambda: client(REFUSED).chat(**HELLO))
    same(error.status_code, 401, "status")


@check("a missing refId is BadRequestError with our message")
def _() -> None:
    error = raises(cohere.BadRequestError, lambda: client(None).chat(**HELLO))
    holds("X-BYO-Ref-Id" in str(error.body), f"body: {error.body}")


@check("envelope: chat whole and streamed, with usage and exact cost")
def _() -> None:
    headers, answer = enveloped("chat", HELLO)
    told = parse(answer)
    same((told["success"], told["costUsd"]), (True, COST), "success, costUsd")
    row = log_row(answered_well(headers, provider="cohere"))
    same_row(row, operation="chat", model=MODEL, inputTokens=1234, outputTokens=567, costUsd=COST)
    witness = Witness()
    headers, answer = enveloped("chat", {**HELLO, "stream": True})
    same(answer, witness.one().answer, "stream")
    row = log_row(answered_well(headers, provider="cohere"))
    same_row(row, streamed=True, inputTokens=1234, outputTokens=567, costUsd=COST)


@check("envelope: embed and rerank")
def _() -> None:
    payload = {"model": "embed-v4.0", "texts": ["hello"], "input_type": "search_query", "embedding_types": ["float"]}
    same(parse(enveloped("embed", payload)[1])["success"], True, "embed")
    payload = {"model": "rerank-v3.5", "query": "hello", "documents": ["hello", "bye"]}
    same(parse(enveloped("rerank", payload)[1])["success"], True, "rerank")


@check("envelope: a wrong key is told inside, a missing refId outside")
def _() -> None:
    told = parse(enveloped("chat", HELLO, REFUSED)[1])
    same((told["success"], told["statusCode"]), (False, 401), "success, statusCode")
    status, _, answer = http("POST", "/proxy/cohere/chat", SECRET_KEY, {"providerPayload": HELLO})
    same((status, parse(answer)["error"]), (400, "missing_ref_id"), "without a refId")


check.run()
