"""PyPI `openai` at base URL `/v1`: everything it can call, compared with what the provider saw."""

from __future__ import annotations

import asyncio
import io
import json
import time
from decimal import Decimal

import httpx
import openai
from openai import AsyncOpenAI, OpenAI

from byo import BYOK
from harness import (
    PROVIDER_KEY,
    PUBLISHABLE_KEY,
    SECOND_KEY,
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
    is_usage_chunk,
    list_price,
    log_row,
    raises,
    same,
    same_row,
)

check = Checks("python-openai")

REF = "openai-python"
OTHER = "openai-python-other"
ERRORS = "openai-python-errors"
REFUSED = "openai-python-refused"


def client(ref_id: str | None = REF, token: str = SECRET_KEY, **options) -> OpenAI:
    headers = {"X-BYO-Ref-Id": ref_id} if ref_id else {}
    options = {"max_retries": 0, "timeout": 30, **options}
    return OpenAI(base_url=f"{SERVER}/v1", api_key=token, default_headers=headers, **options)


@check("three customers are connected")
def _() -> None:
    for ref_id, key in ((REF, PROVIDER_KEY), (OTHER, SECOND_KEY), (ERRORS, PROVIDER_KEY)):
        same(connect(ref_id, key)["status"], "valid", ref_id)


@check("chat: the body is the provider's, byte for byte, and the row has its usage and exact cost")
def _() -> None:
    witness = Witness()
    raw = client().chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ask("say hello"))
    exchange = witness.one()
    same(raw.content, exchange.answer, "body")
    holds(raw.parse().choices[0].message.content.startswith("Hello from the provider"), "the SDK's reading of it")
    request_id = answered_well(raw.headers)
    same_row(
        log_row(request_id),
        id=request_id,
        refId=REF,
        provider="openai",
        model="gpt-4o-mini",
        operation="chat/completions",
        source="byok",
        statusCode=200,
        success=True,
        errorClass=None,
        streamed=False,
        inputTokens=1234,
        outputTokens=567,
        totalTokens=1801,
        costUsd=Decimal("0.0005253"),
        fallbackReason=None,
    )
    same(list_price("gpt-4o-mini", 1234, 567), Decimal("0.0005253"), "the expected cost")


@check("chat: the provider gets the customer's key and nothing of ours")
def _() -> None:
    witness = Witness()
    client().chat.completions.create(model="gpt-4o-mini", messages=ask("say hello"), temperature=0.5, seed=7)
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/v1/chat/completions", "path upstream")
    same(
        json.loads(exchange.request),
        {"model": "gpt-4o-mini", "messages": ask("say hello"), "temperature": 0.5, "seed": 7},
        "request body upstream",
    )


@check("chat: another customer's call is made with that customer's key")
def _() -> None:
    witness = Witness()
    client(OTHER).chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    arrived_clean(witness.one(), SECOND_KEY)


@check("streamed chat hides the usage chunk from a client that did not ask, and counts it")
def _() -> None:
    witness = Witness()
    with client().chat.completions.with_streaming_response.create(
        model="gpt-4.1", messages=ask("say hello"), stream=True
    ) as raw:
        request_id = answered_well(raw.headers)
        same(raw.headers["content-type"], "text/event-stream", "content-type")
        received = raw.read()
    exchange = witness.one()
    same(json.loads(exchange.request)["stream_options"], {"include_usage": True}, "stream_options upstream")
    sent = events(exchange.answer)
    same(sum(map(is_usage_chunk, sent)), 1, "usage chunks that the provider sent")
    same(received, b"".join(e for e in sent if not is_usage_chunk(e)), "stream")
    same_row(
        log_row(request_id),
        model="gpt-4.1",
        streamed=True,
        success=True,
        inputTokens=1234,
        outputTokens=567,
        costUsd=list_price("gpt-4.1", 1234, 567),
    )


@check("streamed chat shows the usage chunk to a client that asked")
def _() -> None:
    witness = Witness()
    stream = client().chat.completions.create(
        model="gpt-4.1", messages=ask("say hello"), stream=True, stream_options={"include_usage": True}
    )
    request_id = answered_well(stream.response.headers)
    chunks = list(stream)
    same(chunks[-1].choices, [], "the last chunk's choices")
    same(chunks[-1].usage.prompt_tokens, 1234, "prompt tokens")
    same(chunks[-1].usage.completion_tokens, 567, "completion tokens")
    same(witness.one().status, 200, "status upstream")
    same_row(log_row(request_id), inputTokens=1234, outputTokens=567, costUsd=list_price("gpt-4.1", 1234, 567))


@check("streamed chat: the SDK sees the whole text and no chunk without choices")
def _() -> None:
    stream = client().chat.completions.create(model="gpt-4.1", messages=ask("answer in many scripts"), stream=True)
    text = ""
    for chunk in stream:
        holds(chunk.choices, f"a chunk without choices: {chunk}")
        holds(chunk.usage is None, f"a chunk with usage: {chunk}")
        text += chunk.choices[0].delta.content or ""
    holds(text.startswith("Grüße, 世界!") and text.endswith("\r\nend"), f"text: {text!r}")


@check("streamed chat: include_usage false is turned on upstream, other stream options stay")
def _() -> None:
    witness = Witness()
    stream = client().chat.completions.create(
        model="gpt-4.1",
        messages=ask("say hello"),
        stream=True,
        stream_options={"include_usage": False, "include_obfuscation": False},
    )
    holds(all(chunk.choices for chunk in stream), "the usage chunk is not hidden")
    same(
        json.loads(witness.one().request)["stream_options"],
        {"include_usage": True, "include_obfuscation": False},
        "stream_options upstream",
    )


@check("streamed chat: a stream that the provider breaks off breaks off, and its usage is unknown or an estimate")
def _() -> None:
    with client(ERRORS).chat.completions.with_streaming_response.create(
        model="gpt-4.1", messages=ask("break off"), stream=True
    ) as raw:
        request_id = raw.headers["x-request-id"]
        try:
            received = raw.read()
        except Exception:  # noqa: BLE001: the SDK's transport names it as it likes
            received = None
    holds(received is None or b"[DONE]" not in received, "a broken stream was ended as if it were whole")
    row = log_row(request_id)
    same_row(row, success=False, errorClass="truncated", streamed=True)
    holds(row["inputTokens"] is None or row.get("usageEstimated"), f"tokens out of nowhere: {row}")


@check("responses: body, usage and cost")
def _() -> None:
    witness = Witness()
    raw = client().responses.with_raw_response.create(model="gpt-4.1", input=ask("say hello"))
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/v1/responses", "path upstream")
    same(raw.content, exchange.answer, "body")
    holds(raw.parse().output_text.startswith("Hello from the provider"), "the SDK's reading of it")
    same_row(
        log_row(answered_well(raw.headers)),
        operation="responses",
        model="gpt-4.1",
        streamed=False,
        inputTokens=1234,
        outputTokens=567,
        totalTokens=1801,
        costUsd=Decimal("0.007004"),
    )


@check("streamed responses: every event as sent, usage from response.completed")
def _() -> None:
    witness = Witness()
    with client().responses.with_streaming_response.create(
        model="gpt-4.1", input=ask("say hello"), stream=True
    ) as raw:
        request_id = answered_well(raw.headers)
        received = raw.read()
    exchange = witness.one()
    same(received, exchange.answer, "stream")
    holds("stream_options" not in json.loads(exchange.request), "stream_options were put into a responses call")
    same_row(
        log_row(request_id),
        operation="responses",
        streamed=True,
        inputTokens=1234,
        outputTokens=567,
        costUsd=list_price("gpt-4.1", 1234, 567),
    )


@check("streamed responses: the SDK reads them to the end")
def _() -> None:
    stream = client().responses.create(model="gpt-4.1", input=ask("say hello"), stream=True)
    kinds = [event.type for event in stream]
    same(kinds[0], "response.created", "first event")
    same(kinds[-1], "response.completed", "last event")


@check("embeddings: body as sent, a reported zero stays zero")
def _() -> None:
    witness = Witness()
    raw = client().embeddings.with_raw_response.create(model="text-embedding-3-small", input="embed this")
    exchange = witness.one()
    arrived_clean(exchange)
    same(json.loads(exchange.request)["encoding_format"], "base64", "encoding_format upstream")
    same(raw.content, exchange.answer, "body")
    same(raw.parse().data[0].embedding, [0.25, -0.5, 0.125, 1.0], "vector")
    same_row(
        log_row(answered_well(raw.headers)),
        operation="embeddings",
        model="text-embedding-3-small",
        success=True,
        inputTokens=0,
        totalTokens=0,
        costUsd=0,
    )


AUDIO = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40


@check("transcription: the upload arrives whole, usage and cost from the answer")
def _() -> None:
    witness = Witness()
    raw = client().audio.transcriptions.with_raw_response.create(
        model="gpt-4o-mini-transcribe", file=("speech.wav", AUDIO, "audio/wav")
    )
    exchange = witness.one()
    arrived_clean(exchange)
    holds(AUDIO in exchange.request, "the audio bytes were changed on their way")
    holds(exchange.header("content-type").startswith("multipart/form-data; boundary="), "content-type upstream")
    same(raw.content, exchange.answer, "body")
    same(raw.parse().text, "The quick brown fox, transcribed.", "text")
    same_row(
        log_row(answered_well(raw.headers)),
        operation="audio/transcriptions",
        model="gpt-4o-mini-transcribe",
        inputTokens=14,
        outputTokens=45,
        totalTokens=59,
        costUsd=list_price("gpt-4o-mini-transcribe", 14, 45),
    )


@check("streamed transcription: events as sent, usage from the last one")
def _() -> None:
    witness = Witness()
    with client().audio.transcriptions.with_streaming_response.create(
        model="gpt-4o-mini-transcribe", file=("speech.wav", AUDIO, "audio/wav"), stream=True
    ) as raw:
        request_id = answered_well(raw.headers)
        received = raw.read()
    same(received, witness.one().answer, "stream")
    same_row(log_row(request_id), streamed=True, inputTokens=14, outputTokens=45)


@check("speech: the audio is the provider's, byte for byte")
def _() -> None:
    witness = Witness()
    raw = client().audio.speech.with_raw_response.create(model="tts-1", voice="alloy", input="Speak, friend.")
    exchange = witness.one()
    arrived_clean(exchange)
    same(raw.headers["content-type"], "audio/mpeg", "content-type")
    same(raw.content, exchange.answer, "audio")
    same(raw.content, bytes(range(256)) * 4, "audio against the fixture")
    same_row(log_row(answered_well(raw.headers)), operation="audio/speech", model="tts-1", success=True)


@check("images: generation and multipart edit pass through")
def _() -> None:
    witness = Witness()
    raw = client().images.with_raw_response.generate(model="gpt-image-1", prompt="one pixel")
    exchange = witness.one()
    arrived_clean(exchange)
    same(raw.content, exchange.answer, "body")
    row = log_row(answered_well(raw.headers))
    same_row(row, operation="images/generations", model="gpt-image-1", success=True, inputTokens=None, costUsd=None)

    witness = Witness()
    picture = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256))
    raw = client().images.with_raw_response.edit(
        model="gpt-image-1", prompt="another pixel", image=("in.png", io.BytesIO(picture), "image/png")
    )
    exchange = witness.one()
    arrived_clean(exchange)
    holds(picture in exchange.request, "the picture was changed on its way")
    same(raw.content, exchange.answer, "body")
    same_row(log_row(answered_well(raw.headers)), operation="images/edits", success=True)


@check("moderations pass through")
def _() -> None:
    witness = Witness()
    raw = client().moderations.with_raw_response.create(model="omni-moderation-latest", input="be kind")
    exchange = witness.one()
    arrived_clean(exchange)
    same(raw.content, exchange.answer, "body")
    same(raw.parse().results[0].flagged, False, "flagged")
    same_row(log_row(answered_well(raw.headers)), operation="moderations", success=True)


@check("models are listed")
def _() -> None:
    witness = Witness()
    raw = client().models.with_raw_response.list()
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/v1/models", "path upstream")
    same(raw.content, exchange.answer, "body")
    holds([model.id for model in raw.parse()], "no models")


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@check("tool calls: both turns, streamed and not")
def _() -> None:
    question = ask("weather in Oslo")
    answer = client().chat.completions.create(model="gpt-4.1", messages=question, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    same((call.function.name, json.loads(call.function.arguments)), ("get_weather", {"city": "Oslo"}), "call")

    arguments, finish = "", None
    for chunk in client().chat.completions.create(model="gpt-4.1", messages=question, tools=[TOOL], stream=True):
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        for part in choice.delta.tool_calls or []:
            arguments += part.function.arguments or ""
    same((json.loads(arguments), finish), ({"city": "Oslo"}, "tool_calls"), "streamed call")

    second = [
        *question,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 7}'},
    ]
    answer = client().chat.completions.create(model="gpt-4.1", messages=second, tools=[TOOL])
    same(answer.choices[0].message.content, "It is 7 degrees in Oslo.", "second turn")


@check("files and batches: made, read, cancelled and deleted by their owner")
def _() -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4.1"}}
    content = json.dumps(line).encode() + b"\n"
    witness = Witness()
    file = client().files.create(file=("in.jsonl", content), purpose="batch")
    exchange = witness.one()
    arrived_clean(exchange)
    holds(content in exchange.request, "the file was changed on its way")
    same(client().files.retrieve(file.id).filename, "in.jsonl", "file name")
    same(client().files.content(file.id).content, content, "file content")
    batch = client().batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    same(client().batches.retrieve(batch.id).status, "in_progress", "batch status")
    done = client().batches.retrieve(batch.id)
    same(done.status, "completed", "batch status")
    output = client().files.content(done.output_file_id).content
    same(json.loads(output)["custom_id"], "a", "batch output")
    other = client().batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    same(client().batches.cancel(other.id).status, "cancelling", "cancelled batch")
    same(client().files.delete(file.id).deleted, True, "deleted")


@check("files and batches: another customer's are not found, from the first moment, and the provider is not asked")
def _() -> None:
    def file() -> openai.types.FileObject:
        return client().files.create(file=("private.jsonl", b"{}\n"), purpose="batch")

    def batch(of: openai.types.FileObject) -> openai.types.Batch:
        return client().batches.create(
            input_file_id=of.id, endpoint="/v1/chat/completions", completion_window="24h"
        )

    stranger = client(OTHER)
    # Each look comes right after the making: there is no moment in which the id is nobody's.
    for look in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        made = file()
        witness = Witness()
        raises(openai.NotFoundError, lambda look=look, made=made: look(made.id))
        same([e.path for e in witness.all()], [], "calls upstream")
        same(client().files.retrieve(made.id).id, made.id, "the owner's own reading")
    for look in (stranger.batches.retrieve, stranger.batches.cancel):
        made = batch(file())
        witness = Witness()
        raises(openai.NotFoundError, lambda look=look, made=made: look(made.id))
        same([e.path for e in witness.all()], [], "calls upstream")
    made = file()
    witness = Witness()
    raises(
        openai.NotFoundError,
        lambda: stranger.batches.create(
            input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h"
        ),
    )
    same([e.path for e in witness.all()], [], "calls upstream")


@check("a dated model is priced, and the log shows the model of the answer")
def _() -> None:
    raw = client().chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ask("name a dated model"))
    row = log_row(answered_well(raw.headers))
    same_row(row, inputTokens=100, outputTokens=10, costUsd=list_price("gpt-4o-mini", 100, 10))
    holds(row["model"] in ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), f"model: {row['model']}")


@check("twenty calls at once: a row each, no id twice")
def _() -> None:
    async def burst() -> list[str]:
        headers = {"X-BYO-Ref-Id": "openai-python-burst"}
        async with AsyncOpenAI(
            base_url=f"{SERVER}/v1", api_key=SECRET_KEY, default_headers=headers, max_retries=0
        ) as many:

            async def one(number: int) -> str:
                if number % 2:
                    raw = await many.chat.completions.with_raw_response.create(
                        model="gpt-4o-mini", messages=ask("say hello")
                    )
                    return raw.headers["x-request-id"]
                stream = await many.chat.completions.create(
                    model="gpt-4o-mini", messages=ask("short burst"), stream=True
                )
                async for _chunk in stream:
                    pass
                return stream.response.headers["x-request-id"]

            return await asyncio.gather(*(one(number) for number in range(20)))

    connect("openai-python-burst")
    ids = asyncio.run(burst())
    same(len(set(ids)), 20, "different request ids")
    for request_id in ids:
        log_row(request_id)
    usage = get("/usage?refId=openai-python-burst")["totals"]
    expected = 10 * list_price("gpt-4o-mini", 1234, 567) + 10 * list_price("gpt-4o-mini", 11, 7)
    same((usage["requests"], usage["succeeded"], usage["failed"]), (20, 20, 0), "requests")
    same((usage["inputTokens"], usage["outputTokens"]), (10 * 1245, 10 * 574), "tokens")
    same(usage["costUsd"], expected, "cost")


@check("byok.openai_compatible() configures this client, with its provider header too")
def _() -> None:
    with BYOK(api_key=SECRET_KEY, base_url=SERVER) as byok:
        config = byok.openai_compatible(ref_id=REF)
        same(sorted(config), ["api_key", "base_url", "default_headers"], "config")
    witness = Witness()
    answer = OpenAI(**config).chat.completions.create(model="gpt-4o-mini", messages=ask("say hello"))
    holds(answer.choices[0].message.content.startswith("Hello from the provider"), "answer")
    arrived_clean(witness.one())
    explicit = {**config, "default_headers": {**config["default_headers"], "X-BYO-Provider": "openai"}}
    OpenAI(**explicit).chat.completions.create(model="gpt-4o-mini", messages=ask("say hello"))


def refusal(kind: type[openai.APIStatusError], status: int, call) -> openai.APIStatusError:
    error = raises(kind, call)
    same(error.status_code, status, "status")
    holds(error.response.headers.get("x-request-id"), "no x-request-id")
    return error


def failing(text: str, **options):
    return lambda: client(ERRORS, **options).chat.completions.create(model="gpt-4o-mini", messages=ask(text))


@check("AuthenticationError: a token that is not ours")
def _() -> None:
    witness = Witness()
    wrong = SECRET_KEY[:-4] + ("aaaa" if not SECRET_KEY.endswith("aaaa") else "bbbb")
    error = refusal(openai.AuthenticationError, 401, lambda: client(token=wrong).models.list())
    holds(error.body, f"no error body that the SDK can read: {error.response.text}")
    refusal(openai.AuthenticationError, 401, lambda: client(token="sk-something-else").models.list())
    same(witness.all(), [], "calls upstream")


@check("PermissionDeniedError: a publishable key cannot call")
def _() -> None:
    refusal(openai.PermissionDeniedError, 403, lambda: client(token=PUBLISHABLE_KEY).models.list())


@check("BadRequestError: no X-BYO-Ref-Id, told in the provider's own shape")
def _() -> None:
    error = refusal(openai.BadRequestError, 400, lambda: client(None).models.list())
    body = error.response.json()
    holds(isinstance(body["error"], dict), f"not OpenAI's shape: {body}")
    holds("X-BYO-Ref-Id" in body["error"]["message"], f"message: {body['error']['message']}")
    same(error.code, "missing_ref_id", "code")


@check("NotFoundError: a customer without a key")
def _() -> None:
    error = refusal(
        openai.NotFoundError,
        404,
        lambda: client("nobody").chat.completions.create(model="gpt-4o-mini", messages=ask("say hello")),
    )
    same(error.code, "key_not_connected", "code")
    holds("/keys/connect" in str(error), f"message: {error}")


@check("RateLimitError: the provider's 429 with its Retry-After; the key stays valid")
def _() -> None:
    error = refusal(openai.RateLimitError, 429, failing("limit my rate"))
    same(error.code, "rate_limit_exceeded", "code")
    same(error.response.headers["retry-after"], "7", "retry-after")
    same(error.response.headers["x-ratelimit-limit-requests"], "60", "x-ratelimit-limit-requests")
    row = log_row(error.response.headers["x-request-id"])
    same_row(row, statusCode=429, success=False, errorClass="rate_limited", inputTokens=None, costUsd=None)
    same(get(f"/keys?refId={ERRORS}")["data"][0]["status"], "valid", "key status")


@check("RateLimitError: insufficient_quota is told apart in the log; the key stays valid")
def _() -> None:
    witness = Witness()
    error = refusal(openai.RateLimitError, 429, failing("spend my quota"))
    same(error.code, "insufficient_quota", "code")
    same(error.response.content, witness.one().answer, "body")
    same_row(log_row(error.response.headers["x-request-id"]), errorClass="quota_exhausted", success=False)
    same(get(f"/keys?refId={ERRORS}")["data"][0]["status"], "valid", "key status")


@check("InternalServerError: the provider's 500 and 503 as they are")
def _() -> None:
    for text, status in (("fail inside", 500), ("be overloaded", 503)):
        witness = Witness()
        error = refusal(openai.InternalServerError, status, failing(text))
        same(error.response.content, witness.one().answer, "body")
        same_row(log_row(error.response.headers["x-request-id"]), errorClass="provider_down", statusCode=status)


@check("NotFoundError and BadRequestError: the provider's own, as they are")
def _() -> None:
    for text, kind, status, code in (
        ("use a retired model", openai.NotFoundError, 404, "model_not_found"),
        ("overflow the context", openai.BadRequestError, 400, "context_length_exceeded"),
    ):
        witness = Witness()
        error = refusal(kind, status, failing(text))
        same(error.code, code, "code")
        same(error.response.content, witness.one().answer, "body")
        same_row(log_row(error.response.headers["x-request-id"]), errorClass="request_rejected", statusCode=status)


@check("an error answer to a streamed call is the provider's JSON, not a stream")
def _() -> None:
    def call():
        return client(ERRORS).chat.completions.create(
            model="gpt-4o-mini", messages=ask("limit my rate"), stream=True
        )

    error = refusal(openai.RateLimitError, 429, call)
    holds(error.response.headers["content-type"].startswith("application/json"), "content-type")
    same_row(log_row(error.response.headers["x-request-id"]), errorClass="rate_limited")


@check("AuthenticationError: a wrong provider key is refused by the provider and shown invalid")
def _() -> None:
    connected = connect(REFUSED, WRONG_KEY)
    same(connected["status"], "invalid", "status at connect")
    witness = Witness()
    error = refusal(
        openai.AuthenticationError,
        401,
        lambda: client(REFUSED).chat.completions.create(model="gpt-4o-mini", messages=ask("say hello")),
    )
    exchange = witness.one()
    arrived_clean(exchange, WRONG_KEY)
    same(exchange.status, 401, "status upstream")
    same(error.code, "invalid_api_key", "code")
    same_row(log_row(error.response.headers["x-request-id"]), errorClass="key_rejected", statusCode=401)
    key = get(f"/keys?refId={REFUSED}")["data"][0]
    same((key["status"], bool(key["lastError"])), ("invalid", True), "key status and last error")
    holds(WRONG_KEY not in json.dumps(key, default=str), "the key list shows the key")


@check("a replaced key is used at once and makes the customer whole again")
def _() -> None:
    same(connect(REFUSED, PROVIDER_KEY)["updated"], True, "updated")
    witness = Witness()
    client(REFUSED).chat.completions.create(model="gpt-4o-mini", messages=ask("say hello"))
    arrived_clean(witness.one())
    same(get(f"/keys?refId={REFUSED}")["data"][0]["status"], "valid", "key status")


@check("an endpoint that the provider does not have is its own 404")
def _() -> None:
    witness = Witness()
    error = refusal(
        openai.NotFoundError,
        404,
        lambda: client(ERRORS).completions.create(model="gpt-3.5-turbo-instruct", prompt="say hello"),
    )
    exchange = witness.one()
    same(exchange.path, "/v1/completions", "path upstream")
    same(error.response.content, exchange.answer, "body")


@check("APITimeoutError: the client gives up, the call upstream is cancelled, one row says so")
def _() -> None:
    before = get(f"/logs?refId={ERRORS}")["total"]
    witness = Witness()
    raises(openai.APITimeoutError, failing("take your time", timeout=0.5))
    deadline = time.monotonic() + 5
    while get(f"/logs?refId={ERRORS}")["total"] == before and time.monotonic() < deadline:
        time.sleep(0.1)
    newest = get(f"/logs?refId={ERRORS}&limit=1")["data"][0]
    same_row(newest, success=False, errorClass="client_closed", operation="chat/completions")
    left = witness.one().left_after_ms
    holds(left is not None and left < 2000, f"the call upstream was left after {left} ms")


@check("APIConnectionError: nobody listens")
def _() -> None:
    deaf = httpx.URL(SERVER).copy_with(port=9)
    dead = OpenAI(base_url=f"{deaf}/v1", api_key=SECRET_KEY, max_retries=0)
    raises(openai.APIConnectionError, lambda: dead.models.list())


@check("the SDK's own retry gets through once the provider recovers")
def _() -> None:
    witness = Witness()
    raises(openai.InternalServerError, failing("fail inside", max_retries=2))
    same([e.status for e in witness.all()], [500, 500, 500], "calls upstream")


if __name__ == "__main__":
    check.run()
