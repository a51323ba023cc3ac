"""The FAQ: Pricing & Credits, Routing Modes."""

from __future__ import annotations

import json

from byo.errors import ValidationError
from openai import APIStatusError, ConflictError, NotFoundError

from accounts import DOWN, OUT_OF_CREDIT, OUT_OF_QUOTA, REVOKED
from faq_platform import HELLO, MODEL, Customer, World
from harness import Checks, ask, holds, http, raises, remember, same, same_row

check = Checks("faq-routing")
world = World("faq-routing")

OWN = ("info", "Using Your API Keys (BYOK)")
CREDITS = ("success", "Using Internal Credits")
ACTION = ("error", "Action Required")


def banner(customer: Customer) -> tuple[str, str]:
    shown = customer.settings()["banner"]
    holds(shown["message"].endswith("."), f"no message: {shown}")
    return shown["level"], shown["title"]


@check("Do I still need credits if I use BYOK? BYOK-First (default): no, if you have BYOK configured")
def _() -> None:
    customer = world.platform().customer()
    own = customer.account()
    same((customer.balance, customer.calls().paid, len(own.calls)), (0, "byok", 1), "balance, paid by, calls")


@check("Do I still need credits if I use BYOK? Credit-First mode: yes, credits are used first, BYOK is fallback")
def _() -> None:
    customer = world.platform(mode="credit_first").customer(credits=HELLO)
    own = customer.account()
    same((customer.calls().paid, customer.balance, own.calls), ("credits", 0, []), "paid by, balance, own calls")
    same((customer.calls().paid, len(own.calls)), ("byok", 1), "when credits have run out")


@check("Do I still need credits if I use BYOK? BYOK-Only mode: no credits accepted, BYOK required")
def _() -> None:
    customer = world.platform(mode="byok_only").customer(credits=1000)
    same(customer.calls().error, (402, "byok_required"), "without a key")
    customer.account()
    same((customer.calls().paid, customer.balance), ("byok", 1000), "with one")


@check("What happens to my unused credits if I switch to BYOK? They remain in your account")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.calls()
    customer.account()
    for _ in range(3):
        same(customer.calls().paid, "byok", "paid by")
    same(customer.balance, 1000 - HELLO, "balance")
    listed = customer.platform.api("GET", f"/customers/{customer.ref_id}/credits/transactions")["data"]
    same(sum(entry["amount"] for entry in listed), customer.balance, "the sum of all transactions")


@check("What can I use them for? Providers you haven't configured BYOK for, and a fallback if your key fails")
def _() -> None:
    platform = world.platform()
    platform.sells("anthropic", world.accounts.open_at_anthropic())
    customer = platform.customer(credits=1000)
    own = customer.account()
    claude = customer.calls(provider="anthropic", model="claude-opus-4-7", max_tokens=50)
    same(claude.paid, "credits, because no_key", "another provider")
    own.trouble = REVOKED
    same(customer.calls().paid, "credits, because key_rejected", "the key failed")


@check("And a job that is run twice? With its Idempotency-Key the call is paid for once, and the second refused")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    client = customer.openai()

    def run(text: str) -> str:
        headers = {"Idempotency-Key": "job-7"}
        made = client.chat.completions.with_raw_response.create(model=MODEL, messages=ask(text), extra_headers=headers)
        return made.headers["x-request-id"]

    first = run("say hello")
    refused = raises(ConflictError, lambda: run("say hello"))
    same(refused.body["code"], "conflict", "code")
    same(refused.response.json()["data"], {"repeats": first, "state": "charged"}, "data")
    refused = raises(ConflictError, lambda: run("three tokens"))
    same(refused.response.json()["data"]["state"], "other", "for something else")
    same((customer.balance, len(customer.platform.account.calls)), (1000 - HELLO, 1), "balance, calls")
    own = customer.account()
    run("say hello")
    same(len(own.calls), 1, "calls on the own key, whose provider decides")


@check("Can a conversation go on? On credits with the customer's own responses, and with nobody else's")
def _() -> None:
    platform = world.platform()
    customer, other = platform.customer(credits=1000), platform.customer(credits=1000)

    def respond(who: Customer, after: str | None = None) -> str:
        more = {"previous_response_id": after} if after else {}
        return who.openai().responses.create(model=MODEL, input="say hello", max_output_tokens=50, **more).id

    first = respond(customer)
    respond(customer, first)
    raises(NotFoundError, lambda: respond(other, first))
    world.settled()
    respond(customer, first)
    raises(NotFoundError, lambda: respond(other, first))


@check("What are the routing modes? BYOK-First is the default: it uses BYOK if you have it configured")
def _() -> None:
    platform = world.platform()
    same(platform.api("GET", "/routing")["mode"], "byok_first", "mode of a new platform")
    customer = platform.customer(credits=1000)
    customer.account()
    same(customer.calls().paid, "byok", "paid by")
    same(customer.settings()["mode"], "byok_first", "mode as customers see it")


@check("BYOK-First: falls back to internal credits if BYOK fails or is not configured")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    same(customer.calls().paid, "credits, because no_key", "not configured")
    own = customer.account()
    own.trouble = REVOKED
    same(customer.calls().paid, "credits, because key_rejected", "failed")
    world.settled()
    same(customer.calls().paid, "credits, because key_rejected", "known to fail")
    same(len(own.calls), 1, "calls with a key that is known to fail, while credits pay")


@check("Credit-First: uses internal credits first, and BYOK only when credits run out, never because of a failure")
def _() -> None:
    platform = world.platform(mode="credit_first")
    customer = platform.customer(credits=1000)
    own = customer.account()
    same((customer.calls().paid, own.calls), ("credits", []), "paid by, calls with the key")
    platform.account.trouble = DOWN
    call = customer.calls()
    same((call.told["success"], call.told["statusCode"], own.calls), (False, 503, []), "our own key fails")
    same(customer.balance, 1000 - HELLO, "a failed call costs nothing")


@check("BYOK-Only: only accepts BYOK, never uses internal keys, even when the key fails")
def _() -> None:
    platform = world.platform(mode="byok_only")
    customer = platform.customer(credits=1000)
    own = customer.account()
    own.trouble = OUT_OF_QUOTA
    same(customer.calls().error, (402, "byok_required"), "the key fails")
    same((len(own.calls), platform.account.calls, customer.balance), (1, [], 1000), "own calls, ours, balance")


@check("BYOK-Only: fails if BYOK is not configured")
def _() -> None:
    customer = world.platform(mode="byok_only").customer(credits=1000)
    error = raises(APIStatusError, lambda: customer.openai().chat.completions.create(model=MODEL, messages=ask("hi")))
    same((error.status_code, error.code), (402, "byok_required"), "as PyPI openai sees it")
    told = customer.calls().told
    wanted = {"byokOnlyMode": True, "hasCredits": False, "hasByok": False, "byokProviders": []}
    same({name: told["data"][name] for name in wanted}, wanted | {"hasCredits": told["data"]["hasCredits"]}, "data")
    holds("POST /keys/connect" in told["data"]["suggestion"], told["data"]["suggestion"])
    holds(told["message"].endswith(told["data"]["suggestion"]), told["message"])


@check("How do I know which mode is active? The banner says Using Your API Keys (BYOK) when BYOK is being used")
def _() -> None:
    for mode, credits in (("byok_first", 1000), ("byok_only", 1000), ("credit_first", 0)):
        customer = world.platform(mode=mode).customer(credits=credits)
        customer.account()
        settings = customer.settings()
        same((banner(customer), settings["mode"]), (OWN, mode), mode)
        same((settings["keySource"]["source"], customer.calls().paid), ("byok", "byok"), f"{mode}: said and done")


@check("How do I know which mode is active? The banner says Using Internal Credits when credits are being used")
def _() -> None:
    first = world.platform(mode="credit_first").customer(credits=1000)
    first.account()
    without = world.platform().customer(credits=1000)
    free = world.platform().customer(credits=1000, tier="free")
    free.account()
    for customer in (first, without, free):
        same((banner(customer), customer.settings()["keySource"]["source"]), (CREDITS, "internal"), "said")
        same(customer.calls().headers["x-byo-key-source"], "credits", "done")


@check("How do I know which mode is active? The banner says Action Required when you need BYOK or credits")
def _() -> None:
    for customer, wanted in (
        (world.platform().customer(), "Add an API key for your provider, or add credits"),
        (world.platform(mode="byok_only").customer(credits=1000), "Add an API key for at least one provider"),
        (world.platform().customer(tier="free"), "Add credits, or upgrade your plan"),
    ):
        same(banner(customer), ACTION, wanted)
        settings = customer.settings()
        holds(settings["banner"]["message"].count(wanted), settings["banner"]["message"])
        same((settings["keySource"]["source"], customer.calls().status), ("error", 402), "said and done")


@check("Can I change the routing mode? No: it is set by administrators, not by individual users")
def _() -> None:
    platform = world.platform()
    customer = platform.customer()
    of_customer = {"type": "customer", "name": "own", "refId": customer.ref_id}
    token = remember(platform.api("POST", "/api-keys", of_customer)["key"])
    for path in ("/routing", f"/projects/{platform.id}/routing"):
        for credential in (token, platform.publishable_key):
            status, _, body = http("PATCH", path, credential, {"mode": "byok_only"})
            same((status, json.loads(body)["error"]), (403, "forbidden"), path)
    same(platform.api("GET", "/routing")["mode"], "byok_first", "mode afterwards")
    admin = world.admin_token
    path = f"/projects/{platform.id}/routing"
    same(platform.api("PATCH", path, {"mode": "credit_first"}, admin)["mode"], "credit_first", "an administrator's")
    audit = platform.api("GET", "/audit-logs?action=routing.updated")
    same(audit["total"], 1, "the change in the audit log")


@check("My key fails in BYOK-First mode (invalid key): the request is retried with internal credits, if I have them")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    own = customer.account()
    own.trouble = REVOKED
    call = customer.calls()
    same(call.paid, "credits, because key_rejected", "paid by")
    same((len(own.calls), len(platform.account.calls)), (1, 1), "attempts")
    holds(call.told["data"]["choices"][0]["message"]["content"].startswith("Hello"), "no answer")
    same((customer.balance, customer.keys()[0]["status"]), (1000 - HELLO, "invalid"), "balance, key")
    row = call.row()
    same_row(row, source="credits", fallbackReason="key_rejected", success=True, creditsCharged=HELLO)
    same([(tried["source"], tried["errorClass"]) for tried in row["attempts"]], [("byok", "key_rejected")], "before")


@check("My key fails in BYOK-First mode (quota exceeded): the request is retried with internal credits, if I have them")
def _() -> None:
    platform = world.platform()
    ours = world.accounts.open_at_anthropic()
    platform.sells("anthropic", ours)
    customer = platform.customer(credits=10_000)
    gpt, claude = customer.account(), world.accounts.open_at_anthropic()
    customer.connects(claude, "anthropic")
    gpt.trouble, claude.trouble = OUT_OF_QUOTA, OUT_OF_CREDIT
    for provider, more in (("openai", {}), ("anthropic", {"model": "claude-opus-4-7", "max_tokens": 50})):
        call = customer.calls(provider=provider, **more)
        same(call.paid, "credits, because quota_exhausted", provider)
        again = customer.calls(provider=provider, **more)
        same(again.paid, "credits, because circuit_open", f"{provider}, again")
        same([key["status"] for key in customer.keys(provider=provider)], ["valid"], f"{provider}: the key stays valid")
    same((len(gpt.calls), len(claude.calls)), (1, 1), "calls with keys known to be out of quota")


@check("My key fails in BYOK-First mode: a stream is retried with internal credits before anything of it is sent")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.account().trouble = REVOKED
    chat = customer.openai().chat.completions.with_raw_response
    answer = chat.create(model=MODEL, messages=ask("short burst"), stream=True)
    same(answer.headers["x-byo-fallback"], "key_rejected", "x-byo-fallback")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse() if chunk.choices)
    same(text, "A short burst of a few events.", "the stream")


@check("My key fails in BYOK-First mode and I have no credits: a 402 asks me to fix my BYOK key or add credits")
def _() -> None:
    for trouble, why in ((REVOKED, "does not accept"), (OUT_OF_QUOTA, "no quota left")):
        platform = world.platform()
        customer = platform.customer()
        customer.account().trouble = trouble
        call = customer.calls()
        same(call.error, (402, "insufficient_credits"), f"{call.body!r}")
        told = call.told
        holds(why in told["message"], told["message"])
        data = told["data"]
        suggestion = data.pop("suggestion")
        same(data, {"byokOnlyMode": False, "hasCredits": False, "hasByok": True, "byokProviders": ["openai"]}, "data")
        holds("add credits" in suggestion and "mend the openai key" in suggestion, suggestion)
        same((told["requestId"], platform.account.calls), (call.headers["x-request-id"], []), "request id, our calls")
        with customer.byok() as byok:
            chat = byok.openai(ref_id=customer.ref_id).chat.completions
            error = raises(ValidationError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
        same((error.status_code, "add credits" in error.message), (402, True), "as PyPI byok sees it")


@check("My key fails in BYOK-First mode: I receive a notification about the failover")
def _() -> None:
    platform = world.platform()
    events = platform.hears("byok.*")
    customer = platform.customer(credits=1000, email="fails@customer.example")
    customer.account().trouble = REVOKED
    call = customer.calls()
    heard = [next(events) for _ in range(2)]
    same(sorted(event["event"] for event in heard), ["byok.fallback", "byok.key_invalid"], "events")
    fallback = next(event["data"] for event in heard if event["event"] == "byok.fallback")
    same((fallback["reason"], fallback["requestId"]), ("key_rejected", call.headers["x-request-id"]), "fallback")
    subjects = sorted(world.mail.next("fails@customer.example")["subject"] for _ in range(2))
    same(subjects, ["Platform: your openai key no longer works", "Platform: your openai key was not used"], "e-mail")


if __name__ == "__main__":
    world.run(check)
