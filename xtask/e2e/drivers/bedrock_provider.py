"""A Bedrock of our own, for what the mock provider lacks: it recomputes each signature with
botocore, lists models, counts tokens, reports caches, streams invocations with AWS's own counts,
throttles and breaks streams. On the loopback, for as long as its driver runs.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CONVERSE_USAGE = {
    "inputTokens": 10,
    "outputTokens": 42,
    "totalTokens": 552,
    "cacheReadInputTokens": 300,
    "cacheWriteInputTokens": 200,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 50}, {"ttl": "5m", "inputTokens": 150}],
}
CLAUDE_USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 42,
}
METRICS = {"inputTokenCount": 10, "outputTokenCount": 42, "invocationLatency": 9, "firstByteLatency": 3}
TEXT = "completion-canary-4f1d: Grüße, 世界! 🦀"
EVENTS = "application/vnd.amazon.eventstream"


def frame(kind: str, name: str, payload: dict) -> bytes:
    """A message of AWS's event stream."""
    headers = b""
    for key, value in (
        (f":{kind}-type", name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ):
        headers += struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    body = json.dumps(payload, ensure_ascii=False).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def event(name: str, payload: dict) -> bytes:
    return frame("event", name, payload)


def chunk(piece: dict) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode(), "p": "abcd"})


CONVERSING = [
    event("messageStart", {"role": "assistant", "p": "abc"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}}),
    event("contentBlockStop", {"contentBlockIndex": 0}),
    event("messageStop", {"stopReason": "end_turn"}),
    event("metadata", {"usage": CONVERSE_USAGE, "metrics": {"latencyMs": 8}}),
]
INVOKING = [
    chunk({"type": "message_start", "message": {"role": "assistant", "usage": CLAUDE_USAGE | {"output_tokens": 1}}}),
    chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}),
    chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42}}),
    chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}),
]
FAILING = CONVERSING[:2] + [frame("exception", "throttlingException", {"message": "Too many requests"})]


class Provider:
    """Runs on a free port from its making on, and remembers what it was asked and what it sent."""

    def __init__(self, key: str):
        provider = self
        self.key = key
        self.paths: list[str] = []
        self.sent: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                provider._answer(self)

            do_POST = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _accepts(self, asked: BaseHTTPRequestHandler, body: bytes) -> bool:
        """Whether the request carries the key, or is signed with it as botocore would sign it."""
        told = asked.headers["authorization"] or ""
        if told.startswith("Bearer "):
            return told == f"Bearer {self.key}"
        parts = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([a-z0-9-]+)/bedrock/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            told,
        )
        if not parts:
            return False
        access_key_id, region, names, signature = parts.groups()
        headers = {name: asked.headers[name] for name in names.split(";") if name != "host"}
        url = f"http://{asked.headers['host']}{asked.path}"
        request = AWSRequest(method=asked.command, url=url, data=body, headers=headers)
        request.context["timestamp"] = asked.headers["x-amz-date"]
        credentials = Credentials(access_key_id, self.key, asked.headers["x-amz-security-token"])
        auth = SigV4Auth(credentials, "bedrock", region)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return auth.signature(text, request) == signature

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers["content-length"] or 0))
        self.paths.append(asked.path)
        if not self._accepts(asked, body):
            message = "The security token included in the request is invalid."
            return self._refuse(asked, 403, "UnrecognizedClientException", message)
        if asked.path == "/foundation-models":
            return self._send(asked, "application/json", [json.dumps({"modelSummaries": []}).encode()])
        if b"limit my rate" in body:
            return self._refuse(asked, 429, "ThrottlingException", "Too many requests, please wait.")
        if b"spend my quota" in body:
            return self._refuse(asked, 429, "ThrottlingException", "Too many tokens per day, please wait.")
        operation = unquote(asked.path).rsplit("/", 1)[-1]
        if operation == "converse-stream":
            return self._send(asked, EVENTS, FAILING if b"break off" in body else CONVERSING)
        if operation == "invoke-with-response-stream":
            return self._send(asked, EVENTS, INVOKING)
        answer = {
            "converse": {
                "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
                "stopReason": "end_turn",
                "usage": CONVERSE_USAGE,
                "metrics": {"latencyMs": 8},
            },
            "invoke": {"type": "message", "content": [{"type": "text", "text": TEXT}], "usage": CLAUDE_USAGE},
            "count-tokens": {"inputTokens": 1234},
        }[operation]
        return self._send(asked, "application/json", [json.dumps(answer, ensure_ascii=False).encode()])

    def _send(self, asked: BaseHTTPRequestHandler, kind: str, pieces: list[bytes]) -> None:
        self.sent.append(b"".join(pieces))
        asked.send_response(200)
        asked.send_header("content-type", kind)
        asked.send_header("x-amzn-requestid", "aws-request-1")
        asked.send_header("x-amzn-bedrock-content-type", "application/json")
        asked.send_header("transfer-encoding", "chunked")
        asked.end_headers()
        for piece in pieces:
            asked.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            asked.wfile.flush()
        asked.wfile.write(b"0\r\n\r\n")

    def _refuse(self, asked: BaseHTTPRequestHandler, status: int, kind: str, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        asked.send_response(status)
        asked.send_header("content-type", "application/json")
        asked.send_header("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/")
        asked.send_header("content-length", str(len(body)))
        asked.end_headers()
        asked.wfile.write(body)
