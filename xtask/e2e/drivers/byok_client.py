"""PyPI `byok` 0.4.0: every call of its manual that concerns this server, and every typed error."""

from __future__ import annotations

import json
import secrets
import socket
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import byo
import httpx
from byo import BYOK, construct_webhook_event
from byo.errors import (
    AuthenticationError,
    AuthorizationError,
    BYOKError,
    NetworkError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    ServerError,
    TimeoutError,  # noqa: A004: the name the client gives it
    ValidationError,
)
from harness import (
    ADMIN_TOKEN,
    PROJECT,
    PROVIDER_KEY,
    PUBLISHABLE_KEY,
    SECOND_KEY,
    SECRET_KEY,
    SERVER,
    WITNESS,
    WRONG_KEY,
    Checks,
    Witness,
    arrived_clean,
    ask,
    connect,
    get,
    holds,
    http,
    list_price,
    log_row,
    parse,
    raises,
    remember,
    same,
    same_row,
)

check = Checks("python-byok")

REF = "customer_123"
byok = BYOK(api_key=SECRET_KEY, base_url=SERVER)
BEGUN = datetime.now(timezone.utc)


def newest(ref_id: str) -> dict:
    """The customer's latest call, from the log."""
    deadline = time.monotonic() + 5
    while True:
        rows = get(f"/logs?refId={ref_id}&limit=1")["data"]
        if rows:
            return rows[0]
        holds(time.monotonic() < deadline, f"no row for {ref_id}")
        time.sleep(0.05)


@check("keys.connect: a good key is valid, and only its hint comes back")
def _() -> None:
    answer = byok.keys.connect(provider="openai", ref_id=REF, provider_key=PROVIDER_KEY)
    same((answer["status"], answer["updated"]), ("valid", False), "status, updated")
    same((answer["provider"], answer["refId"]), ("openai", REF), "provider, refId")
    holds(answer["id"] and answer["keyHint"], f"id and hint: {answer}")
    holds(PROVIDER_KEY not in json.dumps(answer), "the answer holds the key")
    holds(answer["keyHint"].endswith(PROVIDER_KEY[-3:]), f"hint: {answer['keyHint']}")


@check("keys.connect again replaces the key under the same id")
def _() -> None:
    first = get(f"/keys?refId={REF}")["data"][0]["id"]
    answer = byok.keys.connect(provider="openai", ref_id=REF, provider_key=PROVIDER_KEY)
    same((answer["updated"], answer["id"]), (True, first), "updated, id")
    same(get(f"/keys?refId={REF}")["total"], 1, "keys")


@check("keys.validate asks the provider")
def _() -> None:
    witness = Witness()
    answer = byok.keys.validate(provider="openai", ref_id=REF)
    same((answer["valid"], answer["status"]), (True, "valid"), "valid, status")
    holds(answer["message"] and answer["checkedAt"].endswith("Z"), f"message and time: {answer}")
    arrived_clean(witness.one())


@check("responses.create: the provider's body, usage and cost in the log")
def _() -> None:
    witness = Witness()
    answer = byok.openai(ref_id=REF).responses.create(model="gpt-4.1", input=ask("say hello"))
    exchange = witness.one()
    arrived_clean(exchange)
    same(answer, json.loads(exchange.answer), "body")
    same(json.loads(exchange.request), {"model": "gpt-4.1", "input": ask("say hello")}, "request upstream")
    same_row(
        newest(REF),
        operation="responses",
        model="gpt-4.1",
        inputTokens=1234,
        outputTokens=567,
        totalTokens=1801,
        costUsd=Decimal("0.007004"),
        success=True,
        source="byok",
    )


@check("chat.completions.create: the provider's body, usage and cost in the log")
def _() -> None:
    witness = Witness()
    answer = byok.openai(ref_id=REF).chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    exchange = witness.one()
    arrived_clean(exchange)
    same(answer, json.loads(exchange.answer), "body")
    same_row(newest(REF), operation="chat/completions", costUsd=list_price("gpt-4.1", 1234, 567))


@check("usage.get: totals, groups and days add up to what was called")
def _() -> None:
    usage = byok.usage.get(ref_id=REF)
    exact = get(f"/usage?refId={REF}")
    expected = 2 * list_price("gpt-4.1", 1234, 567)
    totals = exact["totals"]
    same((totals["requests"], totals["succeeded"], totals["failed"]), (2, 2, 0), "requests")
    same((totals["inputTokens"], totals["outputTokens"], totals["totalTokens"]), (2468, 1134, 3602), "tokens")
    same(totals["costUsd"], expected, "cost")
    same(totals["creditsCharged"], 0, "credits")
    same([row["model"] for row in usage["byModel"]], ["gpt-4.1"], "models")
    same([row["provider"] for row in usage["byProvider"]], ["openai"], "providers")
    same([row["source"] for row in usage["bySource"]], ["byok"], "sources")
    same([row["refId"] for row in usage["byRefId"]], [REF], "customers")
    for group in ("byModel", "byProvider", "bySource", "byRefId", "daily"):
        same(sum(row["requests"] for row in exact[group]), 2, f"{group}: requests")
        same(sum(row["costUsd"] for row in exact[group]), expected, f"{group}: cost")
    same(usage["unknownModels"], [], "unknown models")


@check("usage.get: filters by provider, project and time, as datetime and as text")
def _() -> None:
    week = datetime.now(timezone.utc) - timedelta(days=7)
    same(byok.usage.get(ref_id=REF, provider="openai", since=week)["totals"]["requests"], 2, "last week")
    same(byok.usage.get(ref_id=REF, provider="anthropic")["totals"]["requests"], 0, "another provider")
    same(byok.usage.get(ref_id=REF, since=week, until=BEGUN)["totals"]["requests"], 0, "before this run")
    same(byok.usage.get(ref_id=REF, since=week.isoformat())["totals"]["requests"], 2, "since as text")
    same(byok.usage.get(project_id=PROJECT, ref_id=REF)["totals"]["requests"], 2, "by project")


@check("usage.stats: the last 24 hours")
def _() -> None:
    stats = byok.usage.stats()
    holds(stats["requests24h"] >= 2 and stats["succeeded24h"] >= 2, f"requests: {stats}")
    holds(stats["totalTokens24h"] >= 3602 and stats["costUsd24h"] >= 0.014, f"tokens and cost: {stats}")
    holds(stats["activeRefIds24h"] >= 1, f"customers: {stats}")
    same(sorted(stats["deltaPct"]), ["costUsd", "requests", "totalTokens"], "deltaPct")
    byok.openai(ref_id=REF).chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    newest(REF)
    same(byok.usage.stats()["requests24h"], stats["requests24h"] + 1, "requests after one more")


@check("a model without a price: cost unknown, listed, priced from now on once the project says how")
def _() -> None:
    connect("tuner")
    openai = byok.openai(ref_id="tuner")
    openai.chat.completions.create(model="my-finetune", messages=ask("say hello"))
    same_row(newest("tuner"), model="my-finetune", inputTokens=1234, outputTokens=567, costUsd=None)
    unknown = byok.usage.get(ref_id="tuner")["unknownModels"]
    same(
        unknown,
        [{"provider": "openai", "model": "my-finetune", "requests": 1, "totalTokens": 1801}],
        "unknown models",
    )
    answer = byok.pricing.update(PROJECT, {"openai": {"my-finetune": {"input": 0.5, "output": 2.0}}})
    same(answer["overrides"]["openai"]["my-finetune"], {"input": 0.5, "output": 2}, "what update answers")
    same(byok.pricing.get(PROJECT)["overrides"], answer["overrides"], "what get answers")
    openai.chat.completions.create(model="my-finetune", messages=ask("say hello"))
    same_row(newest("tuner"), costUsd=Decimal("0.001751"))


@check("pricing.update merges, and a cost is rounded once, half to even, at twelve decimals")
def _() -> None:
    byok.pricing.update(PROJECT, {"openai": {"tiny": {"input": 0.0000005, "output": 0}}})
    same(sorted(byok.pricing.get(PROJECT)["overrides"]["openai"]), ["my-finetune", "tiny"], "models")
    openai = byok.openai(ref_id="tuner")
    # 3 tokens at 0.5 picodollars: 1.5, to even 2.
    openai.chat.completions.create(model="tiny", messages=ask("three tokens"))
    same_row(newest("tuner"), model="tiny", costUsd=Decimal("0.000000000002"))
    # 21 tokens: 10.5, to even 10.
    openai.chat.completions.create(model="tiny", messages=ask("answer in many scripts"))
    same_row(newest("tuner"), costUsd=Decimal("0.000000000010"))


@check("pricing.update: one bad number is a ValidationError that names it, and nothing changes")
def _() -> None:
    before = byok.pricing.get(PROJECT)
    error = raises(
        ValidationError,
        lambda: byok.pricing.update(PROJECT, {"openai": {"good": {"input": 1}, "my-finetune": {"input": -1}}}),
    )
    same(error.status_code, 422, "status")
    holds(any("my-finetune" in e["field"] for e in error.errors), f"errors: {error.errors}")
    same(byok.pricing.get(PROJECT), before, "pricing afterwards")


@check("pricing.clear goes back to the built-in table")
def _() -> None:
    byok.pricing.clear(PROJECT)
    same(byok.pricing.get(PROJECT)["overrides"], {}, "overrides")
    byok.openai(ref_id="tuner").chat.completions.create(model="my-finetune", messages=ask("say hello"))
    same_row(newest("tuner"), costUsd=None)


@check("logs.list: newest first, with its filters, pages and total")
def _() -> None:
    listed = byok.logs.list(ref_id=REF)
    same((listed["total"], len(listed["data"])), (3, 3), "rows")
    times = [row["createdAt"] for row in listed["data"]]
    same(times, sorted(times, reverse=True), "order")
    pages = [byok.logs.list(ref_id=REF, limit=1, offset=n)["data"][0]["id"] for n in range(3)]
    same(pages, [row["id"] for row in listed["data"]], "pages")
    same(byok.logs.list(ref_id=REF, success=False)["total"], 0, "failures")
    same(byok.logs.list(ref_id=REF, success=True, limit=50)["total"], 3, "successes")
    same(byok.logs.list(ref_id=REF, provider="openai")["total"], 3, "by provider")
    same(byok.logs.list(project_id=PROJECT, ref_id=REF)["total"], 3, "by project")
    first = get(f"/logs?refId={REF}&limit=2")
    rest = get(f"/logs?refId={REF}&limit=2&cursor={first['nextCursor']}")
    same([r["id"] for r in first["data"] + rest["data"]], pages, "pages by cursor")
    same(rest["nextCursor"], None, "cursor at the end")


@check("logs.get: one row, the same as in the list with its unit prices, and no word of prompt or answer")
def _() -> None:
    row = byok.logs.list(ref_id=REF)["data"][0]
    shown = byok.logs.get(row["id"])
    holds(set(shown.pop("unitPrices")) == {"input", "output"}, "unit prices")
    same(shown.pop("attempts"), [], "attempts that failed before")
    same(shown, row, "row")
    same(row["projectId"], PROJECT, "project")
    holds(row["latencyMs"] >= row["firstByteMs"] >= 0, f"latency: {row}")
    holds(row["keyId"] == get(f"/keys?refId={REF}")["data"][0]["id"], "key id")
    text = json.dumps(row)
    holds("canary" not in text and "hello" not in text.lower(), "the row holds content")


@check("keys list: use is counted, status kept, no key shown")
def _() -> None:
    key = get(f"/keys?refId={REF}&provider=openai&status=valid")["data"][0]
    same((key["totalRequests"], key["totalTokens"]), (3, 5403), "requests, tokens")
    holds(key["lastUsedAt"] and key["lastValidatedAt"], f"times: {key}")
    same((key["isActive"], key["label"], key["lastError"]), (True, key["label"], None), "isActive, lastError")
    holds(PROVIDER_KEY not in json.dumps(key, default=str), "the list shows the key")
    same(get(f"/keys?refId={REF}&status=invalid")["total"], 0, "invalid ones")


@check("a second labelled key is kept beside the first; revoke by keyId takes that one")
def _() -> None:
    connect("two-keys", PROVIDER_KEY, label="main", priority=0)
    spare = connect("two-keys", SECOND_KEY, label="spare", priority=1)
    same(spare["updated"], False, "updated")
    keys = get("/keys?refId=two-keys")
    same([k["label"] for k in keys["data"]], ["main", "spare"], "labels in the order of use")
    witness = Witness()
    byok.openai(ref_id="two-keys").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    arrived_clean(witness.one(), PROVIDER_KEY)
    main = keys["data"][0]["id"]
    status, _, body = http(
        "DELETE", "/keys/revoke", SECRET_KEY, {"provider": "openai", "refId": "two-keys", "keyId": main}
    )
    same((status, parse(body)["revoked"]), (200, True), "revoked")
    witness = Witness()
    byok.openai(ref_id="two-keys").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    arrived_clean(witness.one(), SECOND_KEY)


@check("custom OpenAI-compatible endpoint: calls go to the customer's baseUrl")
def _() -> None:
    answer = byok.keys.connect(
        provider="openai",
        ref_id="own-endpoint",
        provider_key=PROVIDER_KEY,
        provider_config={"baseUrl": f"{WITNESS}/openai/v1"},
    )
    same(answer["status"], "valid", "status")
    witness = Witness()
    byok.openai(ref_id="own-endpoint").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    exchange = witness.one()
    same(exchange.path, "/openai/v1/chat/completions", "path upstream")
    arrived_clean(exchange, hop=True)
    same_row(newest("own-endpoint"), inputTokens=1234, outputTokens=567)


@check("ValidationError: a baseUrl to a forbidden address, whatever its spelling")
def _() -> None:
    for url in (
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/v1",
        "https://10.0.0.7/v1",
        "https://2852039166/v1",
        "https://0x0a000001/v1",
        "http://93.184.216.34/v1",
        "file:///etc/passwd",
        "https://user:pass@api.example.com/v1",
    ):
        error = raises(
            ValidationError,
            lambda url=url: byok.keys.connect(
                provider="openai",
                ref_id="tunnel",
                provider_key=PROVIDER_KEY,
                provider_config={"baseUrl": url},
            ),
        )
        same(error.status_code, 422, url)
    same(get("/keys?refId=tunnel")["total"], 0, "keys stored")


@check("AuthenticationError: no such token, and none at all")
def _() -> None:
    for token in ("byo_sk_live_" + "a" * 49, "nonsense"):
        with BYOK(api_key=token, base_url=SERVER) as stranger:
            error = raises(AuthenticationError, lambda: stranger.usage.get())
            same(error.status_code, 401, "status")
            holds(error.request_id, "no request id")
            raises(AuthenticationError, lambda: stranger.openai(ref_id=REF).responses.create(model="x", input="y"))
    raises(AuthenticationError, lambda: BYOK(api_key="", base_url=SERVER))
    status, headers, _ = http("GET", "/usage")
    same(status, 401, "without a token")


@check("AuthorizationError: a publishable key may connect and check, nothing else")
def _() -> None:
    with BYOK(api_key=PUBLISHABLE_KEY, base_url=SERVER) as browser:
        for call in (
            lambda: browser.usage.get(),
            lambda: browser.usage.stats(),
            lambda: browser.logs.list(),
            lambda: browser.pricing.get(PROJECT),
            lambda: browser.pricing.update(PROJECT, {}),
            lambda: browser.origins.get(PROJECT),
            lambda: browser.audit.list(),
            lambda: browser.keys.revoke(provider="openai", ref_id=REF),
            lambda: browser.keys.validate(provider="openai", ref_id=REF),
            lambda: browser.openai(ref_id=REF).chat.completions.create(model="gpt-4.1", messages=ask("say hello")),
        ):
            error = raises(AuthorizationError, call)
            holds(error.request_id, "no request id")
        answer = browser.keys.connect(provider="openai", ref_id="from-a-browser", provider_key=PROVIDER_KEY)
        same(answer["status"], "valid", "status")
        error = raises(
            AuthorizationError,
            lambda: browser.keys.connect(
                provider="openai",
                ref_id="from-a-browser-too",
                provider_key=PROVIDER_KEY,
                provider_config={"baseUrl": WITNESS},
            ),
        )
        error = raises(
            ValidationError,
            lambda: browser.keys.connect(provider="openai", ref_id="from-a-browser", provider_key=SECOND_KEY),
        )
        same(error.status_code, 409, "replacing a working key")


@check("ValidationError: what is wrong is named field by field")
def _() -> None:
    for field, body in (
        ("providerKey", {"provider_key": "sk-line\r\nbreak"}),
        ("providerKey", {"provider_key": ""}),
        ("providerKey", {"provider_key": "x" * 8193}),
        ("providerConfig", {"provider_config": {"baseURL": "https://api.example.com/v1"}}),
    ):
        call = {"provider": "openai", "ref_id": "bad", "provider_key": PROVIDER_KEY, **body}
        error = raises(ValidationError, lambda call=call: byok.keys.connect(**call))
        same(error.status_code, 422, field)
        holds(any(e["field"].startswith(field) for e in error.errors), f"{field}: {error.errors}")
        holds(all(e["message"] for e in error.errors), f"messages: {error.errors}")
    for ref_id in ("", "line\nbreak", "x" * 10240, " padded "):
        error = raises(
            ValidationError,
            lambda ref_id=ref_id: byok.keys.connect(provider="openai", ref_id=ref_id, provider_key=PROVIDER_KEY),
        )
        same(error.status_code, 400, f"refId {ref_id[:20]!r}")


@check("NotFoundError: log, project, provider, customer without a key")
def _() -> None:
    raises(NotFoundError, lambda: byok.logs.get("no-such-log"))
    raises(NotFoundError, lambda: byok.usage.get(project_id="proj_of_someone_else"))
    raises(NotFoundError, lambda: byok.pricing.get("proj_of_someone_else"))
    raises(NotFoundError, lambda: byok.origins.get("proj_of_someone_else"))
    raises(NotFoundError, lambda: byok.audit.list(project_id="proj_of_someone_else"))
    raises(NotFoundError, lambda: byok.openai(ref_id="nobody").responses.create(model="gpt-4.1", input="hi"))
    raises(NotFoundError, lambda: byok.keys.validate(provider="openai", ref_id="nobody"))
    raises(NotFoundError, lambda: byok.stripe(ref_id=REF).charges.list())
    raises(NotFoundError, lambda: byok.planetscale(ref_id=REF).execute.create(query="select 1"))
    raises(NotFoundError, lambda: byok.mcp.tools.list())


@check("ProviderError: a wrong provider key, refused by the provider")
def _() -> None:
    same(
        byok.keys.connect(provider="openai", ref_id="wrong-key", provider_key=WRONG_KEY)["status"],
        "invalid",
        "status",
    )
    error = raises(
        ProviderError,
        lambda: byok.openai(ref_id="wrong-key").chat.completions.create(model="gpt-4.1", messages=ask("say hello")),
    )
    same((error.status_code, error.message), (401, "Invalid API key"), "status and the provider's message")
    answer = byok.keys.validate(provider="openai", ref_id="wrong-key")
    same((answer["valid"], answer["status"]), (False, "invalid"), "validate")
    key = get("/keys?refId=wrong-key")["data"][0]
    same(key["status"], "invalid", "key status")
    same_row(newest("wrong-key"), success=False, statusCode=401, errorClass="key_rejected", costUsd=None)
    holds(isinstance(error, BYOKError), "not a BYOKError")


@check("requireValid: a wrong key is a ValidationError and nothing is stored")
def _() -> None:
    body = {"provider": "openai", "refId": "strict", "providerKey": WRONG_KEY, "requireValid": True}
    status, _, _ = http("POST", "/keys/connect", SECRET_KEY, body)
    same(status, 422, "status")
    same(get("/keys?refId=strict")["total"], 0, "keys")


@check("ProviderError: the provider's 429, 404 and 500 keep their status and message")
def _() -> None:
    connect("provider-errors")
    openai = byok.openai(ref_id="provider-errors")
    for text, status, words in (
        ("limit my rate", 429, "Rate limit reached"),
        ("spend my quota", 429, "You exceeded your current quota"),
        ("use a retired model", 404, "The model `gpt-0` does not exist"),
        ("fail inside", 500, "The server had an error"),
    ):
        error = raises(
            ProviderError,
            lambda text=text: openai.chat.completions.create(model="gpt-4.1", messages=ask(text)),
        )
        same(error.status_code, status, text)
        holds(error.message.startswith(words), f"message: {error.message}")


@check("ServerError: a provider that cannot be reached")
def _() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    answer = byok.keys.connect(
        provider="openai", ref_id="gone", provider_key=PROVIDER_KEY, provider_config={"baseUrl": nobody}
    )
    same(answer["status"], "unverified", "status")
    error = raises(
        ServerError,
        lambda: byok.openai(ref_id="gone").chat.completions.create(model="gpt-4.1", messages=ask("say hello")),
    )
    same(error.status_code, 502, "status")
    same_row(newest("gone"), errorClass="provider_down", success=False)


@check("NetworkError: nobody listens")
def _() -> None:
    deaf = str(httpx.URL(SERVER).copy_with(port=9))
    with BYOK(api_key=SECRET_KEY, base_url=deaf) as lost:
        raises(NetworkError, lambda: lost.usage.stats())


@check("TimeoutError: the client gives up before the provider answers")
def _() -> None:
    connect("impatient")
    with BYOK(api_key=SECRET_KEY, base_url=SERVER) as impatient:
        impatient._client.timeout = httpx.Timeout(0.5)
        raises(
            TimeoutError,
            lambda: impatient.openai(ref_id="impatient").chat.completions.create(
                model="gpt-4.1", messages=ask("take your time")
            ),
        )
    same_row(newest("impatient"), success=False, errorClass="client_closed")


@check("origins: the allowlist binds the publishable key, by update and until clear")
def _() -> None:
    def from_page(origin: str | None) -> int:
        headers = {"origin": origin} if origin else {}
        body = {"provider": "openai", "refId": "from-a-browser"}
        return http("POST", "/keys/check", PUBLISHABLE_KEY, body, headers)[0]

    same(byok.origins.get(PROJECT)["allowedOrigins"], [], "at first")
    same(from_page("https://anywhere.example"), 200, "unrestricted")
    answer = byok.origins.update(PROJECT, ["https://app.example.com", "https://*.example.org"])
    same(answer["allowedOrigins"], ["https://app.example.com", "https://*.example.org"], "update")
    same(byok.origins.get(PROJECT)["allowedOrigins"], answer["allowedOrigins"], "get")
    for origin, status in (
        ("https://app.example.com", 200),
        ("https://a.example.org", 200),
        ("https://evil.example", 403),
        ("https://app.example.com.evil.example", 403),
        ("http://app.example.com", 403),
        ("null", 403),
        (None, 403),
    ):
        same(from_page(origin), status, f"origin {origin}")
    with BYOK(api_key=PUBLISHABLE_KEY, base_url=SERVER) as browser:
        browser._client.headers["origin"] = "https://evil.example"
        raises(
            AuthorizationError,
            lambda: browser.keys.connect(provider="openai", ref_id="page", provider_key=PROVIDER_KEY),
        )
    same(byok.usage.get(ref_id=REF)["totals"]["requests"], 3, "the secret key is not bound")
    same(byok.origins.clear(PROJECT)["allowedOrigins"], [], "clear")
    same(from_page(None), 200, "unrestricted again")
    error = raises(ValidationError, lambda: byok.origins.update(PROJECT, ["not an origin"]))
    same(error.status_code, 422, "a bad origin")


@check("keys.revoke: gone at once, and the next call is NotFoundError")
def _() -> None:
    same(byok.keys.revoke(provider="openai", ref_id=REF), {"revoked": True}, "answer")
    same(get(f"/keys?refId={REF}")["total"], 0, "keys")
    witness = Witness()
    raises(
        NotFoundError,
        lambda: byok.openai(ref_id=REF).chat.completions.create(model="gpt-4.1", messages=ask("say hello")),
    )
    same(witness.all(), [], "calls upstream")
    same(http("POST", "/keys/check", SECRET_KEY, {"provider": "openai", "refId": REF})[2].count(b"true"), 0, "check")
    raises(NotFoundError, lambda: byok.keys.revoke(provider="openai", ref_id=REF))
    same(byok.usage.get(ref_id=REF)["totals"]["requests"], 3, "usage stays")


@check("audit.list: every mutation of this run has its row, with actor, target and no secret")
def _() -> None:
    for action in (
        "provider_key.connected",
        "provider_key.updated",
        "provider_key.revoked",
        "pricing.updated",
        "pricing.cleared",
        "origins.updated",
    ):
        listed = byok.audit.list(project_id=PROJECT, action=action, since=BEGUN)
        holds(listed["total"] >= 1, f"no {action}")
        row = listed["data"][0]
        same((row["action"], row["projectId"], row["actorType"]), (action, PROJECT, "api_key"), "row")
        holds(row["actorId"] and row["targetType"] and row["targetId"] and row["createdAt"], f"row: {row}")
        holds(row["ip"] == "127.0.0.1", f"ip: {row['ip']}")
    everything = json.dumps(byok.audit.list(limit=500))
    for secret in (SECRET_KEY, PUBLISHABLE_KEY, ADMIN_TOKEN, PROVIDER_KEY, SECOND_KEY, WRONG_KEY):
        holds(secret not in everything, "a secret stands in the audit log")


@check("audit.list: filters and pages, and each row chained to the one before")
def _() -> None:
    rows, offset = [], 0
    while True:
        page = byok.audit.list(project_id=PROJECT, limit=20, offset=offset)
        rows += page["data"]
        offset += 20
        if offset >= page["total"]:
            break
    same(len(rows), page["total"], "rows")
    same(len({row["id"] for row in rows}), len(rows), "different ids")
    times = [row["createdAt"] for row in rows]
    same(times, sorted(times, reverse=True), "newest first")
    for newer, older in zip(rows, rows[1:]):
        same(newer["prevHash"], older["hash"], f"chain at {newer['id']}")
    same(byok.audit.list(project_id=PROJECT, actor_type="user", since=BEGUN)["total"], 0, "by users")
    same(byok.audit.list(project_id=PROJECT, until=BEGUN, action="pricing.updated")["total"], 0, "before this run")
    raises(ValidationError, lambda: byok.audit.list(project_id=PROJECT, since="yesterday"))


@check("another project sees nothing of this one")
def _() -> None:
    status, _, body = http("POST", "/projects", ADMIN_TOKEN, {"name": "Neighbour"})
    holds(status in (200, 201), f"create project: {status} {body[:300]!r}")
    neighbour = parse(body)
    remember(neighbour["secretKey"])
    remember(neighbour["publishableKey"])
    connect("shared-name")
    byok.openai(ref_id="shared-name").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    ours = newest("shared-name")["id"]
    with BYOK(api_key=neighbour["secretKey"], base_url=SERVER) as other:
        raises(NotFoundError, lambda: other.logs.get(ours))
        raises(NotFoundError, lambda: other.logs.list(project_id=PROJECT))
        raises(NotFoundError, lambda: other.pricing.update(PROJECT, {}))
        raises(NotFoundError, lambda: other.keys.validate(provider="openai", ref_id="shared-name"))
        raises(NotFoundError, lambda: other.keys.revoke(provider="openai", ref_id="shared-name"))
        raises(
            NotFoundError,
            lambda: other.openai(ref_id="shared-name").chat.completions.create(
                model="gpt-4.1", messages=ask("say hello")
            ),
        )
        same(other.logs.list()["total"], 0, "logs")
        same(other.usage.get()["totals"]["requests"], 0, "usage")
        same(other.usage.stats()["requests24h"], 0, "stats")
        actions = [row["action"] for row in other.audit.list()["data"]]
        holds("provider_key.connected" not in actions, f"audit: {actions}")
        other.keys.connect(provider="openai", ref_id="shared-name", provider_key=SECOND_KEY)
        witness = Witness()
        other.openai(ref_id="shared-name").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
        arrived_clean(witness.one(), SECOND_KEY)
    witness = Witness()
    byok.openai(ref_id="shared-name").chat.completions.create(model="gpt-4.1", messages=ask("say hello"))
    arrived_clean(witness.one(), PROVIDER_KEY)


@check("bedrock.converse.create: the model moves from the payload into the path")
def _() -> None:
    connect("bedrock-envelope", provider="bedrock", providerConfig={"region": "us-east-1"})
    witness = Witness()
    model = "amazon.nova-lite-v1:0"
    messages = [{"role": "user", "content": [{"text": ask("say hello")[0]["content"]}]}]
    answer = byok.bedrock(ref_id="bedrock-envelope").converse.create(modelId=model, messages=messages)
    exchange = witness.one()
    arrived_clean(exchange)
    same(exchange.path, "/model/amazon.nova-lite-v1%3A0/converse", "path upstream")
    same(json.loads(exchange.request), {"messages": messages}, "request upstream")
    same(answer, json.loads(exchange.answer), "body")
    # 1234 at 0.06 USD a million, 567 at 0.24.
    same_row(
        newest("bedrock-envelope"),
        provider="bedrock",
        operation="converse",
        model=model,
        inputTokens=1234,
        outputTokens=567,
        costUsd=Decimal("0.00021012"),
    )


@check("construct_webhook_event is importable from `byo`, of version 0.4.0")
def _() -> None:
    holds(callable(construct_webhook_event), "not callable")
    from importlib.metadata import version

    same(version("byok"), "0.4.0", "version")
    holds(byo.BYOK is BYOK, "another class")


@check("RateLimitError: failed logins from one address, with Retry-After")
def _() -> None:
    # From an address of its own, so that nothing else is held up by it.
    with BYOK(api_key="byo_sk_live_" + secrets.token_hex(24), base_url=SERVER) as guesser:
        guesser._client = httpx.Client(
            base_url=SERVER,
            headers=guesser._client.headers,
            transport=httpx.HTTPTransport(local_address="127.0.0.66"),
        )
        guesser.usage = byo.client.UsageClient(guesser._client)
        for _attempt in range(500):
            try:
                guesser.usage.stats()
            except AuthenticationError:
                continue
            except RateLimitError as error:
                same(error.status_code, 429, "status")
                holds(error.retry_after_ms and error.retry_after_ms > 0, f"retry_after_ms: {error.retry_after_ms}")
                break
        else:
            raise AssertionError("500 guesses from one address, and none was refused with 429")
    same(byok.usage.stats()["requests24h"] > 0, True, "other addresses are not held up")


if __name__ == "__main__":
    check.run()
