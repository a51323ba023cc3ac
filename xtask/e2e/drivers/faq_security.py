"""The FAQ: Security & Privacy."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess

from byo.errors import NotFoundError

import harness
from accounts import RATE_LIMITED, REVOKED
from faq_platform import MODEL, Customer, World, files_with, pretty
from harness import PROMPT_CANARY, Checks, ask, holds, http, raises, remember, same, same_row
from serving import Served, command

check = Checks("faq-security")
world = World("faq-security")


def stored(customer: Customer) -> list[dict]:
    """The rows of a customer's keys, as they lie in the database."""
    with sqlite3.connect(f"file:{world.data / 'byok.db'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM provider_keys WHERE ref_id = ?", [customer.ref_id]).fetchall()
    database.close()
    return [dict(row) for row in rows]


def sealing_key() -> str:
    return (world.data / "encryption.key").read_text().strip()


@check("How are my API keys stored? They are encrypted before being saved to the database")
def _() -> None:
    customer = world.platform().customer()
    key = customer.account().key
    customer.calls()
    rows = stored(customer)
    same(len(rows), 1, "rows of the key")
    sealed = rows[0].pop("sealed")
    holds(len(sealed) >= len(key) + 28, f"{len(sealed)} bytes: no nonce and no tag around the key")
    holds(key not in pretty(rows) and key.encode() not in sealed, "the row holds the key")
    same(files_with(world.folder, key), [], "files of database, journal and logs with the key in them")
    # The search is not blind: it does find what stands there.
    holds("byok.db" in " ".join(files_with(world.data, customer.ref_id)), "the search finds nothing at all")


@check("How are my API keys stored? The same key is encrypted differently each time it is saved")
def _() -> None:
    account = world.accounts.open()
    sealed = []
    for _ in range(2):
        customer = world.platform().customer()
        customer.connects(account)
        sealed.append(stored(customer)[0]["sealed"])
        customer.connects(account)
        sealed.append(stored(customer)[0]["sealed"])
    same(len(set(sealed)), 4, "sealed records of one key")


@check("How are my API keys stored? Encryption keys are stored separately from the database")
def _() -> None:
    same(files_with(world.folder, sealing_key()), ["encryption.key"], "files with the encryption key")
    raw = bytes.fromhex(sealing_key())
    holds(raw not in (world.data / "byok.db").read_bytes(), "its bytes are in the database")
    same((world.data / "encryption.key").stat().st_mode & 0o777, 0o600, "mode of its file")


@check("How are my API keys stored? We never log or expose your full API key, whatever is asked and whatever fails")
def _() -> None:
    platform = world.platform()
    customer = platform.customer()
    account = customer.account()
    shown = [customer.calls().body]
    echo = (401, {"message": f"Incorrect API key provided: {account.key}.", "code": "invalid_api_key"}, None)
    for trouble in (RATE_LIMITED, echo):
        account.trouble = trouble
        shown.append(customer.calls().body)
    body = {"provider": "openai", "refId": customer.ref_id, "providerKey": account.key + "\n"}
    shown.append(http("POST", "/keys/connect", platform.secret_key, body)[2])
    for path in ("keys", "logs", "usage", "usage/export", "audit-logs", "customers", "keys/settings", "routing"):
        query = f"?refId={customer.ref_id}" if path == "keys/settings" else ""
        status, headers, answer = http("GET", f"/projects/{platform.id}/{path}{query}", world.admin_token)
        same(status, 200, path)
        shown += [answer, str(headers).encode()]
    same([text for text in shown if account.key.encode() in text], [], "answers with the key in them")
    same(files_with(world.folder, account.key), [], "files with the key in them, logs at level trace among them")


@check("How are my API keys stored? What you see is a hint that shows only the end of the key")
def _() -> None:
    customer = world.platform().customer()
    account = world.accounts.open()
    saved = customer.connects(account)
    hint = saved["keyHint"]
    same((hint, customer.keys()[0]["keyHint"]), ("…" + account.key[-4:],) * 2, "hint")
    short = world.accounts.open("sk-short-key")
    same(customer.connects(short)["keyHint"], "…", "of a short key nothing is shown")


@check("What is ENCRYPTION_KEY? A 32-byte key, generated as the FAQ says, that BYOK works with")
def _() -> None:
    generate = "console.log(require('crypto').randomBytes(32).toString('hex'))"
    made = subprocess.run(["node", "-e", generate], capture_output=True, text=True, check=True).stdout.strip()
    same(len(made), 64, "its length")
    with Served(world.folder / "generated", world.accounts.url, ENCRYPTION_KEY=made) as served:
        remember(served.secret_key)
        harness.SERVER, own = served.url, world.served.url
        try:
            account = world.accounts.open()
            body = {"provider": "openai", "refId": "jane", "providerKey": account.key}
            same(http("POST", "/keys/connect", served.secret_key, body)[0], 200, "a key is saved")
            chat = {"model": MODEL, "messages": ask("say hello")}
            status, _, _ = http("POST", "/v1/chat/completions", served.secret_key, chat, {"x-byo-ref-id": "jane"})
            same((status, len(account.calls)), (200, 1), "and used")
        finally:
            harness.SERVER = own
        same((served.data / "encryption.key").exists(), False, "a key of its own beside the given one")


@check("What is ENCRYPTION_KEY? Without it BYOK will not function: the server says so and does not start")
def _() -> None:
    for settings in ({}, {"ENCRYPTION_KEY": "too-short"}):
        done = command("serve", "--data-dir", world.folder / "without", BYO_LISTEN="127.0.0.1:0", **settings)
        same(done.returncode, 78, f"exit code ({done.stderr})")
        holds("ENCRYPTION_KEY" in done.stderr and "too-short" not in done.stderr, done.stderr)


@check("What is ENCRYPTION_KEY? If it is lost, the stored keys are: with another one the server does not start")
def _() -> None:
    for words in (["doctor"], ["serve"]):
        copy = world.folder / "stolen" / "data"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(world.data, copy, ignore=shutil.ignore_patterns("encryption.key", "admin.token"))
        settings = {"ENCRYPTION_KEY": "0123456789abcdef" * 3 + "fedcba9876543210", "BYO_LISTEN": "127.0.0.1:0"}
        done = command(*words, "--data-dir", copy, **settings)
        holds(done.returncode != 0, f"{words}: it took another key: {done.stdout}")
        holds("ENCRYPTION_KEY" in done.stdout + done.stderr, done.stdout + done.stderr)


@check("Can employees see my API keys? No: not even with the administrator's token is a key in any answer")
def _() -> None:
    platform = world.platform()
    customer = platform.customer()
    account = customer.account()
    key = platform.api("GET", f"/projects/{platform.id}/keys", None, world.admin_token)["data"][0]
    same(key["refId"], customer.ref_id, "the key is listed")
    values = pretty(key)
    holds(account.key not in values and "sealed" not in key, f"the list shows more than a hint: {values}")
    for path in (f"/keys/{key['id']}", f"/projects/{platform.id}/keys/{key['id']}"):
        same(http("GET", path, world.admin_token)[0], 404, f"GET {path}")
    ours = platform.api("GET", f"/projects/{platform.id}/platform-keys/openai", None, world.admin_token)
    holds(platform.account.key not in pretty(ours), "our own key is shown")


@check("What happens if there's a data breach? Your keys cannot be read without the encryption key")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    thief = Served(world.folder / "thief", world.accounts.url)
    thief.data.mkdir(parents=True)
    for name in ("byok.db", "byok.db-wal", "byok.db-shm"):
        if (world.data / name).exists():
            shutil.copy(world.data / name, thief.data / name)
    same(files_with(thief.data, account.key), [], "files of the stolen database with the key in them")
    raises(AssertionError, lambda: thief.start(greeted=False))
    holds("ENCRYPTION_KEY" in thief.errors(), thief.errors())


@check("What happens if there's a data breach? You can rotate your keys at any time: the next call uses the new one")
def _() -> None:
    customer = world.platform().customer()
    old = customer.account()
    customer.calls()
    new = world.accounts.open()
    old.trouble = REVOKED
    with customer.byok() as byok:
        saved = byok.keys.connect(provider="openai", ref_id=customer.ref_id, provider_key=new.key)
    same(saved["updated"], True, "updated")
    same((customer.calls().paid, len(old.calls), len(new.calls)), ("byok", 1, 1), "paid by, calls with old and new")


@check("Can I delete my API keys? Yes: the key is immediately deleted from our database and can no longer be used")
def _() -> None:
    customer = world.platform().customer()
    account = customer.account()
    customer.calls()
    with customer.byok() as byok:
        same(byok.keys.revoke(provider="openai", ref_id=customer.ref_id), {"revoked": True}, "removed")
        chat = byok.openai(ref_id=customer.ref_id).chat.completions
        same((customer.keys(), stored(customer)), ([], []), "listed, stored")
        same(customer.calls().error, (402, "insufficient_credits"), "the next call, with nothing to pay with")
        customer.platform.api("DELETE", "/platform-keys/openai")
        error = raises(NotFoundError, lambda: chat.create(model=MODEL, messages=ask("say hello")))
    holds("connect one with POST /keys/connect" in error.message, error.message)
    same(len(account.calls), 1, "calls with the key")
    audit = customer.platform.api("GET", "/audit-logs?action=provider_key.revoked")
    same(audit["total"], 1, "its removal in the audit log")


@check("Does the platform track what I send? We log metadata: timestamps, model used, token counts")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    row = customer.calls().row()
    same_row(row, model=MODEL, inputTokens=1234, outputTokens=567, refId=customer.ref_id)
    holds(row["createdAt"].endswith("Z") and row["latencyMs"] >= 0, f"times: {row}")


@check("Does the platform track what I send? We do not log the content of your prompts or responses")
def _() -> None:
    customer = world.platform().customer()
    customer.account()
    whole = customer.calls()
    stream = customer.openai().chat.completions.create(model=MODEL, messages=ask("say hello"), stream=True)
    holds(len(list(stream)) > 1, "no stream")
    failed = customer.calls("fail inside")
    same((PROMPT_CANARY in pretty(ask("say hello")), b"canary" in whole.body), (True, True), "words that would show")
    rows = customer.platform.api("GET", f"/logs?refId={customer.ref_id}")
    same(rows["total"], 3, "rows")
    for word in (PROMPT_CANARY, "completion-canary", "Hello from the provider"):
        holds(word not in pretty([rows, failed.row()]), f"{word} is in the log of requests")
        same(files_with(world.folder, word), [], f"files with {word} in them")


@check("Does the platform track what I send? Request failures and rate limit violations are logged")
def _() -> None:
    platform = world.platform()
    customer = platform.customer()
    account = customer.account()
    customer.calls("use a retired model")
    account.trouble = RATE_LIMITED
    customer.calls()
    rows = platform.api("GET", f"/logs?refId={customer.ref_id}&success=false")["data"]
    logged = [(row["statusCode"], row["errorClass"]) for row in rows]
    same(logged, [(429, "rate_limited"), (404, "request_rejected")], "failures, newest first")


if __name__ == "__main__":
    world.run(check)
