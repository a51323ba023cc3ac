"""The FAQ: Rate Limits, Usage Tracking."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import datetime, timedelta
from decimal import Decimal

from byo.errors import RateLimitError as ByokRateLimitError
from openai import RateLimitError

from accounts import RATE_LIMITED, REVOKED
from faq_platform import HELLO, MODEL, Customer, World
from harness import Checks, ask, holds, http, list_price, raises, same, same_row

check = Checks("faq-usage")
world = World("faq-usage")


def tiers(**basic: int) -> list[dict]:
    """Two plans that include own keys and one that does not; `basic` limits the one to test."""
    roomy = {"requestsPerMinute": 100, "tokensPerDay": 1_000_000, "concurrentRequests": 10}
    return [
        {"name": "starter", "byokAllowed": True, **roomy, **basic},
        {"name": "free", "byokAllowed": False, **roomy, **basic},
        {"name": "premium", "byokAllowed": True, **roomy, "default": True},
    ]


def limited(basic: dict[str, int]) -> tuple[Customer, Customer]:
    """Two customers of one plan with these limits: the first on credits, the second on its own key."""
    platform = world.platform()
    platform.api("PUT", "/tiers", tiers(**basic))
    paying = platform.customer(credits=100_000, tier="starter")
    own = platform.customer(credits=100_000, tier="starter")
    own.account()
    return paying, own


@check("Are rate limits different with BYOK? Requests per minute: credits tier-based, BYOK unlimited")
def _() -> None:
    paying, own = limited({"requestsPerMinute": 3})
    for left in (2, 1, 0):
        call = paying.calls()
        same((call.status, call.headers["x-ratelimit-remaining-requests"]), (200, str(left)), "on credits")
    call = paying.calls()
    same(call.error, (429, "rate_limited"), f"{call.body!r}")
    holds(0 < int(call.headers["retry-after"]) <= 60, f"retry-after: {call.headers['retry-after']}")
    for words in ("calls in a minute", "try again after", "a key of the customer's own"):
        holds(words in call.told["message"], call.told["message"])
    same({own.calls().paid for _ in range(12)}, {"byok"}, "twelve calls on its own key")
    same(own.calls().headers.get("x-ratelimit-remaining-requests"), None, "a limit of ours on a BYOK call")
    with paying.byok() as byok:
        chat = byok.openai(ref_id=paying.ref_id).chat.completions
        error = raises(ByokRateLimitError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
    holds(error.retry_after_ms > 0, "PyPI byok is not told when to come back")


@check("Are rate limits different with BYOK? Tokens per day: credits tier-based, BYOK unlimited")
def _() -> None:
    paying, own = limited({"tokensPerDay": 3000})
    same([paying.calls().status for _ in range(2)], [200, 200], "3,602 tokens on credits")
    call = paying.calls()
    same((call.error, call.told["data"]["limit"]), ((429, "rate_limited"), "tokensPerDay"), "the next call")
    same({own.calls().paid for _ in range(4)}, {"byok"}, "7,204 tokens on its own key")


@check("Are rate limits different with BYOK? Concurrent requests: credits tier-based, BYOK unlimited")
def _() -> None:
    for customer, statuses in zip(limited({"concurrentRequests": 2}), ([200, 200, 429, 429], [200] * 4)):
        got: list[int] = []
        threads = [threading.Thread(target=lambda: got.append(customer.calls("take your time").status)) for _ in "1234"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(sorted(got), statuses, "four calls at the same time")
        same(customer.calls().status, 200, "one more when they are over")


@check("Are rate limits different with BYOK? The tiers as built in: 10 to 100 requests a minute, 3 to 10 at once")
def _() -> None:
    built_in = {tier["name"]: tier for tier in world.platform().api("GET", "/tiers")}
    fields = ("byokAllowed", "requestsPerMinute", "tokensPerDay", "concurrentRequests")
    for name, wanted in (
        ("free", (False, 10, 100_000, 3)),
        ("premium", (True, 100, 2_000_000, 10)),
        ("lifetime", (True, 100, 2_000_000, 10)),
    ):
        same(tuple(built_in[name][field] for field in fields), wanted, name)


@check("What happens if I hit my provider's rate limit? You receive the provider's 429, with an explanation")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    own = customer.account()
    own.trouble, own.tells = RATE_LIMITED, {"retry-after": "7"}
    call = customer.calls()
    told = call.told
    same((call.status, told["success"], told["statusCode"], told["keySource"]), (200, False, 429, "byok"), "envelope")
    same(told["data"], {"error": RATE_LIMITED[1]}, "the provider's own words")
    same(told["explanation"], "OpenAI limits how often this customer's key may call. Try again after 7 s.", "ours")
    chat = customer.openai().chat.completions
    error = raises(RateLimitError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
    same((error.status_code, error.code), (429, "rate_limit_exceeded"), "as PyPI openai sees it")


@check("What happens if I hit my provider's rate limit? We do not fall back to internal credits")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    own = customer.account()
    own.trouble = RATE_LIMITED
    for _ in range(6):
        call = customer.calls()
        same((call.told["keySource"], call.headers.get("x-byo-fallback")), ("byok", None), "paid by, fallback")
    same((len(own.calls), platform.account.calls, customer.balance), (6, [], 1000), "own calls, ours, balance")
    same_row(call.row(), errorClass="rate_limited", statusCode=429, source="byok", fallbackReason=None)
    same(customer.keys()[0]["status"], "valid", "the key")
    own.trouble = None
    same(customer.calls().paid, "byok", "afterwards")


@check("What happens if I hit my provider's rate limit? We suggest waiting and retrying")
def _() -> None:
    customer = world.platform().customer()
    own = customer.account()
    own.trouble = RATE_LIMITED
    holds("Wait a little and try again" in customer.calls().told["explanation"], "no suggestion")
    own.tells = {"retry-after": "12"}
    call = customer.calls()
    same(call.headers["retry-after"], "12", "retry-after")
    holds("Try again after 12 s" in call.told["explanation"], call.told["explanation"])


@check("Can I use BYOK to get around my tier rate limit? Yes, and you need a plan with BYOK for it")
def _() -> None:
    platform = world.platform()
    platform.api("PUT", "/tiers", tiers(requestsPerMinute=1))
    for tier, after in (("starter", {200}), ("free", {429})):
        customer = platform.customer(credits=100_000, tier=tier)
        same(customer.calls().status, 200, "the one call of a minute on credits")
        same(customer.calls().error, (429, "rate_limited"), "the second")
        customer.account()
        same({customer.calls().status for _ in range(3)}, after, f"{tier}: with a key of its own")


@check("How is BYOK usage tracked? It is logged separately from internal credit usage")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.calls()
    customer.account()
    for _ in range(2):
        customer.calls()
    usage = customer.usage()
    tracked = {row["source"]: (row["requests"], row["totalTokens"], row["creditsCharged"]) for row in usage["bySource"]}
    same(tracked, {"byok": (2, 3602, 0), "credits": (1, 1801, HELLO)}, "by who paid")
    for source, requests in (("byok", 2), ("credits", 1)):
        same(customer.usage(source=source)["totals"]["requests"], requests, f"usage of {source} alone")
        rows = customer.platform.api("GET", f"/logs?refId={customer.ref_id}&source={source}")
        same({row["source"] for row in rows["data"]}, {source}, f"log of {source} alone")
        same(rows["total"], requests, f"calls in the log of {source}")
    listed = customer.platform.api("GET", f"/customers/{customer.ref_id}/credits/transactions")["data"]
    of_calls = {entry["requestId"] for entry in listed if entry["requestId"]}
    same(of_calls, {rows["data"][0]["id"]}, "calls in the credit transactions")


@check("How is BYOK usage tracked? You can view it under Usage (Last 30 Days)")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.account()
    customer.calls()
    usage = customer.usage()
    since, until = (datetime.fromisoformat(usage[name]) for name in ("since", "until"))
    same(until - since, timedelta(days=30), "the time it covers")
    totals = usage["totals"]
    same((totals["requests"], totals["succeeded"], totals["failed"]), (1, 1, 0), "requests")
    same((totals["inputTokens"], totals["outputTokens"]), (1234, 567), "tokens")
    same([(row["provider"], row["model"]) for row in usage["byModel"]], [("openai", MODEL)], "models")
    same([row["requests"] for row in usage["daily"]], [1], "days")


@check("The dashboard: the last 24 hours of the platform, all its customers and both sources")
def _() -> None:
    platform = world.platform()
    own, paying = platform.customer(), platform.customer(credits=1000)
    own.account()
    for customer in (own, paying):
        customer.calls()
    own.calls("use a retired model")
    world.settled()
    with own.byok() as byok:
        stats = byok.usage.stats()
        by_source = {row["source"]: row["requests"] for row in byok.usage.get()["bySource"]}
    same((stats["requests24h"], stats["succeeded24h"], stats["failed24h"]), (3, 2, 1), "requests")
    same((stats["activeRefIds24h"], stats["totalTokens24h"]), (2, 3602), "customers, tokens")
    same(by_source, {"byok": 2, "credits": 1}, "requests by who paid")


@check("Will I be double-charged for BYOK usage? No: we do not deduct credits, only the provider bills you")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    own = customer.account()
    chat = customer.openai().chat.completions
    for stream in (False, True):
        answer = chat.with_raw_response.create(model=MODEL, messages=ask("say hello"), stream=stream).parse()
        if stream:
            holds(list(answer), "an empty stream")
    same((len(own.calls), platform.account.calls), (2, []), "calls that each account is billed for")
    same((customer.balance, customer.usage()["totals"]["creditsCharged"]), (1000, 0), "balance, charged")
    listed = platform.api("GET", f"/customers/{customer.ref_id}/credits/transactions")["data"]
    same([entry["type"] for entry in listed], ["grant"], "transactions")


@check("Will I be double-charged for BYOK usage? No: a call that falls back is paid once, with credits")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.account().trouble = REVOKED
    same(customer.calls().paid, "credits, because key_rejected", "paid by")
    same(customer.balance, 1000 - HELLO, "balance")
    totals = customer.usage()["totals"]
    same((totals["requests"], totals["totalTokens"], totals["creditsCharged"]), (1, 1801, HELLO), "counted once")


@check("Will I be double-charged for BYOK usage? We track it for analytics")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    row = customer.calls().row()
    same_row(row, source="byok", inputTokens=1234, outputTokens=567, creditsCharged=0)
    same((row["refId"], row["model"], row["operation"]), (customer.ref_id, MODEL, "chat/completions"), "of what")


@check("Can I export my BYOK usage data? Yes, as CSV or JSON")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.calls()
    customer.account()
    made = [customer.calls().headers["x-request-id"] for _ in range(2)]
    exported = {}
    world.settled()
    for kind, media in (("csv", "text/csv"), ("json", "application/json"), ("ndjson", "application/x-ndjson")):
        path = f"/usage/export?format={kind}&source=byok&refId={customer.ref_id}"
        status, headers, body = http("GET", path, customer.platform.secret_key)
        same((status, headers["content-type"].split(";")[0]), (200, media), kind)
        exported[kind] = body.decode()
    rows = list(csv.DictReader(io.StringIO(exported["csv"])))
    cost = list_price(MODEL, 1234, 567)
    same([row["id"] for row in rows], made, "CSV: the calls on its own key, oldest first")
    shown = {(row["source"], row["totalTokens"], Decimal(row["costUsd"])) for row in rows}
    same(shown, {("byok", "1801", cost)}, "CSV: who paid, tokens, cost")
    listed = json.loads(exported["json"])
    same(listed, [json.loads(line) for line in exported["ndjson"].splitlines()], "JSON beside NDJSON")
    same([row["id"] for row in listed], made, "JSON")


@check("How accurate is the cost estimation? Public provider pricing, token counts of the answer, the request's model")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    spent = Decimal(0)
    for model, text, tokens in (
        (MODEL, "say hello", (1234, 567)),
        ("gpt-4o-mini", "answer in many scripts", (21, 43)),
        ("gpt-4.1-mini", "short burst", (11, 7)),
    ):
        call = customer.calls(text, model)
        cost = list_price(model, *tokens)
        same(call.told["costUsd"], cost, f"{model}: in the answer")
        same_row(call.row(), costUsd=cost, inputTokens=tokens[0], outputTokens=tokens[1])
        spent += cost
    same(customer.usage()["totals"]["costUsd"], spent, "total")


@check("How accurate is the cost estimation? It may not reflect your custom pricing, until the platform sets it")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    with customer.byok() as byok:
        byok.pricing.update(customer.platform.id, {"openai": {MODEL: {"input": 1, "output": 4}}})
    same(customer.calls().told["costUsd"], list_price(MODEL, 1234, 567) / 2, "at half the list price")


if __name__ == "__main__":
    world.run(check)
