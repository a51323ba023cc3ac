"""PyPI `boto3` over HTTPS at endpoint `/bedrock` with a bearer token, which botocore sends over
nothing else: a server of its own with a certificate, before a Bedrock of our own.

The mock provider takes any signature, lists no models and reports no caches: see
`bedrock_provider.py`, which recomputes every signature with botocore.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import botocore.config
from bedrock_provider import CONVERSING, INVOKING, TEXT, Provider
from botocore.exceptions import ClientError, EventStreamError
from harness import (
    PROVIDER_KEY,
    SCRATCH,
    SESSION_TOKEN,
    WRONG_KEY,
    Checks,
    ask,
    holds,
    keep_evidence,
    parse,
    same,
    same_row,
)
from serving import Served

check = Checks("python-boto3")

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
# 10 at 3 USD a million, 300 from a cache at 0.3, 150 and 50 into one at 3.75 and 6, 42 out at 15.
COST = (10 * 3 + 300 * Decimal("0.3") + 150 * Decimal("3.75") + 50 * 6 + 42 * 15) / 1_000_000
COUNTED = {
    "provider": "bedrock",
    "inputTokens": 510,
    "cacheReadTokens": 300,
    "cacheWriteTokens": 200,
    "outputTokens": 42,
    "totalTokens": 552,
    "success": True,
}
ACCESS_KEY = {"region": "us-east-1", "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "sessionToken": SESSION_TOKEN}
# A customer with a Bedrock API key, and one with an access key.
CUSTOMERS = {"api-key": {"region": "us-east-1"}, "signed": ACCESS_KEY}

provider = Provider(PROVIDER_KEY)
folder = SCRATCH / "bedrock"
folder.mkdir(parents=True, exist_ok=True)
CERT, KEY = folder / "cert.pem", folder / "key.pem"
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    + ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(KEY), "-out", str(CERT)],
    check=True,
    capture_output=True,
)
server = Served(folder, BYO_BEDROCK_BASE_URL=provider.url, BYO_TLS_CERT=str(CERT), BYO_TLS_KEY=str(KEY), BYO_LOG="trace")
trust = ssl.create_default_context(cafile=str(CERT))


def http(method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {server.secret_key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
            return answer.status, parse(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, parse(refusal.read())


def connect(ref_id: str, key: str, config: dict[str, str]) -> tuple[int, Any]:
    order = {"provider": "bedrock", "refId": ref_id, "providerKey": key, "providerConfig": config}
    return http("POST", "/keys/connect", order)


def client(ref_id: str | None) -> Any:
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = server.secret_key
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    made = boto3.client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"{server.url}/bedrock", verify=str(CERT), config=config
    )
    if ref_id:
        def name_customer(params: dict, **_: Any) -> None:
            params["headers"]["X-BYO-Ref-Id"] = ref_id

        made.meta.events.register("before-call.bedrock-runtime.*", name_customer)
    return made


def row(answer: dict) -> dict[str, Any]:
    """The call's row in the log, once it is there."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    same((headers["x-byo-provider"], headers["x-byo-key-source"]), ("bedrock", "byok"), "our headers")
    same(headers["x-amzn-requestid"], "aws-request-1", "AWS's request id")
    for _ in range(100):
        status, told = http("GET", f"/logs/{headers['x-request-id']}")
        if status == 200:
            return told
        time.sleep(0.05)
    raise AssertionError("no row in the log")


def for_each(call: Callable[[Any, str], None]) -> None:
    for ref_id in CUSTOMERS:
        call(client(ref_id), ref_id)


def messages(text: str) -> list[dict]:
    return [{"role": "user", "content": [{"text": ask(text)[0]["content"]}]}]


def refused(code: str, call: Callable[[], Any]) -> ClientError:
    """The typed error that the call raises."""
    try:
        answer = call()
    except ClientError as error:
        keep_evidence(f"{error} {error.response}")
        same((type(error).__name__, error.response["Error"]["Code"]), (code, code), "error")
        return error
    raise AssertionError(f"did not raise {code}, answered {answer}")


@check("keys of both kinds are valid, a wrong secret of either kind is not, a wrong region is named")
def _() -> None:
    for ref_id, config in CUSTOMERS.items():
        same(connect(ref_id, PROVIDER_KEY, config)[1]["status"], "valid", ref_id)
        same(connect(f"wrong-{ref_id}", WRONG_KEY, config)[1]["status"], "invalid", f"wrong {ref_id}")
    same(set(provider.paths), {"/foundation-models"}, "paths asked")
    status, told = connect("nobody", PROVIDER_KEY, {"region": "evil.com#"})
    same((status, told["errors"][0]["field"]), (422, "providerConfig.region"), "region")


@check("converse: the answer, usage with caches, exact cost; the path is signed as it is sent")
def _() -> None:
    def call(bedrock: Any, ref_id: str) -> None:
        answer = bedrock.converse(modelId=MODEL, messages=messages("say hello"))
        same(answer["output"]["message"]["content"][0]["text"], TEXT, "text")
        same(provider.paths[-1], f"/model/{MODEL.replace(':', '%3A')}/converse", "path")
        same_row(row(answer), refId=ref_id, operation="converse", model=MODEL, streamed=False, costUsd=COST, **COUNTED)

    for_each(call)


@check("converse_stream: every event, counted to the last")
def _() -> None:
    def call(bedrock: Any, ref_id: str) -> None:
        answer = bedrock.converse_stream(modelId=MODEL, messages=messages("say hello"))
        names = [next(iter(event)) for event in answer["stream"]]
        same((len(names), names[-1]), (len(CONVERSING), "metadata"), "events")
        same_row(row(answer), operation="converseStream", model=MODEL, streamed=True, costUsd=COST, **COUNTED)

    for_each(call)


@check("invoke_model: the model's own document, byte for byte")
def _() -> None:
    def call(bedrock: Any, ref_id: str) -> None:
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": ask("say hello")})
        answer = bedrock.invoke_model(modelId=MODEL, body=body)
        same(answer["contentType"], "application/json", "contentType")
        same(answer["body"].read(), provider.sent[-1], "body")
        same_row(row(answer), operation="invokeModel", model=MODEL, costUsd=COST, **COUNTED)

    for_each(call)


@check("invoke_model_with_response_stream: every chunk, counted")
def _() -> None:
    def call(bedrock: Any, ref_id: str) -> None:
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": ask("say hello")})
        answer = bedrock.invoke_model_with_response_stream(modelId=MODEL, body=body)
        pieces = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
        same((len(pieces), pieces[-1]["type"]), (len(INVOKING), "message_stop"), "chunks")
        same_row(row(answer), operation="invokeModelWithResponseStream", streamed=True, costUsd=COST, **COUNTED)

    for_each(call)


@check("count_tokens costs nothing; an ARN is one segment")
def _() -> None:
    def call(bedrock: Any, ref_id: str) -> None:
        answer = bedrock.count_tokens(modelId=MODEL, input={"converse": {"messages": messages("say hello")}})
        same(answer["inputTokens"], 1234, "tokens")
        same_row(row(answer), operation="countTokens", totalTokens=0, costUsd=0)
        answer = bedrock.converse(modelId=ARN, messages=messages("say hello"))
        segment = ARN.replace(":", "%3A").replace("/", "%2F")
        same(provider.paths[-1], f"/model/{segment}/converse", "path")
        same_row(row(answer), model=ARN, **COUNTED)

    for_each(call)


@check("typed errors: the provider's own, by class in the log; ours, by what the SDK knows")
def _() -> None:
    bedrock = client("signed")
    for text, kind in (("limit my rate", "rate_limited"), ("spend my quota", "quota_exhausted")):
        error = refused("ThrottlingException", lambda: bedrock.converse(modelId=MODEL, messages=messages(text)))  # noqa: B023
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        time.sleep(0.5)
        same(http("GET", f"/logs/{headers['x-request-id']}")[1]["errorClass"], kind, "class")
    say = {"modelId": MODEL, "messages": messages("say hello")}
    error = refused("ResourceNotFoundException", lambda: client("nobody").converse(**say))
    holds("/keys/connect" in error.response["Error"]["Message"], f"message: {error}")
    error = refused("ValidationException", lambda: client(None).converse(**say))
    holds("X-BYO-Ref-Id" in error.response["Error"]["Message"], f"message: {error}")


@check("an exception inside a stream is raised, and is the call's failure")
def _() -> None:
    answer = client("signed").converse_stream(modelId=MODEL, messages=messages("break off"))
    try:
        list(answer["stream"])
    except EventStreamError as error:
        holds("throttlingException" in str(error), f"error: {error}")
    else:
        raise AssertionError("nothing was raised")
    same_row(row(answer), errorClass="rate_limited", success=False)


if __name__ == "__main__":
    with server:
        check.run()
