"""Accounts at providers whose owners can revoke keys, run out of money, or meet a bad day.

Every account has a key of its own. What comes with it goes on to the mock provider, under the key
that one accepts, unless something is wrong with the account: then it gets the refusal that OpenAI or
Anthropic gives. On the loopback, for as long as its driver runs.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from harness import KEY_HEADERS, PROVIDER, PROVIDER_KEY

# What can be wrong: the status, and the body as OpenAI and as Anthropic word it.
REVOKED = (
    401,
    {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"},
    {"type": "authentication_error", "message": "invalid x-api-key"},
)
OUT_OF_QUOTA = (
    429,
    {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota",
        "code": "insufficient_quota",
    },
    None,
)
OUT_OF_CREDIT = (
    400,
    None,
    {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits.",
    },
)
RATE_LIMITED = (
    429,
    {
        "message": "Rate limit reached on requests per min (RPM): Limit 3, Used 3. Please try again in 7s.",
        "type": "requests",
        "code": "rate_limit_exceeded",
    },
    {"type": "rate_limit_error", "message": "This request would exceed your rate limit."},
)
DOWN = (
    503,
    {"message": "The engine is currently overloaded.", "type": "service_unavailable_error", "code": None},
    {"type": "overloaded_error", "message": "Overloaded"},
)
RESTRICTED = (
    403,
    {
        "message": "You have insufficient permissions for this operation. Missing scopes: model.request.",
        "type": "invalid_request_error",
        "code": "missing_scope",
    },
    None,
)


@dataclass
class Account:
    """One account: its key, what is wrong with it, and how often it was called."""

    key: str
    trouble: tuple[int, dict | None, dict | None] | None = None
    # Headers beside a refusal, or beside every answer.
    tells: dict[str, str] = field(default_factory=dict)
    # Calls that the account would be billed for, by path; and how often its key was asked about.
    calls: list[str] = field(default_factory=list)
    asked_about: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Accounts:
    """All of them, behind one address; serves from its making on."""

    def __init__(self) -> None:
        accounts = self
        self._of: dict[str, Account] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802
                accounts._serve(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def open(self, key: str = "") -> Account:
        """A new account, whose key looks like OpenAI's unless it is given."""
        key = key or f"sk-proj-{secrets.token_hex(20)}"
        self._of[key] = Account(key)
        return self._of[key]

    def open_at_anthropic(self) -> Account:
        """A new account whose key looks like Anthropic's."""
        return self.open(f"sk-ant-api03-{secrets.token_hex(20)}")

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        shown = next((headers[name] for name in KEY_HEADERS if name in headers), "")
        account = self._of.get(shown.removeprefix("Bearer "))
        if account:
            account.headers = headers
            if request.command == "POST":
                account.calls.append(request.path)
            else:
                account.asked_about += 1
        trouble = account.trouble if account else REVOKED
        if trouble:
            status, openai, anthropic = trouble
            at_anthropic = "anthropic-version" in headers
            error = {"type": "error", "error": anthropic} if at_anthropic else {"error": openai}
            tells = account.tells if account else {}
            return _answer(request, status, {"content-type": "application/json", **tells}, json.dumps(error).encode())
        sent = {k: v for k, v in headers.items() if k not in ("host", "connection", "content-length")}
        for name in KEY_HEADERS:
            if name in sent:
                sent[name] = f"Bearer {PROVIDER_KEY}" if name == "authorization" else PROVIDER_KEY
        wire = http.client.HTTPConnection(urlsplit(PROVIDER).netloc, timeout=60)
        wire.request(request.command, request.path, body, sent)
        answer = wire.getresponse()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "transfer-encoding", "date")}
        kept |= account.tells
        if answer.getheader("content-length") is not None:
            return _answer(request, answer.status, kept, answer.read())
        _stream(request, answer.status, kept, lambda: answer.read1(65536))


def _answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(status)
    for name, value in ({k.lower(): v for k, v in headers.items()} | {"content-length": str(len(body))}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def _stream(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], read: Callable[[], bytes]
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("transfer-encoding", "chunked")
    request.end_headers()
    while piece := read():
        request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        request.wfile.flush()
    request.wfile.write(b"0\r\n\r\n")
