"""The FAQ: Advanced Topics."""

from __future__ import annotations

import time

import harness
from accounts import REVOKED
from faq_platform import MODEL, Customer, World
from harness import Checks, ask, events, holds, http, remember, same, same_row
from receiver import Receiver

check = Checks("faq-advanced")
world = World("faq-advanced")


def validated(customer: Customer) -> None:
    """What the Test button does."""
    body = {"provider": "openai", "refId": customer.ref_id}
    customer.platform.api("POST", "/keys/validate", body)


@check("Can I use BYOK in programmatic access? Yes, it is automatic: no changes needed in your calls")
def _() -> None:
    customer = world.platform().customer(credits=1000)
    made = {"type": "customer", "name": "token", "refId": customer.ref_id}
    token = remember(customer.platform.api("POST", "/api-keys", made)["key"])
    chat = {"model": MODEL, "messages": ask("say hello")}
    sources = []
    for connects in (False, True):
        if connects:
            customer.account()
        _, headers, _ = http("POST", "/v1/chat/completions", token, chat)
        sources.append(headers["x-byo-key-source"])
    same(sources, ["credits", "byok"], "the same request before and after a key was saved")


@check("Can I set different keys for different projects? Keys are of one customer in one project, and of no other")
def _() -> None:
    here, there = world.platform(), world.platform()
    customer = here.customer()
    customer.account()
    namesake = Customer(there, customer.ref_id)
    same((namesake.keys(), namesake.calls().error), ([], (402, "insufficient_credits")), "in another project")
    own = namesake.account()
    namesake.calls()
    same((len(own.calls), len(customer.keys())), (1, 1), "its own key there")


@check("Can I set different keys for different teams? A separate customer for each team has a key of its own")
def _() -> None:
    platform = world.platform()
    teams = [(team, team.account()) for team in (platform.customer(), platform.customer())]
    for team, account in teams:
        team.calls()
        same(len(account.calls), 1, "calls with the team's key")
    same(platform.api("GET", "/usage")["totals"]["requests"], 2, "usage of both together")
    same([team.usage()["totals"]["requests"] for team, _ in teams], [1, 1], "and of each")


@check("Do BYOK keys work with fine-tuned models? Yes: specify the fine-tuned model name in your request")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    model = "ft:gpt-4o-mini-2024-07-18:acme:support:9abcdEFG"
    witnessed = harness.journal()
    call = customer.calls(model=model)
    same(call.paid, "byok", "paid by")
    arrived = harness.journal()[len(witnessed):]
    same([entry["body"]["model"] for entry in arrived], [model], "model that the provider was asked for")
    same_row(call.row(), model=model, totalTokens=1801)


@check("Can I use BYOK with Azure OpenAI? Yes, with your resource's address and deployment")
def _() -> None:
    customer = world.platform().customer()
    account = world.accounts.open()
    config = {"baseUrl": world.accounts.url, "deploymentName": "our-gpt"}
    customer.connects(account, "azure-openai", providerConfig=config)
    call = customer.proxied("azure-openai", "chat/completions", {"messages": ask("say hello")})
    same(call.paid, "byok", "paid by")
    same((len(account.calls), "/openai/deployments/our-gpt/chat/completions" in account.calls[0]), (1, True), "calls")


@check("How does BYOK affect streaming responses? It works identically, without additional buffering, tokens counted")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    chat = customer.openai().chat.completions.with_raw_response
    begun = time.monotonic()
    answer = chat.create(model=MODEL, messages=ask("speak slowly"), stream=True)
    arrived = [time.monotonic() - begun for chunk in answer.parse() if chunk.choices and chunk.choices[0].delta.content]
    holds(arrived[0] < 1, f"first token after {arrived[0]:.2f} s")
    gaps = [later - earlier for earlier, later in zip(arrived, arrived[1:])]
    holds(len(gaps) > 10 and max(gaps) < 0.6, f"tokens were held back: {gaps}")
    row = harness.log_row(answer.headers["x-request-id"], customer.platform.secret_key)
    same_row(row, source="byok", streamed=True, inputTokens=31, outputTokens=41)
    whole = customer.calls("short burst", stream=True)
    text = b"".join(events(whole.body))
    holds(text.endswith(b"data: [DONE]\n\n") and whole.headers["content-type"] == "text/event-stream", text.decode())


@check("Can admins disable BYOK? Yes, globally: you'll see a message and automatically fall back to credits")
def _() -> None:
    platform = world.platform()
    customers = [platform.customer(credits=1000) for _ in range(2)]
    accounts = [customer.account() for customer in customers]
    platform.api("PATCH", "/routing", {"byokEnabled": False})
    for customer, account in zip(customers, accounts):
        same((customer.calls().paid, account.calls), ("credits", []), "paid by, calls with the key")
        settings = customer.settings()
        same((settings["enabled"], settings["flags"]["byokEnabled"]), (False, False), "flags")
        holds("switched off" in settings["banner"]["message"], settings["banner"]["message"])
    poor = platform.customer()
    poor.account()
    same(poor.calls().error, (402, "insufficient_credits"), "without credits")
    platform.api("PATCH", "/routing", {"byokEnabled": True})
    same(customers[0].calls().paid, "byok", "enabled again")


@check("Can admins force BYOK usage? Yes, by BYOK-Only mode")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    same(customer.calls().paid, "credits, because no_key", "before")
    platform.api("PATCH", "/routing", {"mode": "byok_only"})
    same(customer.calls().error, (402, "byok_required"), "afterwards")
    same(customer.settings()["flags"]["byokOnlyMode"], True, "flag")


@check("What happens to BYOK if I downgrade from Premium? BYOK keys remain in the database, encrypted")
def _() -> None:
    customer = world.platform().customer(credits=1000, tier="premium")
    account = customer.account()
    before = customer.keys()
    customer.becomes(tier="free")
    same(customer.keys(), before, "keys")
    same((account.calls, customer.settings()["hasByokKeys"]), ([], True), "calls, hasByokKeys")
    holds("those you have stored are kept" in customer.settings()["banner"]["message"], "banner")


@check("What happens to BYOK if I downgrade from Premium? Requests use internal credits, subject to Free tier limits")
def _() -> None:
    customer = world.platform().customer(credits=100_000, tier="premium")
    account = customer.account()
    same(customer.calls().paid, "byok", "before")
    customer.becomes(tier="free")
    same({customer.calls().paid for _ in range(10)}, {"credits"}, "ten calls on Free")
    same(customer.calls().error, (429, "rate_limited"), "the eleventh in a minute")
    same((len(account.calls), customer.settings()["enabled"]), (1, False), "calls with the key, enabled")


@check("What happens to BYOK if I downgrade from Premium? If you re-upgrade, your keys are re-enabled automatically")
def _() -> None:
    customer = world.platform().customer(credits=100_000, tier="premium")
    account = customer.account()
    customer.becomes(tier="free")
    same(customer.calls().paid, "credits", "on Free")
    customer.becomes(tier="premium")
    same((customer.calls().paid, len(account.calls)), ("byok", 1), "on Premium again")
    same(account.asked_about, 1, "the key was not saved again")


@check("Can I use the same API key on other platforms? Yes: what the provider says of its limits is shown with the key")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    account.tells = {"x-ratelimit-limit-requests": "3500", "x-ratelimit-remaining-requests": "2100"}
    customer.calls()
    limits = {limit["kind"]: (limit["limit"], limit["remaining"]) for limit in customer.keys()[0]["rateLimits"]}
    same(limits["requests"], (3500, 2100), "as the provider told it, whoever used the rest")


@check("Is there a BYOK webhook system? byok.key_invalid fires when a key fails validation")
def _() -> None:
    platform = world.platform()
    heard = platform.hears("byok.key_invalid")
    for finds_out in (validated, lambda customer: customer.calls()):
        customer = platform.customer()
        account = customer.account()
        account.trouble = REVOKED
        finds_out(customer)
        event = next(heard)
        same((event["event"], event["data"]["refId"]), ("byok.key_invalid", customer.ref_id), "event")
        same(event["data"]["keyHint"], "…" + account.key[-4:], "which key")
        holds(event["data"]["reason"] and account.key not in str(event), str(event))


@check("Is there a BYOK webhook system? byok.quota_warning fires when approaching provider quota")
def _() -> None:
    platform = world.platform()
    heard = platform.hears("byok.quota_warning")
    customer = platform.customer()
    account = customer.account()
    for remaining in ("2000", "300", "299"):
        account.tells = {"x-ratelimit-limit-requests": "3500", "x-ratelimit-remaining-requests": remaining}
        customer.calls()
    event = next(heard)["data"]
    told = (event["refId"], event["limit"], event["allowed"], event["remaining"])
    same(told, (customer.ref_id, "requests", 3500, 300), "the first answer with a tenth or less left")


@check("Is there a BYOK webhook system? byok.fallback fires when falling back to credits, not for each call")
def _() -> None:
    platform = world.platform()
    receiver = Receiver()
    endpoint = {"url": receiver.url, "events": ["byok.fallback"]}
    remember(platform.api("POST", "/webhooks", endpoint)["secret"])
    customer = platform.customer(credits=10_000)
    customer.account().trouble = REVOKED
    for _ in range(5):
        same(customer.calls().headers["x-byo-fallback"], "key_rejected", "x-byo-fallback")
    holds(b'"byok.fallback"' in receiver.next()[1], "another event")
    time.sleep(2)
    same(receiver.heard.qsize(), 0, "more of the same")


if __name__ == "__main__":
    world.run(check)
