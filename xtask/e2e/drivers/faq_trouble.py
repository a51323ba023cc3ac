"""The FAQ: Troubleshooting."""

from __future__ import annotations

import time

from openai import APIStatusError, PermissionDeniedError

from accounts import DOWN, OUT_OF_QUOTA, RESTRICTED, REVOKED
from faq_platform import HELLO, MODEL, Customer, World
from harness import Checks, ask, holds, raises, same

check = Checks("faq-trouble")
world = World("faq-trouble")

OWN = "Using Your API Keys (BYOK)"
CREDITS = "Using Internal Credits"


def validated(customer: Customer, provider: str = "openai") -> dict:
    """What the Test button tells."""
    body = {"provider": provider, "refId": customer.ref_id}
    return customer.platform.api("POST", "/keys/validate", body)


@check("Why is my API key showing as Invalid? Incorrect key format: the message names the provider it belongs to")
def _() -> None:
    customer = world.platform().customer()
    for provider, key, belongs in (
        ("openai", "sk-ant-api03-" + "0" * 40, "connect it as anthropic"),
        ("anthropic", "sk-proj-" + "0" * 40, "connect it as openai"),
        ("openai", "byo_sk_live_" + "0" * 40, "send the one that the provider issued"),
    ):
        body = {"provider": provider, "refId": customer.ref_id, "providerKey": key}
        saved = customer.platform.api("POST", "/keys/connect", body)
        same(saved["status"], "invalid", provider)
        holds(belongs in saved["message"], saved["message"])


@check("Why is my API key showing as Invalid? Key has been revoked: found out in use, shown with the reason")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    account = customer.account()
    account.trouble = REVOKED
    customer.calls()
    key = customer.keys()[0]
    same((key["status"], key["isActive"]), ("invalid", False), "status, isActive")
    holds(key["lastError"], "no reason")
    same([listed["id"] for listed in customer.keys(status="invalid")], [key["id"]], "among the invalid ones")


@check("Why is my API key showing as Invalid? Not for insufficient quota: it stays Valid, and Test says why it fails")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    account.trouble = OUT_OF_QUOTA
    tested = validated(customer)
    same((tested["valid"], tested["status"]), (True, "valid"), "Test")
    holds("no quota or credit left" in tested["message"], tested["message"])
    call = customer.calls()
    same(call.error, (402, "insufficient_credits"), "a call")
    holds("The openai account behind this customer's key has no quota left" in call.told["message"], str(call.told))
    account.trouble = None
    same(customer.calls().paid, "byok", "once the account is topped up")


@check("Why is my API key showing as Invalid? Fix: click Test to re-validate")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    account = customer.account()
    account.trouble = REVOKED
    customer.calls()
    account.trouble = None
    world.settled()
    same(customer.calls().paid, "credits, because key_rejected", "before")
    same(validated(customer)["valid"], True, "Test")
    same((customer.calls().paid, customer.keys()[0]["status"]), ("byok", "valid"), "afterwards")


@check("Why is my API key showing as Invalid? Fix: delete and re-add the key")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    account = customer.account()
    account.trouble = REVOKED
    customer.calls()
    account.trouble = None
    gone = {"provider": "openai", "refId": customer.ref_id}
    same(customer.platform.api("DELETE", "/keys/revoke", gone), {"revoked": True}, "deleted")
    same(customer.connects(account)["status"], "valid", "added again")
    same(customer.calls().paid, "byok", "afterwards")


@check("Why am I still being charged credits? Is BYOK configured: the page lists your keys with their status")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    same((customer.keys(), customer.settings()["hasByokKeys"]), ([], False), "without")
    holds("No API key is connected" in customer.settings()["keySource"]["reason"], str(customer.settings()))
    customer.account()
    same(([key["status"] for key in customer.keys()], customer.banner()), (["valid"], OWN), "with")


@check("Why am I still being charged credits? Which routing mode is active: the banner says that credits go first")
def _() -> None:
    customer = world.platform(mode="credit_first").customer(credits=1000)
    customer.account()
    settings = customer.settings()
    same((settings["mode"], settings["banner"]["title"]), ("credit_first", CREDITS), "mode, banner")
    holds("Credits are used first" in settings["keySource"]["reason"], str(settings))
    holds(settings["flags"]["byokUsesInternalCredits"], "the flag")


@check("Why am I still being charged credits? Is it the provider that your key is for: each has its own banner")
def _() -> None:
    platform = world.platform()
    platform.sells("anthropic", world.accounts.open_at_anthropic())
    customer = platform.customer(credits=1000)
    customer.account()
    same((customer.banner("openai"), customer.banner("anthropic")), (OWN, CREDITS), "banners")


@check("Why am I still being charged credits? Did your key fail: usage logs show the error")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    customer.account().trouble = REVOKED
    row = customer.calls().row()
    same((row["source"], row["fallbackReason"], row["creditsCharged"]), ("credits", "key_rejected", HELLO), "row")
    tried = row["attempts"][0]
    same((tried["source"], tried["errorClass"], tried["statusCode"]), ("byok", "key_rejected", 401), "what failed")
    same(customer.banner(), CREDITS, "banner")
    holds("rejected your API key" in customer.settings()["keySource"]["reason"], "reason")


@check("I'm getting BYOK Required errors: add your API key for a provider, then retry your request")
def _() -> None:
    customer = world.platform(mode="byok_only").customer(credits=1000)
    chat = customer.openai().chat.completions
    error = raises(APIStatusError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
    same((error.status_code, error.code), (402, "byok_required"), "error")
    holds("connect a key for openai" in error.message, error.message)
    customer.account()
    holds(chat.create(model=MODEL, messages=ask("say hello")).choices, "the same request afterwards")


@check("I'm getting BYOK Required errors: an administrator changes the routing mode, and credits are used")
def _() -> None:
    platform = world.platform(mode="byok_only")
    customer = platform.customer(credits=1000)
    same(customer.calls().error, (402, "byok_required"), "before")
    platform.api("PATCH", "/routing", {"mode": "byok_first"})
    same(customer.calls().paid, "credits, because no_key", "afterwards")


@check("My key works in the provider's dashboard but not here: key permissions, in the provider's own words")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    account = customer.account()
    account.trouble = RESTRICTED
    tested = validated(customer)
    same(tested["status"], "valid", "Test")
    holds("restricted" in tested["message"], tested["message"])
    chat = customer.openai().chat.completions
    error = raises(PermissionDeniedError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
    holds("Missing scopes: model.request" in error.message, error.message)
    same((customer.keys()[0]["status"], platform.account.calls), ("valid", []), "the key, calls on credits")


@check("My key works in the provider's dashboard but not here: organization mismatch, the key's organization is sent")
def _() -> None:
    customer = world.platform().customer()
    account = world.accounts.open()
    customer.connects(account, providerConfig={"organization": "org-of-the-team", "project": "proj_of_the_team"})
    same(customer.calls().paid, "byok", "paid by")
    sent = (account.headers["openai-organization"], account.headers["openai-project"])
    same(sent, ("org-of-the-team", "proj_of_the_team"), "headers upstream")


@check("My key works in the provider's dashboard but not here: no caching issue, a re-added key is used at once")
def _() -> None:
    customer = world.platform().customer()
    for _ in range(3):
        account = customer.account()
        customer.calls()
        same(len(account.calls), 1, "calls with the key that was just saved")
        gone = {"provider": "openai", "refId": customer.ref_id}
        customer.platform.api("DELETE", "/keys/revoke", gone)
        same(customer.calls().error, (402, "insufficient_credits"), "after its removal")


@check("Still stuck? Support gets the end of your key, the error message and the provider, and the request id too")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    account.trouble = REVOKED
    call = customer.calls()
    told = call.told
    holds("openai" in told["message"] and told["requestId"] == call.headers["x-request-id"], str(told))
    row = call.row()
    same((row["id"], row["keyId"]), (told["requestId"], customer.keys()[0]["id"]), "the call in the log")
    same(customer.keys()[0]["keyHint"], "…" + account.key[-4:], "hint")


@check("How often are BYOK keys validated? On save: immediately, when you add a key")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    same(account.asked_about, 1, "questions to the provider")
    holds(customer.keys()[0]["lastValidatedAt"], "when it was validated")
    account.trouble = DOWN
    same(customer.connects(account)["status"], "unverified", "when the provider cannot be asked")
    account.trouble = None
    same(customer.calls().paid, "byok", "an unverified key is used")


@check("How often are BYOK keys validated? On use: with every API request, the answer tells")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    for trouble, status in ((None, "valid"), (REVOKED, "invalid"), (None, "valid")):
        account.trouble = trouble
        customer.calls()
        same(customer.keys()[0]["status"], status, "status after a call")


@check("How often are BYOK keys validated? Manual: click Test anytime")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    before = customer.keys()[0]["lastValidatedAt"]
    time.sleep(0.01)
    same(validated(customer)["valid"], True, "Test")
    same(account.asked_about, 2, "questions to the provider")
    holds(customer.keys()[0]["lastValidatedAt"] > before, "when it was validated")


@check("How often are BYOK keys validated? If a key becomes invalid, you'll receive an email notification, once")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(email="owner@customer.example")
    account = customer.account()
    account.trouble = REVOKED
    for _ in range(3):
        customer.calls()
    message = world.mail.next("owner@customer.example")
    same(message["from"], "Keys <keys@platform.example>", "from")
    same(message["subject"], "Platform: your openai key no longer works", "subject")
    text = message.get_body(("plain",)).get_content()
    holds(account.key[-4:] in text and account.key not in text, text)
    for words in ("no longer accepts the API key", "Make a new key at openai and connect it in Platform"):
        holds(words in " ".join(text.split()), text)
    account.trouble = None
    same(customer.calls().paid, "byok", "once it works again")
    world.settled()
    account.trouble = REVOKED
    customer.calls()
    same(customer.keys()[0]["status"], "invalid", "when it fails anew")
    other = platform.customer(email="other@customer.example")
    other.account().trouble = REVOKED
    other.calls()
    world.mail.next("other@customer.example", none_to="owner@customer.example")


if __name__ == "__main__":
    world.run(check)
