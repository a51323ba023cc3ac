"""PyPI `openai`'s `AzureOpenAI` at base URL `/azure-openai`, and `byok`'s Azure calls.

The mock provider knows chat and embeddings of deployments, and neither the list of models that a key
is checked by nor the first chunk of filter results: both are tested with Azure's bytes in the
server's tests.
"""

from __future__ import annotations

import json
from decimal import Decimal

import openai
from byo import BYOK
from byo.errors import ProviderError, ValidationError
from harness import (
    PROVIDER_KEY,
    SECRET_KEY,
    SERVER,
    WITNESS,
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
    is_usage_chunk,
    log_row,
    parse,
    raises,
    same,
    same_row,
)
from openai import AzureOpenAI, OpenAI

check = Checks("python-azure")

REF = "azure-python"
REFUSED = "azure-python-refused"
DEPLOYMENT = "gpt-4o"
VERSION = "2024-10-21"
CONFIG = {"baseUrl": WITNESS, "deploymentName": DEPLOYMENT}
# 1234 tokens at 2.50 USD a million, 567 at 10.
COST = (1234 * Decimal("2.50") + 567 * Decimal(10)) / 1_000_000
byok = BYOK(api_key=SECRET_KEY, base_url=SERVER)


def client(ref_id: str | None = REF) -> AzureOpenAI:
    headers = {"X-BYO-Ref-Id": ref_id} if ref_id else {}
    return AzureOpenAI(
        azure_endpoint=f"{SERVER}/azure-openai",
        api_key=SECRET_KEY,
        api_version=VERSION,
        default_headers=headers,
        max_retries=0,
        timeout=30,
    )


def enveloped(operation: str, payload: dict, ref_id: str = REF) -> tuple[dict, bytes]:
    """A call through the envelope: headers and body of an answer of status 200."""
    body = {"refId": ref_id, "providerPayload": payload}
    status, headers, answer = http("POST", f"/proxy/azure-openai/{operation}", SECRET_KEY, body)
    same(status, 200, f"{operation} ({answer[:300]!r})")
    return headers, answer


@check("keys.connect: a key goes with its resource and deployment; one without is a ValidationError")
def _() -> None:
    witness = Witness()
    byok.keys.connect(
        provider="azure-openai", ref_id=REF, provider_key=PROVIDER_KEY, provider_config=CONFIG
    )
    exchange = witness.one()
    same(exchange.path, f"/openai/models?api-version={VERSION}", "validation")
    same(exchange.header("api-key"), PROVIDER_KEY, "api-key upstream")
    same(connect(REFUSED, WRONG_KEY, provider="azure-openai", providerConfig=CONFIG)["status"], "invalid", REFUSED)
    error = raises(
        ValidationError,
        lambda: byok.keys.connect(provider="azure-openai", ref_id="azure-lost", provider_key=PROVIDER_KEY),
    )
    same([e["field"] for e in error.errors], ["providerConfig.baseUrl", "providerConfig.deploymentName"], "fields")


@check("AzureOpenAI chat: the body is the provider's, byte for byte, and the row has usage and exact cost")
def _() -> None:
    witness = Witness()
    raw = client().chat.completions.with_raw_response.create(model=DEPLOYMENT, messages=ask("say hello"))
    exchange = witness.one()
    arrived_clean(exchange, key_header="api-key", hop=True)
    same(exchange.path, f"/openai/deployments/{DEPLOYMENT}/chat/completions?api-version={VERSION}", "path upstream")
    same(raw.http_response.content, exchange.answer, "body")
    row = log_row(answered_well(raw.headers, provider="azure-openai"))
    same_row(row, operation="chat/completions", inputTokens=1234, outputTokens=567, costUsd=COST)


@check("AzureOpenAI stream: usage is asked for, and the extra chunk is hidden")
def _() -> None:
    witness = Witness()
    stream = client().chat.completions.create(model=DEPLOYMENT, messages=ask("say hello"), stream=True)
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    holds(text.startswith("Hello from the provider"), f"content: {text}")
    holds(all(c.usage is None for c in chunks), "the usage chunk is shown")
    exchange = witness.one()
    same(json.loads(exchange.request)["stream_options"], {"include_usage": True}, "asked")
    holds(any(is_usage_chunk(event) for event in events(exchange.answer)), "the provider told usage")
    same_row(log_row(answered_well(stream.response.headers, provider="azure-openai")), streamed=True, costUsd=COST)


@check("AzureOpenAI embeddings")
def _() -> None:
    answer = client().embeddings.create(model="text-embedding-3-small", input="hello")
    holds(len(answer.data[0].embedding) > 1, "a vector")


@check("AzureOpenAI: a wrong key and a missing refId are its own typed errors")
def _() -> None:
    call = {"model": DEPLOYMENT, "messages": ask("say hello")}
    raises(openai.AuthenticationError, lambda: client(REFUSED).chat.completions.create(**call))
    error = raises(openai.BadRequestError, lambda: client(None).chat.completions.create(**call))
    same(error.code, "missing_ref_id", "code")


@check("byok.azure_openai: the key's deployment, or the one that the payload names")
def _() -> None:
    azure = byok.azure_openai(ref_id=REF)
    for model in (DEPLOYMENT, "gpt-4.1"):
        witness = Witness()
        answer = azure.chat.completions.create(model=model, messages=ask("say hello"))
        exchange = witness.one()
        same(answer, json.loads(exchange.answer), "body")
        same(exchange.path, f"/openai/deployments/{model}/chat/completions?api-version={VERSION}", "path upstream")
    headers, answer = enveloped("chat/completions", {"messages": ask("say hello")})
    same(parse(answer)["success"], True, "without a model")
    same_row(log_row(answered_well(headers, provider="azure-openai")), inputTokens=1234, outputTokens=567)


@check("byok.azure_openai: a wrong key is a ProviderError, a missing refId is told")
def _() -> None:
    azure = byok.azure_openai(ref_id=REFUSED)
    error = raises(
        ProviderError, lambda: azure.chat.completions.create(model=DEPLOYMENT, messages=ask("say hello"))
    )
    same(error.status_code, 401, "status")
    payload = {"messages": ask("say hello")}
    path = "/proxy/azure-openai/chat/completions"
    status, _, answer = http("POST", path, SECRET_KEY, {"providerPayload": payload})
    same((status, parse(answer)["error"]), (400, "missing_ref_id"), "without a refId")


@check("envelope: stream, embeddings and responses")
def _() -> None:
    _, answer = enveloped("chat/completions", {"messages": ask("say hello"), "stream": True})
    same(events(answer)[-1], b"data: [DONE]\n\n", "end")
    payload = {"model": "text-embedding-3-small", "input": "hello"}
    same(parse(enveloped("embeddings", payload)[1])["success"], True, "embeddings")
    witness = Witness()
    headers, _ = enveloped("responses", {"input": ask("say hello")})
    exchange = witness.one()
    same(exchange.path, "/openai/v1/responses", "path upstream")
    same(json.loads(exchange.request)["model"], DEPLOYMENT, "the key's deployment")
    row = get(f"/logs/{headers['x-request-id']}")
    same(row["operation"], "responses", "operation")


@check("OpenAI's SDK with X-BYO-Provider: azure-openai reaches the newer endpoint")
def _() -> None:
    headers = {"X-BYO-Ref-Id": REF, "X-BYO-Provider": "azure-openai"}
    plain = OpenAI(base_url=f"{SERVER}/v1", api_key=SECRET_KEY, default_headers=headers, max_retries=0)
    witness = Witness()
    plain.chat.completions.create(model=DEPLOYMENT, messages=ask("say hello"))
    exchange = witness.one()
    same(exchange.path, "/openai/v1/chat/completions", "path upstream")
    arrived_clean(exchange, key_header="api-key", hop=True)


check.run()
