"""What the mock provider lacks of Anthropic's API: token counts, models in its shape, usage with
caches and thinking, server tools, files, batches, an error inside a stream. On the loopback, for as
long as its driver runs; a customer's `baseUrl` leads to it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 30},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
    "speed": "standard",
    "inference_geo": "global",
}
THINKING = {"type": "thinking", "thinking": "Seven, then.", "signature": "c2lnbmVk"}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
MODEL = {
    "type": "model",
    "id": "claude-opus-4-7",
    "display_name": "Claude Opus 4.7",
    "created_at": "2026-04-16T00:00:00Z",
    "lifecycle": "active",
    "retires_at": None,
}
FILE = {
    "id": "file_1",
    "type": "file",
    "filename": "notes.txt",
    "mime_type": "text/plain",
    "size_bytes": 5,
    "created_at": "2026-11-21T00:00:00Z",
    "downloadable": True,
}
COUNTS = {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": COUNTS,
    "created_at": "2026-11-21T00:00:00Z",
    "ended_at": "2026-11-21T00:01:00Z",
    "expires_at": "2026-11-22T00:00:00Z",
    "archived_at": None,
    "cancel_initiated_at": None,
    # As Anthropic tells it, whatever base URL it was asked under.
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
}


def message(**more: object) -> dict:
    """A whole message; its usage is `USAGE`."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-7",
        "content": [THINKING, TOOL],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def stream(fails: bool) -> list[bytes]:
    """The same message as events, or one that fails in the middle."""
    first = {name: count for name, count in USAGE.items() if name != "server_tool_use"} | {"output_tokens": 1}
    begun = [
        _event("message_start", message=message(content=[], stop_reason=None, usage=first)),
        _event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        _event("ping"),
        _event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Seven, then."}),
    ]
    if fails:
        return begun + [_event("error", error={"type": "overloaded_error", "message": "Overloaded"})]
    last = {name: USAGE[name] for name in ("output_tokens", "output_tokens_details", "server_tool_use")}
    return begun + [
        _event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2lnbmVk"}),
        _event("content_block_stop", index=0),
        _event("content_block_start", index=1, content_block={**TOOL, "input": {}}),
        _event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"city":'}),
        _event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '"Oslo"}'}),
        _event("content_block_stop", index=1),
        _event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage=last),
        _event("message_stop"),
    ]


class Provider:
    """Runs on a free port from its making on, and remembers what it was asked."""

    def __init__(self, key: str):
        provider = self
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                provider._answer(self, key)

            do_POST = do_DELETE = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its base URL as Anthropic's SDKs take one."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, ask: BaseHTTPRequestHandler, key: str) -> None:
        if "chunked" in ask.headers.get("transfer-encoding", ""):
            body = b""
            while size := int(ask.rfile.readline(), 16):
                body += ask.rfile.read(size)
                ask.rfile.readline()
            ask.rfile.readline()
        else:
            body = ask.rfile.read(int(ask.headers.get("content-length", 0)))
        path = ask.path.split("?")[0]
        self.asked.append((ask.command, ask.path, {k.lower(): v for k, v in ask.headers.items()}, body))
        if ask.headers.get("x-api-key") != key:
            return self._refuse(ask, 401, "authentication_error", "invalid x-api-key")
        if "anthropic-version" not in ask.headers:
            return self._refuse(ask, 400, "invalid_request_error", "anthropic-version: header is required")
        known = {
            ("POST", "/v1/messages/count_tokens"): {"input_tokens": 14},
            ("GET", "/v1/models"): {"data": [MODEL], "has_more": False, "first_id": MODEL["id"], "last_id": MODEL["id"]},
            ("GET", f"/v1/models/{MODEL['id']}"): MODEL,
            ("POST", "/v1/files"): FILE,
            ("GET", "/v1/files/file_1"): FILE,
            ("POST", "/v1/messages/batches"): BATCH,
            ("GET", "/v1/messages/batches/msgbatch_1"): BATCH,
            ("POST", "/v1/messages/batches/msgbatch_1/cancel"): BATCH,
        }.get((ask.command, path))
        if known is not None:
            return self._send(ask, 200, "application/json", json.dumps(known).encode())
        if path == "/v1/files/file_1/content":
            return self._send(ask, 200, "application/octet-stream", b"notes")
        if path.endswith("/results"):
            line = {"custom_id": "one", "result": {"type": "succeeded", "message": message()}}
            return self._send(ask, 200, "application/x-jsonl", json.dumps(line).encode() + b"\n")
        if path != "/v1/messages":
            return self._refuse(ask, 404, "not_found_error", "Not found")
        if not json.loads(body).get("stream"):
            return self._send(ask, 200, "application/json", json.dumps(message()).encode())
        ask.send_response(200)
        ask.send_header("content-type", "text/event-stream; charset=utf-8")
        ask.send_header("request-id", "req_1")
        ask.send_header("transfer-encoding", "chunked")
        ask.end_headers()
        for event in stream(fails=b"fail in the middle" in body):
            ask.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            ask.wfile.flush()
        ask.wfile.write(b"0\r\n\r\n")

    def _refuse(self, ask: BaseHTTPRequestHandler, status: int, kind: str, text: str) -> None:
        error = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}
        self._send(ask, status, "application/json", json.dumps(error).encode())

    @staticmethod
    def _send(ask: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
        ask.send_response(status)
        ask.send_header("content-type", kind)
        ask.send_header("content-length", str(len(body)))
        ask.send_header("request-id", "req_1")
        ask.send_header("anthropic-ratelimit-requests-remaining", "49")
        ask.end_headers()
        ask.wfile.write(body)
