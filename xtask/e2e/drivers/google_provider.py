"""What the mock provider lacks of Google's API: token counts, batched embeddings, models, thoughts and
caches in usage, the array form of a stream, uploads, a refusal that shows the key. On the loopback, for as long
as its driver runs; a customer's `baseUrl` leads to it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "cachedContentTokenCount": 40,
    "toolUsePromptTokenCount": 5,
    "totalTokenCount": 155,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}
PARTS = [{"text": "Seven, then.", "thought": True}, {"text": "Seven "}, {"text": "degrees."}]
MODEL = {"name": "models/gemini-2.5-pro", "displayName": "Gemini 2.5 Pro", "inputTokenLimit": 1048576}

FILE = {"name": "files/f1", "uri": "https://generativelanguage.googleapis.com/v1beta/files/f1", "mimeType": "text/plain"}


def answer(parts: list[dict] = PARTS, usage: dict = USAGE, end: str | None = "STOP") -> dict:
    """Content as it is generated, whole or a part of it."""
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if end:
        candidate["finishReason"] = end
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro", "responseId": "r1"}


def chunks() -> list[dict]:
    """The same content in pieces; only the last has all of the usage."""
    begun = {"promptTokenCount": 100, "thoughtsTokenCount": 30, "totalTokenCount": 130}
    return [answer(PARTS[:1], begun, None), answer(PARTS[1:2], begun, None), answer(PARTS[2:])]


def error(code: int, status: str, message: str, details: list[dict] | None = None) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details or []}}).encode()


class Provider:
    """Runs on a free port from its making on, and remembers what it was asked."""

    def __init__(self, key: str):
        provider = self
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.uploaded: list[bytes] = []

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
        """Its base URL as Google's SDKs take one."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, ask: BaseHTTPRequestHandler, key: str) -> None:
        body = ask.rfile.read(int(ask.headers.get("content-length", 0)))
        headers = {k.lower(): v for k, v in ask.headers.items()}
        self.asked.append((ask.command, ask.path, headers, body))
        path, _, query = ask.path.partition("?")
        if path.startswith("/upload/"):
            return self._upload(ask, path, query, headers, body, key)
        sent = headers.get("x-goog-api-key")
        if sent != key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            shown = {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": f"Invalid API key: {sent}"}
            told = error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [reason, shown])
            return self._send(ask, 400, told)
        place = path.split("/", 2)[-1]
        if (ask.command, place) == ("GET", "files/f1:download"):
            return self._send(ask, 200, b"".join(self.uploaded))
        known = {
            ("GET", "files/f1"): FILE,
            ("GET", "models"): {"models": [MODEL]},
            ("GET", "models/gemini-2.5-pro"): MODEL,
            ("POST", "models/gemini-2.5-pro:generateContent"): answer(),
            ("POST", "models/gemini-2.5-pro:countTokens"): {"totalTokens": 31},
            ("POST", "models/gemini-embedding-001:batchEmbedContents"): {
                "embeddings": [{"values": [0.25, -0.5]}],
                "usageMetadata": {"promptTokenCount": 6, "totalTokenCount": 6},
            },
        }.get((ask.command, place))
        if known is not None:
            return self._send(ask, 200, json.dumps(known).encode())
        if place != "models/gemini-2.5-pro:streamGenerateContent":
            return self._send(ask, 404, error(404, "NOT_FOUND", f"{place} is not found"))
        pieces = [json.dumps(chunk).encode() for chunk in chunks()]
        if b"fail in the middle" in body:
            pieces[1:] = [error(503, "UNAVAILABLE", "The model is overloaded.")]
        if query == "alt=sse":
            kind, written = "text/event-stream", [b"data: " + piece + b"\r\n\r\n" for piece in pieces]
        else:
            kind, written = "application/json", [b"[" + pieces[0], *(b"\n,\r\n" + p for p in pieces[1:]), b"\n]\n"]
        ask.send_response(200)
        ask.send_header("content-type", kind)
        ask.send_header("transfer-encoding", "chunked")
        ask.end_headers()
        for piece in written:
            ask.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            ask.wfile.flush()
        ask.wfile.write(b"0\r\n\r\n")

    def _upload(
        self, ask: BaseHTTPRequestHandler, path: str, query: str, headers: dict[str, str], body: bytes, key: str
    ) -> None:
        """A resumable upload: begun with the key, gone on with by its address alone."""
        command = headers.get("x-goog-upload-command", "")
        if command == "start" and headers.get("x-goog-api-key") == key:
            self.uploaded = []
            url = f"{self.url}{path}?upload_id=AbC-1_x&upload_protocol=resumable"
            return self._send(ask, 200, b"", {"x-goog-upload-url": url, "x-goog-upload-status": "active"})
        if query != "upload_id=AbC-1_x&upload_protocol=resumable":
            return self._send(ask, 404, error(404, "NOT_FOUND", "no such upload"))
        if int(headers["x-goog-upload-offset"]) != sum(map(len, self.uploaded)):
            return self._send(ask, 400, error(400, "INVALID_ARGUMENT", "wrong offset"))
        self.uploaded.append(body)
        if "finalize" in command:
            return self._send(ask, 200, json.dumps({"file": FILE}).encode(), {"x-goog-upload-status": "final"})
        self._send(ask, 200, b"", {"x-goog-upload-status": "active"})

    @staticmethod
    def _send(ask: BaseHTTPRequestHandler, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        ask.send_response(status)
        for name, value in (more or {}).items():
            ask.send_header(name, value)
        ask.send_header("content-type", "application/json; charset=UTF-8")
        ask.send_header("content-length", str(len(body)))
        ask.end_headers()
        ask.wfile.write(body)
