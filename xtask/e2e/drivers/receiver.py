"""Somebody who receives webhooks, on the loopback."""

from __future__ import annotations

import http.server
import queue
import threading
from typing import Any


class Receiver:
    """Takes every delivery; answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.heard: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.heard.put(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/in?from=byok"

    def next(self) -> tuple[dict[str, str], bytes]:
        try:
            return self.heard.get(timeout=20)
        except queue.Empty:
            raise AssertionError("nothing was delivered") from None
