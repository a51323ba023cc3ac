"""What an operator does: commands, settings, keys rotated while calls go on, metrics, exit codes."""

from __future__ import annotations

import json
import os
import pathlib
import re
import secrets
import shutil
import sqlite3
import threading

import harness
from harness import Checks, ask, holds, http, remember, same, same_row
from serving import PROVIDER_KEY, Served, command, free_port

check = Checks("operator")

FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "operator"
served = Served(FOLDER)
DATA = served.data
CHAT = {"model": "gpt-4.1", "messages": ask("say hello")}


def key_file() -> str:
    return (DATA / "encryption.key").read_text().strip()


def here() -> None:
    """Points the harness at this driver's own server."""
    harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key


def called(token: str | None = None) -> int:
    headers = {"x-byo-ref-id": "operated"}
    return http("POST", "/v1/chat/completions", token or served.secret_key, CHAT, headers)[0]


@check("quickstart serves within a second, its keys work, its secret files are for their owner alone")
def _() -> None:
    took = served.start()
    here()
    holds(took < 1, f"ready after {took:.2f} s")
    same(harness.connect("operated", PROVIDER_KEY)["status"], "valid", "status")
    same(called(), 200, "a call")
    for name in ("encryption.key", "admin.token"):
        same((DATA / name).stat().st_mode & 0o777, 0o600, name)
    same(DATA.stat().st_mode & 0o777, 0o700, "the folder")


@check("quickstart again reuses everything and shows no token")
def _() -> None:
    served.stop()
    before = (FOLDER / "stdout.log").read_text()
    served.start()
    same(called(), 200, "a call with the first run's key")
    said = (FOLDER / "stdout.log").read_text()[len(before) :]
    holds(served.url in said, f"it says where it serves: {said}")
    holds("byo_sk" not in said and "byo_pk" not in said, f"a token was shown again: {said}")
    holds((DATA / "admin.token").read_text().strip() not in said, "the admin token was shown again")


@check("a second server on the same data is refused, exit code 78")
def _() -> None:
    done = command(
        "quickstart", "--data-dir", DATA, BYO_LISTEN=f"127.0.0.1:{free_port()}", BYO_METRICS_LISTEN="off"
    )
    same(done.returncode, 78, f"exit code ({done.stdout}{done.stderr})")
    same(called(), 200, "the first server afterwards")


@check("projects create and list beside a running server: the new key works at once")
def _() -> None:
    settings = {"ENCRYPTION_KEY_FILE": str(DATA / "encryption.key")}
    done = command("projects", "create", "Acme", "--data-dir", DATA, **settings)
    same(done.returncode, 0, done.stderr)
    token = remember(re.search(r"byo_sk_live_\w+", done.stdout)[0])
    remember(re.search(r"byo_pk_live_\w+", done.stdout)[0])
    same(http("GET", "/stats", token)[0], 200, "the new project's key")
    same(called(token), 404, "a call for a customer of another project")
    listed = command("projects", "list", "--data-dir", DATA, **settings).stdout
    holds("Acme" in listed and "Quickstart" in listed, f"list: {listed}")


@check("the encryption key is rotated while calls go on; afterwards the old one is not needed")
def _() -> None:
    served.stop()
    new = secrets.token_hex(32)
    both = {"ENCRYPTION_KEYS": f"2:{new},1:{key_file()}"}
    served.start(**both)
    statuses: list[int] = []
    over = threading.Event()

    def keep_calling() -> None:
        while not over.is_set():
            statuses.append(called())

    caller = threading.Thread(target=keep_calling)
    caller.start()
    try:
        done = command("keyring", "rotate", "--data-dir", DATA, **both)
        again = command("keyring", "rotate", "--data-dir", DATA, **both)
    finally:
        over.set()
        caller.join()
    same((done.returncode, again.returncode), (0, 0), done.stderr + again.stderr)
    same(set(statuses), {200}, "calls meanwhile")
    with sqlite3.connect(f"file:{DATA / 'byok.db'}?mode=ro", uri=True) as database:
        rotated = database.execute("SELECT count(*) FROM audit_log WHERE action = 'keyring.rotated'").fetchone()
    database.close()
    same(rotated, (1,), "audit rows of the rotation")
    served.stop()

    done = command("serve", "--data-dir", DATA, ENCRYPTION_KEY=key_file(), BYO_LISTEN="127.0.0.1:0")
    same(done.returncode, 78, f"with the old key alone ({done.stdout}{done.stderr})")
    (DATA / "encryption.key").write_text(new + "\n")
    served.start()
    same(called(), 200, "a call with the new key alone")


@check("metrics: Prometheus text on their own listener, without tokens and customers")
def _() -> None:
    served.stop()
    port = free_port()
    served.start(BYO_METRICS_LISTEN=f"127.0.0.1:{port}")
    same(called(), 200, "a call")
    status, headers, body = http("GET", f"http://127.0.0.1:{port}/metrics")
    same((status, headers["content-type"].split(";")[0]), (200, "text/plain"), "answer")
    text = body.decode()
    holds(re.search(r"^# TYPE \S+ (counter|histogram|summary|gauge)$", text, re.M), f"no metric: {text[:300]}")
    holds(re.search(r'^\S+\{[^}]*openai[^}]*\} [1-9]', text, re.M), f"no count of the call: {text[:1500]}")
    for word in (served.secret_key, PROVIDER_KEY, "operated"):
        holds(word not in text, f"{word[:12]} stands in the metrics")
    same(http("GET", "/metrics", served.secret_key)[0], 404, "/metrics on the public listener")


@check("BYO_MODEL_PRICING prices what the built-in table does not know")
def _() -> None:
    served.stop()
    table = json.dumps({"openai": {"house-model": {"input": 3, "output": 5}}})
    served.start(BYO_MODEL_PRICING=table)
    headers = {"x-byo-ref-id": "operated"}
    _, answered, _ = http(
        "POST", "/v1/chat/completions", served.secret_key, {**CHAT, "model": "house-model"}, headers
    )
    cost = harness.parse(str((1234 * 3 + 567 * 5) / 1e6))
    same_row(harness.log_row(answered["x-request-id"]), model="house-model", costUsd=cost)


@check("a provider that keeps silent: 504 upstream_timeout after the time that was set, one row")
def _() -> None:
    served.stop()
    served.start(BYO_FIRST_BYTE_TIMEOUT_SECONDS="1")
    slow = {**CHAT, "messages": ask("take your time")}
    status, headers, body = http(
        "POST", "/v1/chat/completions", served.secret_key, slow, {"x-byo-ref-id": "operated"}
    )
    same(status, 504, f"{body[:200]!r}")
    holds(b"upstream_timeout" in body, f"{body[:200]!r}")
    same_row(harness.log_row(headers["x-request-id"]), success=False, errorClass="provider_down", statusCode=504)


@check("BYO_MAX_BODY: 413 over it, fine below it")
def _() -> None:
    served.stop()
    served.start(BYO_MAX_BODY="2000")
    big = {**CHAT, "messages": ask("say hello " + "x" * 3000)}
    status, _, body = http(
        "POST", "/v1/chat/completions", served.secret_key, big, {"x-byo-ref-id": "operated"}
    )
    same((status, b"body_too_large" in body), (413, True), "status, code")
    same(called(), 200, "a small call")


@check("JSON logs: a line an object, and BYO_LOG=error is quiet")
def _() -> None:
    for settings, quiet in (({"BYO_LOG_FORMAT": "json"}, False), ({"BYO_LOG": "error"}, True)):
        served.stop()
        log = FOLDER / "stderr.log"
        before = log.stat().st_size
        served.start(**settings)
        same(called(), 200, "a call")
        http("GET", "/usage", served.secret_key)
        lines = log.read_bytes()[before:].splitlines()
        same(not lines, quiet, f"lines with {settings}: {lines[:2]}")
        for line in lines:
            holds(isinstance(json.loads(line), dict), f"no JSON object: {line!r}")


@check("doctor, audit verify, migrate and keyring status find all well with what is left")
def _() -> None:
    served.stop()
    settings = {"ENCRYPTION_KEY_FILE": str(DATA / "encryption.key")}
    for words in (["doctor"], ["audit", "verify"], ["migrate"], ["keyring", "status"]):
        done = command(*words, "--data-dir", DATA, **settings)
        same(done.returncode, 0, f"{' '.join(words)}: {done.stdout}{done.stderr}")


@check("audit verify notices a changed row and a removed one, and names the place")
def _() -> None:
    settings = {"ENCRYPTION_KEY_FILE": str(DATA / "encryption.key")}
    for damage in (
        "UPDATE audit_log SET action = 'project.deleted' WHERE sequence = 2",
        "DELETE FROM audit_log WHERE sequence = 2",
        "UPDATE audit_log SET created_at = created_at + 1 WHERE sequence = 3",
    ):
        copy = FOLDER / "damaged" / "data"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(DATA, copy)
        with sqlite3.connect(copy / "byok.db") as database:
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            same(database.execute(damage).rowcount, 1, f"rows damaged by {damage}")
        database.close()
        done = command("audit", "verify", "--data-dir", copy, **settings)
        same(done.returncode, 1, f"{damage}: {done.stdout}{done.stderr}")
        holds(re.search(r"\b[23]\b", done.stdout + done.stderr), f"{damage}: {done.stdout}{done.stderr}")


@check("bad configuration: exit 78, every error named at once, no value shown")
def _() -> None:
    value = "zz" * 31
    done = command(
        "serve", "--data-dir", DATA, ENCRYPTION_KEY=value, BYO_LISTEN="nowhere", BYO_NO_SUCH_THING="1"
    )
    same(done.returncode, 78, f"exit code ({done.stderr})")
    for name in ("ENCRYPTION_KEY", "BYO_LISTEN", "BYO_NO_SUCH_THING"):
        holds(name in done.stderr, f"{name} is not named: {done.stderr}")
    holds(value not in done.stderr + done.stdout, "the value is shown")


@check("encryption keys that are missing, weak, malformed or another's: exit 78, one line, no value")
def _() -> None:
    for value in (None, "", "0" * 64, "ab" * 32, "12", "g" * 64, "0123456789abcdef" * 4):
        settings = {} if value is None else {"ENCRYPTION_KEY": value}
        done = command("serve", "--data-dir", DATA, BYO_LISTEN="127.0.0.1:0", **settings)
        same(done.returncode, 78, f"{value!r}: {done.stdout}{done.stderr}")
        told = [line for line in done.stderr.splitlines() if line.startswith("byok-server:")]
        same(len(told), 1, f"{value!r}: lines {told}")
        holds("ENCRYPTION_KEY" in told[0], f"{value!r}: {told}")
        holds(not value or value not in done.stderr, f"{value!r}: the value is shown")


@check("a config file is read, the environment stands over it, an unknown key in it is named")
def _() -> None:
    file = FOLDER / "byok.toml"
    file.write_text('listen = "nowhere"\nno_such_key = 1\n')
    done = command("doctor", "--config", file, "--data-dir", DATA)
    same(done.returncode, 78, f"exit code ({done.stderr})")
    holds("no_such_key" in done.stderr and "listen" in done.stderr.lower(), done.stderr)
    file.write_text(f'encryption_key_file = "{DATA / "encryption.key"}"\ndata_dir = "/nowhere"\n')
    done = command("doctor", "--config", file, BYO_DATA_DIR=str(DATA))
    same(done.returncode, 0, f"{done.stdout}{done.stderr}")


@check("--help explains every command")
def _() -> None:
    for words in (
        [],
        ["quickstart"],
        ["serve"],
        ["migrate"],
        ["keyring", "status"],
        ["keyring", "rotate"],
        ["audit", "verify"],
        ["projects", "create"],
        ["projects", "list"],
        ["doctor"],
    ):
        done = command(*words, "--help")
        same(done.returncode, 0, " ".join(words))
        holds(len(done.stdout.splitlines()) > 5, f"{words}: {done.stdout}")


if __name__ == "__main__":
    try:
        check.run()
    finally:
        served.kill()
