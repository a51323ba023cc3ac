"""The FAQ: General, Getting Started, Supported Providers."""

from __future__ import annotations

import base64

from anthropic import Anthropic

import harness
from accounts import DOWN, REVOKED
from faq_platform import HELLO, MODEL, World, eventually
from harness import Checks, ask, holds, list_price, same, same_row

check = Checks("faq-general")
world = World("faq-general")

OWN = "Using Your API Keys (BYOK)"
CREDITS = "Using Internal Credits"


@check("What is BYOK? You use your own API keys instead of our internal API keys and credit system")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    own = customer.account()
    call = customer.calls()
    same(call.paid, "byok", "paid by")
    same((own.calls, platform.account.calls), (["/v1/chat/completions"], []), "calls at the two accounts")


@check("What is BYOK? You use your own API quota and are billed directly by the provider, not in our credits")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    own = customer.account()
    for _ in range(3):
        same_row(customer.calls().row(), source="byok", creditsCharged=0, costUsd=list_price(MODEL, 1234, 567))
    same(len(own.calls), 3, "calls that the provider bills to the customer's account")
    same(customer.balance, 1000, "credits")


@check("Who can use BYOK? Premium and Lifetime subscribers; Free tier users cannot")
def _() -> None:
    platform = world.platform()
    for tier, enabled, paid in (("premium", True, "byok"), ("lifetime", True, "byok"), ("free", False, "credits")):
        customer = platform.customer(credits=1000, tier=tier)
        customer.account()
        same(customer.settings()["enabled"], enabled, tier)
        same(customer.calls().paid, paid, tier)


@check("BYOK or credits? Cost: you pay the provider directly, or you pay us; each call says which it was")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    call = customer.calls()
    same(call.paid, "credits, because no_key", "paid by")
    same_row(call.row(), source="credits", creditsCharged=HELLO)
    same((customer.balance, len(platform.account.calls)), (1000 - HELLO, 1), "balance, calls at our account")
    customer.account()
    same(customer.calls().paid, "byok", "paid by")
    same((customer.balance, len(platform.account.calls)), (1000 - HELLO, 1), "afterwards")


@check("BYOK or credits? Availability of credits: all users, no setup needed")
def _() -> None:
    platform = world.platform()
    for tier in ("free", "premium", "lifetime"):
        customer = platform.customer(credits=1000, tier=tier)
        same(customer.keys(), [], "keys")
        same(customer.calls().status, 200, tier)


@check("How do I set up BYOK? You enter your API key and save it; it is validated automatically")
def _() -> None:
    customer = world.platform().customer()
    account = world.accounts.open()
    with customer.byok() as byok:
        saved = byok.keys.connect(provider="openai", ref_id=customer.ref_id, provider_key=account.key)
        same((saved["status"], saved["updated"]), ("valid", False), "status, updated")
        same((account.asked_about, account.calls), (1, []), "the provider was asked about the key, and billed nothing")
        answer = byok.openai(ref_id=customer.ref_id).chat.completions.create(model=MODEL, messages=ask("say hello"))
    holds(answer["choices"][0]["message"]["content"].startswith("Hello from the provider"), f"answer: {answer}")


@check("How do I know my key is working? After saving it is Valid if the key works, Invalid if there's an issue")
def _() -> None:
    customer = world.platform().customer()
    account = world.accounts.open()
    same(customer.connects(account)["status"], "valid", "a working key")
    key = customer.keys()[0]
    same((key["status"], key["isActive"], key["lastError"]), ("valid", True, None), "as listed")
    account.trouble = REVOKED
    told = customer.connects(account)
    same(told["status"], "invalid", "a key that was revoked")
    key = customer.keys()[0]
    same((key["status"], key["isActive"], key["lastError"]), ("invalid", False, told["message"]), "as listed")
    holds("connect it again" in told["message"], f"what to do: {told['message']}")


@check("How do I know my key is working? You can re-validate it with Test")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    with customer.byok() as byok:
        for trouble, valid, status in ((REVOKED, False, "invalid"), (None, True, "valid")):
            account.trouble = trouble
            tested = byok.keys.validate(provider="openai", ref_id=customer.ref_id)
            same((tested["valid"], tested["status"]), (valid, status), "tested")
            holds(tested["message"] and tested["checkedAt"].endswith("Z"), f"message and time: {tested}")
            key = customer.keys()[0]
            same((key["status"], key["lastValidatedAt"]), (status, tested["checkedAt"]), "as listed")


@check("How do I know my key is working? Usage (Last 30 Days) shows your BYOK requests")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    customer.calls()
    world.settled()
    with customer.byok() as byok:
        usage = byok.usage.get(ref_id=customer.ref_id)
    same([(row["source"], row["requests"]) for row in usage["bySource"]], [("byok", 1)], "by source")
    key = customer.keys()[0]
    same((key["totalRequests"], key["totalTokens"]), (1, 1801), "counted with the key")
    holds(key["lastUsedAt"], "when it was last used")


@check("How do I know my key is working? There is a chip that says Using BYOK")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    settings = customer.settings()
    same((settings["keySource"]["source"], settings["hasByokKeys"]), ("byok", True), "source")
    same((settings["byokProviders"], settings["banner"]["title"]), (["openai"], OWN), "providers and banner")


@check("Can I use BYOK for some providers and credits for others? Yes, it routes to BYOK when available")
def _() -> None:
    platform = world.platform()
    ours = world.accounts.open_at_anthropic()
    platform.sells("anthropic", ours)
    customer = platform.customer(credits=1000)
    own = customer.account()
    same(customer.calls().paid, "byok", "GPT")
    claude = customer.calls(provider="anthropic", model="claude-opus-4-7", max_tokens=100)
    same(claude.paid, "credits, because no_key", "Claude")
    same((own.calls, ours.calls), (["/v1/chat/completions"], ["/v1/messages"]), "calls at the accounts")
    same((customer.banner("openai"), customer.banner("anthropic")), (OWN, CREDITS), "banners")


@check("Which providers are supported? OpenAI: GPT-3.5, GPT-4, GPT-4 Turbo, GPT-4o")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    openai = customer.openai()
    for model in ("gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4o"):
        answer = openai.chat.completions.with_raw_response.create(model=model, messages=ask("say hello"))
        row = harness.log_row(answer.headers["x-request-id"], customer.platform.secret_key)
        same_row(row, provider="openai", model=model, source="byok", success=True, totalTokens=1801)
        holds(row["costUsd"], f"{model} has no price")


@check("Which providers are supported? Anthropic: Claude 3 Opus, Claude 3.5 Sonnet, Claude 3 Haiku and newer")
def _() -> None:
    customer = world.platform().customer()
    customer.connects(world.accounts.open_at_anthropic(), "anthropic")
    client = Anthropic(
        base_url=f"{harness.SERVER}/anthropic",
        api_key=customer.platform.secret_key,
        default_headers={"X-BYO-Ref-Id": customer.ref_id},
    )
    old = ("claude-3-opus-20240229", "claude-3-5-sonnet-20241022", "claude-3-haiku-20240307")
    for model in (*old, "claude-opus-4-7"):
        answer = client.messages.with_raw_response.create(model=model, max_tokens=100, messages=ask("say hello"))
        row = harness.log_row(answer.headers["x-request-id"], customer.platform.secret_key)
        same_row(row, provider="anthropic", model=model, source="byok", success=True, totalTokens=1801)
        # Anthropic asks no price any more for those that it has retired.
        holds(row["costUsd"] or model in old, f"{model} has no price")


@check("Which providers are supported? Google (Gemini), Cohere and Mistral AI too")
def _() -> None:
    customer = world.platform().customer()
    text = ask("say hello")
    gemini = [{"role": "user", "parts": [{"text": text[0]["content"]}]}]
    for provider, operation, payload in (
        ("google", "generateContent", {"model": "gemini-2.5-flash", "contents": gemini}),
        ("cohere", "chat", {"model": "command-a-03-2025", "messages": text}),
        ("mistral", "chat", {"model": "mistral-small-latest", "messages": text}),
    ):
        account = world.accounts.open()
        customer.connects(account, provider)
        call = customer.proxied(provider, operation, payload)
        same((call.paid, len(account.calls)), ("byok", 1), f"{provider}: {call.body[:300]!r}")
        same_row(call.row(), provider=provider, success=True)


@check("Do all features work with BYOK? Yes: chat, agents with tools, embeddings, transcription, streaming")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    openai = customer.openai()
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    messages = ask("weather in Oslo")
    asked = openai.chat.completions.create(model=MODEL, messages=messages, tools=[tool]).choices[0].message
    messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "7 degrees"}]
    answer = openai.chat.completions.create(model=MODEL, messages=messages, tools=[tool])
    same(answer.choices[0].message.content, "It is 7 degrees in Oslo.", "an agent's answer")
    numbers = openai.embeddings.create(model="text-embedding-3-small", input="embed this").data[0].embedding
    same(numbers, [0.25, -0.5, 0.125, 1.0], "embedding")
    speech = ("speech.wav", base64.b64decode("UklGRg=="), "audio/wav")
    heard = openai.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=speech)
    same(heard.text, "The quick brown fox, transcribed.", "transcription")
    stream = openai.chat.completions.create(model=MODEL, messages=ask("short burst"), stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    same("".join(pieces), "A short burst of a few events.", "stream")
    same(len(account.calls), 5, "calls with the customer's key")
    same([row["source"] for row in customer.usage()["bySource"]], ["byok"], "who paid")


@check("Can I use multiple API keys from the same provider? A new key replaces the existing one")
def _() -> None:
    customer = world.platform().customer()
    first, second = customer.account(), world.accounts.open()
    saved = customer.connects(second)
    same((saved["updated"], len(customer.keys())), (True, 1), "updated, keys")
    customer.calls()
    same((len(first.calls), len(second.calls)), (0, 1), "calls with the old key and the new one")


@check("Can I use multiple API keys from the same provider? With a label each: the next takes over before credits do")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    main, spare = world.accounts.open(), world.accounts.open()
    customer.connects(main, label="main", priority=1)
    customer.connects(spare, label="spare", priority=2)
    same([key["label"] for key in customer.keys()], ["main", "spare"], "keys")
    same((customer.calls().paid, len(main.calls)), ("byok", 1), "the first key")
    main.trouble = REVOKED
    same((customer.calls().paid, len(spare.calls)), ("byok", 1), "the next key")
    spare.trouble = REVOKED
    same(customer.calls().paid, "credits, because key_rejected", "no key left")
    same(len(platform.account.calls), 1, "calls on credits")


@check("What happens if a provider goes down? We fall back to internal credits, if you have any")
def _() -> None:
    platform = world.platform()
    customer = platform.customer(credits=1000)
    customer.account().trouble = DOWN
    call = customer.calls()
    same(call.paid, "credits, because provider_down", "paid by")
    row = call.row()
    same_row(row, source="credits", fallbackReason="provider_down", creditsCharged=HELLO)
    same([attempt["errorClass"] for attempt in row["attempts"]], ["provider_down"], "attempts before")
    poor = platform.customer()
    poor.account().trouble = DOWN
    call = poor.calls()
    same((call.status, call.told["success"], call.told["statusCode"]), (200, False, 503), "without credits")
    holds("Try again later" in call.told["explanation"], call.told["explanation"])


@check("What happens if a provider goes down? You'll see a notification about the failover")
def _() -> None:
    platform = world.platform()
    events = platform.hears("byok.fallback")
    customer = platform.customer(credits=1000, email="failover@customer.example")
    customer.account().trouble = DOWN
    call = customer.calls()
    event = next(events)
    same(event["event"], "byok.fallback", "event")
    told = {"provider": "openai", "refId": customer.ref_id, "reason": "provider_down"}
    same(event["data"], told | {"requestId": call.headers["x-request-id"]}, "what it tells")
    message = world.mail.next("failover@customer.example")
    holds("openai key was not used" in message["subject"], message["subject"])
    holds("could not be reached" in message.get_body(("plain",)).get_content(), str(message))


@check("What happens if a provider goes down? We retry your key periodically and switch back when it's available")
def _() -> None:
    platform = world.platform()
    events = platform.hears("byok.recovered")
    customer = platform.customer(credits=10_000)
    own = customer.account()
    own.trouble, own.tells = DOWN, {"retry-after": "2"}
    for _ in range(5):
        same(customer.calls().paid, "credits, because provider_down", "while it is down")
    same(customer.calls().paid, "credits, because circuit_open", "while the key is left alone")
    same(len(own.calls), 5, "calls with the key")
    own.trouble, own.tells = None, {}
    eventually("switched back", lambda: customer.calls().paid == "byok", within=10)
    same(customer.calls().paid, "byok", "and from then on")
    same(next(events)["data"]["refId"], customer.ref_id, "told of")


if __name__ == "__main__":
    world.run(check)
