"""Plain HTTP: the envelope, streams byte for byte, and what a hostile or careless caller sends."""

from __future__ import annotations

import http.client
import json
import socket
import time
from decimal import Decimal
from urllib.parse import urlsplit

import httpx

from harness import (
    ADMIN_TOKEN,
    HOP,
    PROJECT,
    PROVIDER,
    PROVIDER_KEY,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    SERVER,
    Checks,
    Witness,
    answered_well,
    arrived_clean,
    ask,
    connect,
    events,
    get,
    holds,
    http as call,
    is_usage_chunk,
    journal,
    list_price,
    log_row,
    parse,
    remember,
    same,
    same_row,
)

check = Checks("raw-http")

REF = "raw-http"
HEADERS = {"authorization": f"Bearer {SECRET_KEY}", "x-byo-ref-id": REF}


def code_of(told):
    """The code of a refusal; on the drop-in routes it lies where the provider's SDK looks."""
    error = told.get("error")
    return error.get("code") if isinstance(error, dict) else error


def envelope(operation: str, payload: dict, ref_id: str = REF) -> tuple[int, dict[str, str], bytes]:
    return call("POST", f"/proxy/openai/{operation}", SECRET_KEY, {"refId": ref_id, "providerPayload": payload})


@check("the customer is connected")
def _() -> None:
    same(connect(REF)["status"], "valid", "status")


@check("probes: healthz, readyz and a complete OpenAPI 3.1 document")
def _() -> None:
    same(call("GET", "/healthz")[0], 200, "/healthz")
    same(call("GET", "/readyz")[0], 200, "/readyz")
    status, _, body = call("GET", "/openapi.json")
    same(status, 200, "/openapi.json")
    document = parse(body)
    holds(document["openapi"].startswith("3.1"), f"version: {document['openapi']}")
    for path in ("/keys/connect", "/keys", "/usage", "/logs", "/logs/{id}", "/stats", "/audit-logs"):
        holds(path in document["paths"], f"{path} is not documented")


@check("envelope: each operation answers with the provider's bytes, usage and exact cost")
def _() -> None:
    for operation, payload, model, tokens in (
        ("chat/completions", {"model": "gpt-4.1", "messages": ask("say hello")}, "gpt-4.1", (1234, 567)),
        ("responses", {"model": "gpt-4.1-mini", "input": ask("say hello")}, "gpt-4.1-mini", (1234, 567)),
        ("embeddings", {"model": "text-embedding-3-small", "input": "embed this"}, "text-embedding-3-small", (0, 0)),
        ("moderations", {"model": "omni-moderation-latest", "input": "be kind"}, None, None),
        ("images/generations", {"model": "gpt-image-1", "prompt": "one pixel"}, None, None),
    ):
        witness = Witness()
        status, headers, body = envelope(operation, payload)
        exchange = witness.one()
        same(status, 200, f"{operation}: {body[:300]!r}")
        arrived_clean(exchange)
        same(exchange.path, f"/v1/{operation}", "path upstream")
        same(json.loads(exchange.request), payload, "request upstream")
        request_id = answered_well(headers)
        answer = parse(body)
        holds(b'"data":' + exchange.answer in body, f"{operation}: the data is not the provider's bytes")
        same(
            (answer["success"], answer["statusCode"], answer["provider"], answer["keySource"]),
            (True, 200, "openai", "byok"),
            operation,
        )
        same(answer["requestId"], request_id, "requestId")
        if tokens:
            cost = list_price(model, *tokens)
            same(answer["costUsd"], cost, f"{operation}: costUsd")
            holds(answer["usage"] is not None, f"{operation}: usage")
            same_row(log_row(request_id), operation=operation, costUsd=cost, inputTokens=tokens[0])
        holds(
            body.index(b'"data"') < body.index(b'"usage"', body.index(b'"data"') + len(exchange.answer)),
            f"{operation}: usage stands before the data",
        )


@check("envelope: the payload's bytes reach the provider as they were written")
def _() -> None:
    text = ask("say hello")[0]["content"]
    payload = (
        '{ "model":"gpt-4.1",\n\t"messages" : [{"role":"user","content":"' + text + '"}],'
        ' "temperature":1.0, "seed":12345678901234567890, "x":"\\u00e9\\/" }'
    ).encode()
    body = b'{"refId":"' + REF.encode() + b'","providerPayload":' + payload + b"}"
    witness = Witness()
    status, _, answer = call("POST", "/proxy/openai/chat/completions", SECRET_KEY, body)
    same(status, 200, f"{answer[:300]!r}")
    same(witness.one().request, payload, "payload upstream")
    witness = Witness()
    call("POST", "/v1/chat/completions", SECRET_KEY, payload, {"x-byo-ref-id": REF})
    same(witness.one().request, payload, "payload upstream by the drop-in route")


@check("envelope: the provider refused, HTTP 200 with its body as it is and a word of explanation")
def _() -> None:
    connect("raw-http-errors")
    for text, status in (("limit my rate", 429), ("overflow the context", 400), ("fail inside", 500)):
        witness = Witness()
        http_status, headers, body = envelope(
            "chat/completions", {"model": "gpt-4.1", "messages": ask(text)}, "raw-http-errors"
        )
        answer = parse(body)
        same((http_status, answer["success"], answer["statusCode"]), (200, False, status), text)
        holds(b'"data":' + witness.one().answer in body, "the data is not the provider's bytes")
        same((answer["usage"], answer["costUsd"]), (None, None), "usage, costUsd")
        answered_well(headers)
        if status == 429:
            holds(answer["explanation"], "no explanation")


@check("envelope: a streaming payload answers with the provider's stream itself")
def _() -> None:
    for asked in (False, True):
        payload = {"model": "gpt-4.1", "messages": ask("answer in many scripts"), "stream": True}
        if asked:
            payload["stream_options"] = {"include_usage": True}
        witness = Witness()
        status, headers, body = envelope("chat/completions", payload)
        exchange = witness.one()
        sent = events(exchange.answer)
        same(status, 200, "status")
        same(headers["content-type"], "text/event-stream", "content-type")
        same(body, b"".join(e for e in sent if asked or not is_usage_chunk(e)), "stream")
        same_row(
            log_row(answered_well(headers)),
            streamed=True,
            inputTokens=21,
            outputTokens=43,
            costUsd=list_price("gpt-4.1", 21, 43),
        )


@check("envelope: speech is audio, transcription is multipart with refId in a field")
def _() -> None:
    witness = Witness()
    status, headers, body = envelope("audio/speech", {"model": "tts-1", "voice": "alloy", "input": "Speak."})
    same(status, 200, f"speech: {body[:200]!r}")
    exchange = witness.one()
    arrived_clean(exchange)
    holds(exchange.answer == body or b'"data"' in body, "speech: neither the audio nor an envelope of it")

    witness = Witness()
    audio = bytes(range(256)) * 300
    answer = httpx.post(
        f"{SERVER}/proxy/openai/audio/transcriptions",
        headers={"authorization": f"Bearer {SECRET_KEY}"},
        data={"refId": REF, "model": "gpt-4o-mini-transcribe", "language": "en"},
        files={"file": ("speech.wav", audio, "audio/wav")},
    )
    same(answer.status_code, 200, f"transcription: {answer.text[:300]}")
    exchange = witness.one()
    arrived_clean(exchange)
    holds(audio in exchange.request, "the audio was changed on its way")
    holds(b'name="language"' in exchange.request, "a form field was lost")
    holds(b'name="refId"' not in exchange.request, "refId reached the provider")
    told = json.loads(answer.content, parse_float=Decimal)
    holds(b'"data":' + exchange.answer in answer.content, "the data is not the provider's bytes")
    same(told["costUsd"], list_price("gpt-4o-mini-transcribe", 14, 45), "cost")


def raw_stream(payload: dict) -> tuple[httpx.Headers, list[tuple[float, bytes]]]:
    """A streamed call over a bare connection: headers, and each piece with its time of arrival."""
    begun = time.monotonic()
    with httpx.stream("POST", f"{SERVER}/v1/chat/completions", headers=HEADERS, json=payload, timeout=30) as answer:
        pieces = [(time.monotonic() - begun, piece) for piece in answer.iter_raw()]
        return answer.headers, pieces


@check("streams byte for byte: usage asked for, nothing is changed")
def _() -> None:
    for text in ("say hello", "answer in many scripts", "short burst"):
        witness = Witness()
        payload = {
            "model": "gpt-4.1",
            "messages": ask(text),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers, pieces = raw_stream(payload)
        exchange = witness.one()
        same(b"".join(piece for _, piece in pieces), exchange.answer, text)
        same(json.loads(exchange.request), payload, "request upstream")
        answered_well(headers)


@check("streams byte for byte: usage not asked for, only its chunk is missing")
def _() -> None:
    for text in ("say hello", "answer in many scripts", "short burst"):
        witness = Witness()
        _, pieces = raw_stream({"model": "gpt-4.1", "messages": ask(text), "stream": True})
        sent = events(witness.one().answer)
        same(sum(map(is_usage_chunk, sent)), 1, "usage chunks sent")
        same(b"".join(p for _, p in pieces), b"".join(e for e in sent if not is_usage_chunk(e)), text)


@check("streams flow: tokens are not held back until the end")
def _() -> None:
    _, pieces = raw_stream({"model": "gpt-4.1", "messages": ask("speak slowly"), "stream": True})
    first, last = pieces[0][0], pieces[-1][0]
    holds(first < 0.6, f"first piece after {first:.2f} s")
    holds(last - first > 1.2, f"the stream took {last - first:.2f} s from first to last piece")
    holds(len(pieces) >= 15, f"{len(pieces)} pieces")


@check("client gone: the call upstream is cancelled within a second, one row, not a success")
def _() -> None:
    witness = Witness()
    payload = {"model": "gpt-4.1", "messages": ask("speak slowly"), "stream": True}
    begun = time.monotonic()
    with httpx.stream("POST", f"{SERVER}/v1/chat/completions", headers=HEADERS, json=payload) as answer:
        request_id = answer.headers["x-request-id"]
        next(answer.iter_raw())
    gone = (time.monotonic() - begun) * 1000
    row = log_row(request_id)
    same_row(row, success=False, errorClass="client_closed", streamed=True)
    exchange = witness.one()
    holds(exchange.left_after_ms is not None, "the call upstream went on")
    holds(exchange.left_after_ms < gone + 1000, f"cancelled after {exchange.left_after_ms} ms, left at {gone:.0f}")


@check("headers: credentials of every spelling stop here, harmless ones pass")
def _() -> None:
    witness = Witness()
    status, headers, body = call(
        "POST",
        "/v1/chat/completions",
        None,
        {"model": "gpt-4.1", "messages": ask("say hello")},
        {
            "api-key": SECRET_KEY,
            "x-byo-ref-id": REF,
            "cookie": "session=1",
            "x-forwarded-for": "203.0.113.9",
            "openai-organization": "org-of-the-caller",
            "openai-beta": "assistants=v2",
            "accept-encoding": "gzip, br",
            "x-api-key": SECRET_KEY,
        },
    )
    same(status, 200, f"{body[:300]!r}")
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.header("openai-beta"), "assistants=v2", "openai-beta")
    same(exchange.header("openai-organization"), None, "openai-organization")
    same(exchange.header("x-forwarded-for"), None, "x-forwarded-for")
    holds("set-cookie" not in headers and "www-authenticate" not in headers, f"answer headers: {headers}")


# Where the providers take their key.
CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


@check("the provider's own journal tells the same story")
def _() -> None:
    entries = journal(method="POST")
    holds(len(entries) > 20, f"{len(entries)} entries")
    for entry in entries:
        sent = entry["headers"]
        credentials = [name for name in sent if name in CREDENTIALS]
        same(len(credentials), 1, f"credentials at {entry['path']}: {credentials}")
        holds("byo_" not in json.dumps(sent), f"a token of ours at {entry['path']}")
        ours = [name for name in sent if name.startswith("x-byo-") or name == "cookie"]
        of_openai = entry["path"] == "/v1/chat/completions" and str(entry["body"].get("model")).startswith("gpt")
        if entry["path"].startswith("/openai/") or (entry["path"].startswith("/v1/chat/") and not of_openai):
            # A customer's own baseUrl, of another driver.
            ours = [name for name in ours if name != HOP]
        same(ours, [], f"our headers at {entry['path']}")
        if of_openai and entry["body"].get("stream"):
            asked = entry["body"].get("stream_options") or {}
            same(asked.get("include_usage"), True, f"include_usage of {entry['body']}")


@check("bad input: a clear error each, nothing reaches the provider")
def _() -> None:
    chat = {"model": "gpt-4.1", "messages": ask("say hello")}
    good = {"refId": REF, "providerPayload": chat}
    proxy = "/proxy/openai/chat/completions"
    cases = (
        ("malformed JSON", "POST", proxy, SECRET_KEY, b'{"refId": "a", ', {}, 400, "invalid_json"),
        ("JSON that is no object", "POST", proxy, SECRET_KEY, b"[1]", {}, 400, "invalid_json"),
        ("no refId", "POST", proxy, SECRET_KEY, {"providerPayload": chat}, {}, 400, "missing_ref_id"),
        ("empty refId", "POST", proxy, SECRET_KEY, {**good, "refId": ""}, {}, 400, None),
        ("control characters", "POST", proxy, SECRET_KEY, {**good, "refId": "a\u0000b"}, {}, 400, "invalid_ref_id"),
        ("10 KB refId", "POST", proxy, SECRET_KEY, {**good, "refId": "x" * 10240}, {}, 400, "invalid_ref_id"),
        ("refId of another kind", "POST", proxy, SECRET_KEY, {**good, "refId": 7}, {}, 400, None),
        ("no payload", "POST", proxy, SECRET_KEY, {"refId": REF}, {}, None, None),
        ("unknown provider", "POST", "/proxy/skynet/chat", SECRET_KEY, good, {}, 404, "not_found"),
        ("unknown operation", "POST", "/proxy/openai/launch", SECRET_KEY, good, {}, 404, "not_found"),
        ("unknown path", "GET", "/no/such/path", SECRET_KEY, None, {}, 404, "not_found"),
        ("content type", "POST", proxy, SECRET_KEY, b"<xml/>", {"content-type": "text/xml"}, 415, "unsupported_media_type"),
        ("no token", "POST", proxy, None, good, {}, 401, "unauthenticated"),
        ("publishable key", "POST", proxy, PUBLISHABLE_KEY, good, {}, 403, "forbidden"),
        ("silly limit", "GET", "/logs?limit=minus", SECRET_KEY, None, {}, 400, "invalid_parameter"),
        ("limit over 500", "GET", "/logs?limit=501", SECRET_KEY, None, {}, 400, "invalid_parameter"),
        ("silly since", "GET", "/usage?since=yesterday", SECRET_KEY, None, {}, 400, "invalid_parameter"),
        ("not connected", "POST", proxy, SECRET_KEY, {**good, "refId": "nobody"}, {}, 404, "key_not_connected"),
        ("another's project", "GET", "/projects/proj_x/usage", SECRET_KEY, None, {}, 404, "not_found"),
    )
    witness = Witness()
    wrong = []
    for what, method, path, token, body, headers, status, code in cases:
        got, answer_headers, answer = call(method, path, token, body, headers)
        told = parse(answer) if answer[:1] == b"{" else {}
        if status is None:
            if not 400 <= got < 500:
                wrong.append(f"{what}: {got}")
        elif got != status or (code and code_of(told) != code):
            wrong.append(f"{what}: {got} {code_of(told)}, expected {status} {code}")
        if told.get("requestId") != answer_headers.get("x-request-id") or not told.get("message"):
            wrong.append(f"{what}: no message, or no request id that matches its header: {answer[:200]!r}")
    same(wrong, [], "answers")
    same([e.path for e in witness.all()], [], "calls upstream")


@check("a body over the limit is refused by its length, and one that hides it while it comes")
def _() -> None:
    address = urlsplit(SERVER)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET_KEY}\r\n"
    head += f"x-byo-ref-id: {REF}\r\ncontent-type: application/json\r\n"
    witness = Witness()
    with socket.create_connection((address.hostname, address.port), timeout=20) as wire:
        wire.sendall(f"{head}content-length: {64 << 20}\r\n\r\n".encode())
        same(wire.recv(64).split(b" ")[1], b"413", "status by content-length")
    with socket.create_connection((address.hostname, address.port), timeout=20) as wire:
        wire.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        try:
            for _ in range(40):
                wire.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = wire.recv(64)
        except ConnectionResetError:
            answer = b""
        holds(not answer or answer.split(b" ")[1] == b"413", f"status by chunks: {answer!r}")
    same([e.status for e in witness.all() if e.complete], [], "calls that the provider answered")
    same(call("GET", "/healthz")[0], 200, "the server afterwards")


@check("pipelined, half-sent and oversized heads leave the server unmoved")
def _() -> None:
    address = urlsplit(SERVER)
    for bytes_sent in (
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-long: " + b"a" * 300_000 + b"\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ):
        try:
            with socket.create_connection((address.hostname, address.port), timeout=5) as wire:
                wire.sendall(bytes_sent)
                wire.recv(4096)
        except OSError:
            pass
    same(call("GET", "/healthz")[0], 200, "the server afterwards")


@check("CORS: only the publishable and session calls answer another origin, never with credentials")
def _() -> None:
    def preflight(path: str) -> dict[str, str]:
        wire = http.client.HTTPConnection(urlsplit(SERVER).netloc, timeout=10)
        headers = {
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        wire.request("OPTIONS", path, headers=headers)
        answer = wire.getresponse()
        answer.read()
        return {name.lower(): value for name, value in answer.getheaders()}

    for path in ("/keys/connect", "/keys/check"):
        headers = preflight(path)
        same(headers.get("access-control-allow-origin"), "https://app.example.com", path)
        holds("access-control-allow-credentials" not in headers, f"{path}: credentials allowed")
    for path in ("/v1/chat/completions", "/proxy/openai/responses", "/usage", "/logs", "/keys"):
        holds("access-control-allow-origin" not in preflight(path), f"{path} answers another origin")


@check("the admin token: every project-scoped route under /projects/{id}, and the list of projects")
def _() -> None:
    projects = get("/projects", ADMIN_TOKEN)
    holds(PROJECT in [project["id"] for project in projects["data"]], f"projects: {projects}")
    for path in ("usage", "logs", "stats", "keys", "pricing", "origins", "audit-logs", "api-keys"):
        get(f"/projects/{PROJECT}/{path}", ADMIN_TOKEN)
    keys = json.dumps(get(f"/projects/{PROJECT}/api-keys", ADMIN_TOKEN))
    holds(SECRET_KEY not in keys, "the list of API keys shows a secret key")


@check("a new secret key works at once, a revoked one stops at once")
def _() -> None:
    status, _, body = call(
        "POST", f"/projects/{PROJECT}/api-keys", ADMIN_TOKEN, {"type": "secret", "name": "short-lived"}
    )
    holds(status in (200, 201), f"create: {status} {body[:300]!r}")
    made = parse(body)
    remember(made["key"])
    same(call("GET", "/stats", made["key"])[0], 200, "while it lives")
    status, _, body = call("DELETE", f"/projects/{PROJECT}/api-keys/{made['id']}", ADMIN_TOKEN)
    holds(status in (200, 204), f"revoke: {status} {body[:300]!r}")
    same(call("GET", "/stats", made["key"])[0], 401, "after its revocation")


@check("a customer key implies its refId and may call, nothing else")
def _() -> None:
    status, _, body = call(
        "POST",
        f"/projects/{PROJECT}/api-keys",
        ADMIN_TOKEN,
        {"type": "customer", "name": "its own", "refId": REF},
    )
    holds(status in (200, 201), f"create: {status} {body[:300]!r}")
    token = remember(parse(body)["key"])
    holds(token.startswith("byo_ck_"), "prefix")
    witness = Witness()
    chat = {"model": "gpt-4.1", "messages": ask("say hello")}
    status, headers, _ = call("POST", "/v1/chat/completions", token, chat)
    same(status, 200, "a call without X-BYO-Ref-Id")
    arrived_clean(witness.one())
    same_row(log_row(answered_well(headers)), refId=REF)
    status, _, _ = call("POST", "/v1/chat/completions", token, chat, {"x-byo-ref-id": "raw-http-errors"})
    holds(status in (400, 403), f"another's refId: {status}")
    same(call("GET", f"/usage?refId={REF}", token)[0], 403, "management")


@check("the provider refuses a wrong key itself, and answers the right one")
def _() -> None:
    for key, status in ((PROVIDER_KEY, 200), ("sk-made-up", 401)):
        same(call("GET", f"{PROVIDER}/v1/models", key)[0], status, "status of GET /v1/models")


if __name__ == "__main__":
    check.run()
