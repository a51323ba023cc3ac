"""What the mock provider lacks of Mistral's API: streams that tell usage unasked, embeddings and
models in its shape. On the loopback, for as long as its driver runs; a customer's `baseUrl` leads to
it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "num_cached_tokens": 64}
MODEL = {
    "id": "mistral-small-latest",
    "object": "model",
    "created": 1,
    "owned_by": "mistralai",
    "type": "base",
    "capabilities": {"completion_chat": True},
}
EMBEDDINGS = {
    "id": "e1",
    "object": "list",
    "model": "mistral-embed",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}],
    "usage": {"prompt_tokens": 15, "completion_tokens": 0, "total_tokens": 15},
}


def _chunk(delta: dict, finish: str | None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL["id"], "choices": [choice]}
    return f"data: {json.dumps({**chunk, **more})}\n\n".encode()


STREAM = (
    _chunk({"role": "assistant", "content": "Bonjour"}, None)
    + _chunk({"content": "!"}, "stop", usage=USAGE)
    + b"data: [DONE]\n\n"
)


class Provider:
    """Runs on a free port from its making on; refuses what Mistral refuses."""

    def __init__(self, key: str):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                self.answer(None)

            def do_POST(self) -> None:  # noqa: N802
                self.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def answer(self, asked: dict | None) -> None:
                status, told = 404, {"detail": "Not Found"}
                if self.headers["authorization"] != f"Bearer {key}":
                    status, told = 401, {"detail": "Unauthorized"}
                elif asked and "stream_options" in asked:
                    status, told = 422, {"detail": [{"type": "extra_forbidden", "loc": ["body"], "msg": "Extra"}]}
                elif self.path == "/v1/models":
                    status, told = 200, {"object": "list", "data": [MODEL]}
                elif self.path == "/v1/embeddings":
                    status, told = 200, EMBEDDINGS
                elif self.path == "/v1/chat/completions":
                    status, told = 200, STREAM
                body = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(status)
                kind = "text/event-stream" if isinstance(told, bytes) else "application/json"
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its base URL as Mistral's SDKs take one."""
        return f"http://127.0.0.1:{self._server.server_port}"
