"""What the Python drivers share: numbered checks, the world they run in, the two witnesses.

A check is a function with a sentence for its name. Each prints one line, `ok  group  sentence` or
`FAIL  group  sentence` with the reason below it; `cargo xtask e2e` counts the lines.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import sys
import time
import traceback
import urllib.request
from decimal import Decimal
from typing import Any, Callable

SERVER = os.environ.get("E2E_SERVER", "")
WITNESS = os.environ.get("E2E_WITNESS", "")
PROVIDER = os.environ.get("E2E_PROVIDER", "")
PROJECT = os.environ.get("E2E_PROJECT", "")
ADMIN_TOKEN = os.environ.get("E2E_ADMIN_TOKEN", "")
SECRET_KEY = os.environ.get("E2E_SECRET_KEY", "")
PUBLISHABLE_KEY = os.environ.get("E2E_PUBLISHABLE_KEY", "")
# Two keys that the provider accepts, and one that it does not.
PROVIDER_KEY = os.environ.get("E2E_PROVIDER_KEY", "")
SECOND_KEY = os.environ.get("E2E_SECOND_KEY", "")
WRONG_KEY = os.environ.get("E2E_WRONG_KEY", "")
# The half of temporary credentials at AWS that goes along in the configuration.
SESSION_TOKEN = os.environ.get("E2E_SESSION_TOKEN", "")
HERE = pathlib.Path(__file__).parent
# Whatever the server answered with an error is kept here and searched for secrets afterwards.
SCRATCH = pathlib.Path(os.environ.get("E2E_SCRATCH", "/tmp/byok-e2e"))
SHOWN = SCRATCH / f"shown-{pathlib.Path(sys.argv[0]).name}.log"
# Whether loops go on for as long as a figure takes: `cargo xtask e2e --full`.
FULL = bool(os.environ.get("E2E_FULL"))
# A word in every prompt: it may reach the provider and nothing else.
PROMPT_CANARY = os.environ.get("E2E_PROMPT_CANARY", "prompt-canary")

# USD per 1,000,000 tokens, input and output, as OpenAI lists them.
LIST_PRICES = {
    "gpt-4o-mini": ("0.15", "0.60"),
    "gpt-4.1": ("2.00", "8.00"),
    "gpt-4.1-mini": ("0.40", "1.60"),
    "gpt-4o-mini-transcribe": ("1.25", "5.00"),
    "text-embedding-3-small": ("0.02", "0"),
}


def list_price(model: str, input_tokens: int, output_tokens: int) -> Decimal:
    """What a call costs in USD, worked out apart from the server."""
    per_input, per_output = (Decimal(rate) for rate in LIST_PRICES[model])
    return (input_tokens * per_input + output_tokens * per_output) / 1_000_000


class Checks:
    """The checks of one driver, in the order of their definition."""

    def __init__(self, group: str):
        self.group = group
        self.failed = 0
        self._checks: list[tuple[str, Callable[[], None]]] = []

    def __call__(self, sentence: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
        def keep(check: Callable[[], None]) -> Callable[[], None]:
            self._checks.append((sentence, check))
            return check

        return keep

    def run(self) -> None:
        """Runs them all and ends the process: 1 when any failed."""
        only = os.environ.get("E2E_ONLY")
        for sentence, check in self._checks:
            if only and only not in sentence:
                continue
            try:
                check()
            except Exception as error:  # noqa: BLE001: a driver reports whatever went wrong
                self.failed += 1
                print(f"FAIL  {self.group}  {sentence}")
                frames = traceback.extract_tb(error.__traceback__)
                ours = [f for f in frames if pathlib.Path(f.filename).parent == HERE and f.filename != __file__]
                for frame in ours[-2:]:
                    print(f"      {pathlib.Path(frame.filename).name}:{frame.lineno}: {frame.line}")
                text = f"{type(error).__name__}: {error}"
                for line in text[:2000].splitlines():
                    print(f"      {line}")
            else:
                print(f"ok  {self.group}  {sentence}")
            sys.stdout.flush()
        sys.exit(1 if self.failed else 0)


def same(actual: Any, expected: Any, what: str = "") -> None:
    """Fails unless the two are equal, and shows both."""
    if actual != expected:
        raise AssertionError(f"{what or 'value'}: got {actual!r}, expected {expected!r}")


def holds(condition: Any, what: str) -> None:
    """Fails with a sentence unless the condition holds."""
    if not condition:
        raise AssertionError(what)


def raises(kind: type[BaseException], call: Callable[[], Any]) -> Any:
    """The error that the call raises, kept as evidence; fails unless it is of exactly this kind."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001
        keep_evidence(error)
        if type(error) is not kind:
            raise AssertionError(f"raised {type(error).__name__} ({error}), expected {kind.__name__}") from error
        return error
    raise AssertionError(f"did not raise {kind.__name__}, answered {str(answer)[:500]}")


def keep_evidence(thing: Any) -> None:
    """Keeps what a caller was shown, for the search for secrets."""
    with SHOWN.open("ab") as file:
        if isinstance(thing, BaseException):
            text = f"{type(thing).__name__}: {thing} {getattr(thing, '__dict__', '')}"
            response = getattr(thing, "response", None)
            if response is not None:
                text += f"\n{dict(response.headers)}"
                with contextlib.suppress(AttributeError, RuntimeError):  # of a stream not read to its end
                    text += f"\n{response.text}"
            thing = text
        file.write(thing if isinstance(thing, bytes) else str(thing).encode())
        file.write(b"\n")


def remember(token: str) -> str:
    """Tells the search for secrets of a token that was made during the run."""
    with (SCRATCH / f"minted-{os.getpid()}.log").open("a") as file:
        file.write(token + "\n")
    return token


def http(
    method: str,
    url: str,
    token: str | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 30,
) -> tuple[int, dict[str, str], bytes]:
    """One plain call, refusals included: status, headers (names in lower case), body."""
    if url.startswith("/"):
        url = SERVER + url
    sent = {"content-type": "application/json"} if body is not None else {}
    if token:
        sent["authorization"] = f"Bearer {token}"
    sent.update(headers or {})
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as refusal:
        text = refusal.read()
        keep_evidence(f"{method} {url} {refusal.code} {dict(refusal.headers)}".encode() + b"\n" + text)
        return refusal.code, {k.lower(): v for k, v in refusal.headers.items()}, text


def parse(body: bytes | str) -> Any:
    """JSON with its numbers exact."""
    return json.loads(body, parse_float=Decimal)


def get(path: str, token: str | None = None) -> Any:
    """A management answer; fails unless it is 200."""
    status, _, body = http("GET", path, token or SECRET_KEY)
    same(status, 200, f"GET {path} ({body[:300]!r})")
    return parse(body)


def connect(ref_id: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    """Connects a customer's provider key with the project's secret key."""
    body = {"provider": "openai", "refId": ref_id, "providerKey": key or PROVIDER_KEY, **more}
    status, _, answer = http("POST", "/keys/connect", SECRET_KEY, body)
    same(status, 200, f"connect ({answer[:300]!r})")
    return parse(answer)


def log_row(request_id: str, token: str | None = None) -> dict[str, Any]:
    """The call's row in the log. It is written behind the answer, so it may take a moment."""
    deadline = time.monotonic() + 15
    while True:
        status, _, body = http("GET", f"/logs/{request_id}", token or SECRET_KEY)
        if status == 200:
            return parse(body)
        if time.monotonic() > deadline:
            raise AssertionError(f"no row in the log for {request_id}: {status} {body[:300]!r}")
        time.sleep(0.05)


def same_row(row: dict[str, Any], **expected: Any) -> None:
    """Fails unless the row has these values; money and counts are compared exactly."""
    wrong = {
        name: (row.get(name, "absent"), value)
        for name, value in expected.items()
        if name not in row or row[name] != value
    }
    if wrong:
        told = ", ".join(f"{name}: got {got!r}, expected {value!r}" for name, (got, value) in wrong.items())
        raise AssertionError(f"log row {row.get('id')}: {told}")


class Exchange:
    """One request as the provider received it, and its answer as the provider sent it."""

    def __init__(self, told: dict[str, Any]):
        self.method: str = told["method"]
        self.path: str = told["path"]
        self.headers: list[tuple[str, str]] = [tuple(pair) for pair in told["headers"]]
        self.request: bytes = base64.b64decode(told["request"])
        self.status: int | None = told["status"]
        self.answer_headers: list[tuple[str, str]] = [tuple(pair) for pair in told["answerHeaders"]]
        self.answer: bytes = base64.b64decode(told["answer"])
        self.complete: bool = told["complete"]
        self.left_after_ms: int | None = told["leftAfterMs"]

    def header(self, name: str) -> str | None:
        """The one value of a request header; fails when it was sent more than once."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise AssertionError(f"{name} was sent {len(values)} times")
        return values[0] if values else None


class Witness:
    """What passed between the server and the provider since this was made."""

    def __init__(self) -> None:
        self._mark = self._ask(10**12)["count"]

    @staticmethod
    def _ask(after: int) -> dict[str, Any]:
        with urllib.request.urlopen(f"{WITNESS}/__witness?after={after}", timeout=10) as answer:
            return json.load(answer)

    def all(self) -> list[Exchange]:
        """All exchanges since the mark."""
        return [Exchange(told) for told in self._ask(self._mark)["exchanges"]]

    def one(self) -> Exchange:
        """The only exchange since the mark; fails if there were none or several."""
        exchanges = self.all()
        same(len(exchanges), 1, f"calls that reached the provider ({[e.path for e in exchanges]})")
        return exchanges[0]


OURS = ("byo_sk_", "byo_pk_", "byo_ck_")


# Sent to addresses that customers chose, so that a call that leads back is noticed.
HOP = "x-byo-hop"


KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


def arrived_clean(
    exchange: Exchange, key: str | None = None, hop: bool = False, key_header: str = "authorization"
) -> None:
    """Fails unless the provider got the customer's key, once, and nothing of ours (but the hop)."""
    same(exchange.header(HOP) is not None, hop, HOP)
    scheme = "Bearer " if key_header == "authorization" else ""
    same(exchange.header(key_header), f"{scheme}{key or PROVIDER_KEY}", f"{key_header} upstream")
    for name, value in exchange.headers:
        holds(name == HOP or not name.startswith("x-byo-"), f"{name} reached the provider")
        holds(name == key_header or name not in (*KEY_HEADERS, "cookie"), f"{name} reached the provider")
        holds(not any(prefix in value for prefix in OURS), f"our token reached the provider in {name}")
        holds(name != "accept-encoding" or value == "identity", f"accept-encoding upstream is {value!r}")
    body = exchange.request
    holds(not any(prefix.encode() in body for prefix in OURS), "our token reached the provider in the body")


def journal(**filters: str) -> list[dict[str, Any]]:
    """The provider's own journal of the requests it answered."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    request = urllib.request.Request(
        f"{PROVIDER}/__aimock/journal?{query}", headers={"authorization": f"Bearer {PROVIDER_KEY}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def ask(text: str) -> list[dict[str, str]]:
    """Chat messages with this question and the canary word."""
    return [{"role": "user", "content": f"{text} ({PROMPT_CANARY})"}]


def events(stream: bytes) -> list[bytes]:
    """The events of a stream as they were sent, each with its blank line."""
    parts = stream.split(b"\n\n")
    holds(parts[-1] == b"", f"the stream does not end with a blank line: {stream[-80:]!r}")
    return [part + b"\n\n" for part in parts[:-1]]


def is_usage_chunk(event: bytes) -> bool:
    """Whether this is the extra chunk of `include_usage`."""
    if not event.startswith(b"data: {"):
        return False
    chunk = json.loads(event[len(b"data: ") :])
    return chunk.get("choices") == [] and chunk.get("usage") is not None


def answered_well(headers: Any, source: str = "byok", provider: str = "openai") -> str:
    """Checks the headers that every answer of a call carries; the request id."""
    same(headers.get("x-byo-key-source"), source, "x-byo-key-source")
    same(headers.get("x-byo-provider"), provider, "x-byo-provider")
    request_id = headers.get("x-request-id")
    holds(request_id, "no x-request-id")
    same(headers.get("x-content-type-options"), "nosniff", "x-content-type-options")
    holds(headers.get("access-control-allow-origin") is None, "the provider's CORS headers passed through")
    return request_id
