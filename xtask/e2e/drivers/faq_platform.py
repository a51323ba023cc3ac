"""Whom the FAQ speaks of: a platform that offers credits and own keys, and its customers.

Every FAQ driver starts one server; every scenario makes a platform (a project) of its own there, so
that none meets another's modes, plans or balances.
"""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import os
import pathlib
import queue
import secrets
import time
from collections.abc import Iterator
from typing import Any

import openai
from aiosmtpd.controller import Controller
from byo import BYOK, construct_webhook_event

import harness
from accounts import Account, Accounts
from harness import ask, holds, http, parse, remember, same
from receiver import Receiver
from serving import Served, free_port

# What "say hello" costs in credits: 1,234 and 567 tokens of gpt-4.1 at list price, 10,000 a USD.
HELLO = 71
MODEL = "gpt-4.1"


class Mail:
    """A mail server that keeps what it is handed."""

    def __init__(self) -> None:
        self._handed: queue.Queue[tuple[list[str], bytes]] = queue.Queue()
        self.port = free_port()
        Controller(self, hostname="127.0.0.1", port=self.port).start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self._handed.put((envelope.rcpt_tos, envelope.content))
        return "250 taken"

    def next(self, to: str, none_to: str = "") -> email.message.EmailMessage:
        """The next message to somebody; whatever is for others is left out, but none may be for `none_to`."""
        while True:
            try:
                recipients, content = self._handed.get(timeout=20)
            except queue.Empty:
                raise AssertionError(f"no message to {to}") from None
            holds(recipients != [none_to], f"a message to {none_to}")
            if recipients == [to]:
                return email.message_from_bytes(content, policy=email.policy.default)


class World:
    """The server of one driver, the accounts at providers, and the mail server."""

    def __init__(self, name: str):
        self.accounts = Accounts()
        self.mail = Mail()
        self.folder = pathlib.Path(os.environ["E2E_SCRATCH"]) / name
        others = {f"BYO_{p}_BASE_URL": self.accounts.url for p in ("ANTHROPIC", "GOOGLE", "COHERE", "MISTRAL")}
        self.served = Served(
            self.folder,
            self.accounts.url,
            BYO_LOG="trace",
            BYO_ALLOW_PRIVATE_UPSTREAMS="127.0.0.0/8",
            BYO_SMTP_URL=f"smtp://127.0.0.1:{self.mail.port}",
            BYO_SMTP_FROM="Keys <keys@platform.example>",
            **others,
        )
        self.data = self.served.data
        self._last: Customer | None = None

    def run(self, check: harness.Checks) -> None:
        """Starts the server, runs the checks, ends the server."""
        try:
            self.served.start()
            harness.SERVER = self.served.url
            self._last = self.platform().customer()
            self._last.account()
            check.run()
        finally:
            self.served.kill()

    @property
    def admin_token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def settled(self) -> None:
        """Waits until every call that has ended is in the log, with all that follows from it: they get
        there in the order of their ends, so the row of one more call tells.
        """
        if self._last:
            self._last.calls("three tokens").row()

    def platform(self, **routing: Any) -> Platform:
        """A new platform, with this routing and the rest as built in."""
        return Platform(self, routing)


class Platform:
    """A project with a key of its own at OpenAI, which its customers' credits pay for."""

    def __init__(self, world: World, routing: dict[str, Any]):
        self.world = world
        status, _, body = http("POST", "/projects", world.admin_token, {"name": "Platform"})
        same(status, 200, f"new project ({body[:300]!r})")
        made = parse(body)
        self.id, self.secret_key = made["id"], remember(made["secretKey"])
        self.publishable_key = remember(made["publishableKey"])
        self.account = world.accounts.open()
        self.sells("openai", self.account)
        if routing:
            self.api("PATCH", "/routing", routing)

    def api(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Any:
        """A management call as an administrator; fails unless it is answered with 200."""
        if method == "GET":
            self.world.settled()
        status, _, answer = http(method, path, token or self.secret_key, body, headers)
        same(status, 200, f"{method} {path} ({answer[:300]!r})")
        return parse(answer)

    def sells(self, provider: str, account: Account) -> None:
        """From now on credits buy calls to this provider too."""
        self.api("PUT", f"/platform-keys/{provider}", {"providerKey": account.key})

    def customer(self, credits: int = 0, **about: Any) -> Customer:
        """A new customer with so many credits."""
        customer = Customer(self, f"customer-{secrets.token_hex(4)}")
        if about:
            customer.becomes(**about)
        if credits:
            customer.buys(credits)
        return customer

    def hears(self, *events: str) -> Iterator[dict[str, Any]]:
        """The events of these kinds from now on, each verified as the published client does it."""
        receiver = Receiver()
        endpoint = {"url": receiver.url, "events": list(events), "description": "faq"}
        secret = remember(self.api("POST", "/webhooks", endpoint)["secret"])

        def heard() -> Iterator[dict[str, Any]]:
            while True:
                headers, body = receiver.next()
                yield construct_webhook_event(body, headers["x-byo-signature"], secret)

        return heard()


class Call:
    """One call's answer as its caller gets it."""

    def __init__(self, platform: Platform, answered: tuple[int, dict[str, str], bytes]):
        self._platform = platform
        self.status, self.headers, self.body = answered

    @property
    def told(self) -> Any:
        """The body, read as JSON."""
        return parse(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of a refusal of ours, in an envelope."""
        return self.status, self.told["error"]

    @property
    def paid(self) -> str:
        """Whose key was used, and why not the customer's own if that was to be."""
        same(self.status, 200, f"{self.body[:300]!r}")
        source, fallback = self.headers["x-byo-key-source"], self.headers.get("x-byo-fallback")
        told = self.told
        same((told["keySource"], told.get("fallback")), (source, fallback), "the envelope beside the headers")
        return f"{source}, because {fallback}" if fallback else source

    def row(self) -> dict[str, Any]:
        """The call's row in the request log, written behind the answer."""
        return harness.log_row(self.headers["x-request-id"], self._platform.secret_key)


class Customer:
    """Somebody who uses the platform."""

    def __init__(self, platform: Platform, ref_id: str):
        self.platform, self.ref_id = platform, ref_id

    def becomes(self, **change: Any) -> None:
        """Changes plan, e-mail address and so on."""
        self.platform.api("PATCH", f"/customers/{self.ref_id}", change)

    def buys(self, credits: int) -> None:
        key = {"idempotency-key": secrets.token_hex(8)}
        self.platform.api("POST", f"/customers/{self.ref_id}/credits", {"amount": credits}, **key)

    @property
    def balance(self) -> int:
        """The credits it has, none of them set aside."""
        has = self.platform.api("GET", f"/customers/{self.ref_id}/credits")
        same(has["held"], 0, "credits set aside")
        return has["balance"]

    def connects(self, account: Account, provider: str = "openai", **more: Any) -> dict[str, Any]:
        """Saves the key of an account."""
        body = {"provider": provider, "refId": self.ref_id, "providerKey": account.key, **more}
        return self.platform.api("POST", "/keys/connect", body)

    def account(self, provider: str = "openai") -> Account:
        """A new account whose key is saved; it has to be found valid."""
        account = self.platform.world.accounts.open()
        same(self.connects(account, provider)["status"], "valid", "status")
        return account

    def keys(self, **filters: str) -> list[dict[str, Any]]:
        """What the page of API keys lists."""
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        return self.platform.api("GET", f"/keys?refId={self.ref_id}{query}")["data"]

    def settings(self) -> dict[str, Any]:
        """What the page of API keys says above the list."""
        return self.platform.api("GET", f"/keys/settings?refId={self.ref_id}")

    def banner(self, provider: str | None = None) -> str:
        """The title of the banner, for one provider or all in all."""
        settings = self.settings()
        return (settings["providers"][provider] if provider else settings)["banner"]["title"]

    def usage(self, **filters: str) -> dict[str, Any]:
        """What it used in the last 30 days."""
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        return self.platform.api("GET", f"/usage?refId={self.ref_id}{query}")

    def calls(self, text: str = "say hello", model: str = MODEL, provider: str = "openai", **more: Any) -> Call:
        """One chat call in the envelope, as `byok` makes it."""
        operation = {"openai": "chat/completions", "anthropic": "messages"}[provider]
        payload = {"model": model, "messages": ask(text), **more}
        return self.proxied(provider, operation, payload)

    def proxied(self, provider: str, operation: str, payload: dict[str, Any]) -> Call:
        """Any call in the envelope."""
        body = {"refId": self.ref_id, "providerPayload": payload}
        return Call(self.platform, http("POST", f"/proxy/{provider}/{operation}", self.platform.secret_key, body))

    def openai(self) -> openai.OpenAI:
        """PyPI `openai`, only base URL and key changed."""
        with self.byok() as byok:
            return openai.OpenAI(max_retries=0, **byok.openai_compatible(ref_id=self.ref_id))

    def byok(self) -> BYOK:
        """PyPI `byok`, for its platform."""
        return BYOK(api_key=self.platform.secret_key, base_url=harness.SERVER)


def files_with(folder: pathlib.Path, secret: str) -> list[str]:
    """The files below a folder that hold a secret: plain, in hex or in base64."""
    import base64

    raw = secret.encode()
    inner = base64.b64encode(raw)[: len(raw) // 3 * 4]
    spellings = (raw, raw.hex().encode(), raw.hex().upper().encode(), inner)
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and any(spelling in path.read_bytes() for spelling in spellings):
            found.append(path.name)
    return found


def eventually(what: str, condition: Any, within: float = 10) -> Any:
    """What the condition gives, once it gives something."""
    deadline = time.monotonic() + within
    while not (got := condition()):
        holds(time.monotonic() < deadline, f"{what}: not within {within} s")
        time.sleep(0.05)
    return got


def pretty(thing: Any) -> str:
    """Anything as text, to look for words in it."""
    return json.dumps(thing, default=str, ensure_ascii=False)
