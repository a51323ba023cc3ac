"""SIGKILL under load of which credits pay a part: each answered call is charged once, or not at all.

What a call on credits sets aside is a promise of the process that makes it. When that is killed, the
journal tells what the call cost; and of a call that the journal does not know either, what was set
aside is given back at its deadline.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import sqlite3
import time
from collections import Counter
from decimal import Decimal
from math import ceil

import harness
from dying import CUT, Connection, Tally, lives, logged
from harness import SECOND_KEY, Checks, connect, get, holds, http, list_price, same
from serving import PROVIDER_KEY, Served, command

import harness

check = Checks("kill-credits")

CYCLES = int(os.environ.get("E2E_KILL_CYCLES", "200" if harness.FULL else "12"))
FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "kill-credits"

# Who pays for whom: the first two have keys of their own, and the second credits besides; the last
# is given a little at a time and runs out of it again and again.
OWN = ["own-key", "own-key-and-credits"]
PREPAID = ["prepaid-1", "prepaid-2", "poor"]
REFS = OWN + PREPAID
PLENTY = 1_000_000_000
# What a call costs, and what the poor one is given at a time: a call and a half.
RATE = {"creditsPerUsd": 1_000_000, "markup": 1.2}
PRICE = ceil(list_price("gpt-4o-mini", 11, 7) * 1_000_000 * Decimal("1.2"))
ALMS = PRICE + PRICE // 2

served = Served(FOLDER)
tally = Tally()
DATABASE = served.data / "byok.db"
# Grants to the poor one that were answered.
given = 0


def manage(method: str, path: str, body: object, **headers: str) -> None:
    status, _, answer = http(method, path, harness.SECRET_KEY, body, headers)
    same(status, 200, f"{method} {path} ({answer[:300]!r})")


def prepare() -> None:
    manage("PUT", "/platform-keys/openai", {"providerKey": SECOND_KEY})
    manage("PUT", "/tiers", [{"name": "unlimited", "byokAllowed": True, "default": True}])
    manage("PATCH", "/routing", {"creditRate": RATE})
    for ref_id in OWN:
        connect(ref_id, PROVIDER_KEY)
    for ref_id in ("own-key-and-credits", "prepaid-1", "prepaid-2"):
        manage("POST", f"/customers/{ref_id}/credits", {"amount": PLENTY}, **{"idempotency-key": "plenty"})


async def give_alms() -> None:
    """Grants one after the other, each again under its key until it is answered, and once more."""
    global given
    try:
        connection = await Connection.to(served)
        number = max(given - 1, 0)
        while True:
            headers = {"idempotency-key": f"alms-{number}"}
            status, answered = await connection.ask("/customers/poor/credits", {"amount": ALMS}, headers)
            answer = await connection.body(answered)
            if status != 200:
                tally.refused[f"a grant: {status} {answer[:120]!r}"] += 1
                return
            given = max(given, number + 1)
            number += 1
            await asyncio.sleep(0.05)
    except CUT:
        pass


@check(f"{CYCLES} lives, each ended by SIGKILL under calls on credits and on own keys, and grants")
def _() -> None:
    lives(tally, served, CYCLES, REFS, prepare, give_alms)
    by = Counter((answer.ref_id, answer.source) for answer in tally.complete.values())
    sources = {ref_id: "byok" if ref_id in OWN else "credits" for ref_id in REFS}
    same({ref_id for ref_id, _ in by}, set(REFS), "customers with answers")
    same({pair for pair in by if sources[pair[0]] != pair[1]}, set(), "answers that the wrong side paid for")
    holds(tally.unpaid["poor"] > 0, "the poor customer never ran out of credits")
    same(tally.unpaid.total(), tally.unpaid["poor"], "calls that were refused for want of credits")
    print(f"    answers: {({ref_id: number for (ref_id, _), number in by.items()})}, {given} grants to one of them")


@check("what the dead processes held is given back when its deadline, set back in the database, is past")
def _() -> None:
    served.start()
    for ref_id in REFS:
        logged(tally, ref_id)
    served.stop()
    with sqlite3.connect(DATABASE) as database:
        (left,) = database.execute("SELECT count(*) FROM credit_holds").fetchone()
        database.execute("UPDATE credit_holds SET deadline = deadline - 3600000")
    database.close()
    holds(left > 0, "no call was killed between its hold and its record: nothing to give back")
    under_way = len(tally.cut) + tally.unseen.total()
    holds(left <= under_way, f"{left} holds are left, of {under_way} calls that were under way")
    served.start()
    deadline = time.monotonic() + 10
    while (held := sum(get(f"/customers/{ref_id}/credits")["held"] for ref_id in REFS)) and time.monotonic() < deadline:
        time.sleep(0.1)
    same(held, 0, "credits still held")
    print(f"    {left} holds were left by calls that were never heard of")


books: dict[str, list[dict]] = {}


@check("each balance is the sum of its entries, and no grant was given twice")
def _() -> None:
    for ref_id in REFS:
        entries: list[dict] = []
        while True:
            page = get(f"/customers/{ref_id}/credits/transactions?limit=500&offset={len(entries)}")
            entries += page["data"]
            if len(entries) >= page["total"]:
                break
        books[ref_id] = entries
        has = get(f"/customers/{ref_id}/credits")
        moved = Counter()
        for entry in entries:
            moved[entry["type"]] += entry["amount"]
        same(has["balance"], moved["grant"] + moved["settle"], f"{ref_id}: balance")
        same((has["held"], moved["hold"] + moved["release"]), (0, 0), f"{ref_id}: held")
        ids = [entry["id"] for entry in entries]
        same(len(set(ids)), len(ids), f"{ref_id}: entries read twice")
    grants = [entry["amount"] for entry in books["poor"] if entry["type"] == "grant"]
    # One more may have been given whose answer was cut.
    holds(given <= len(grants) <= given + 1, f"{given} grants were answered, {len(grants)} were given")
    same(set(grants), {ALMS}, "amounts")


@check("each answered call on credits was charged exactly once, and none on an own key")
def _() -> None:
    for ref_id in REFS:
        settled = [entry for entry in books[ref_id] if entry["type"] == "settle"]
        charged = Counter(entry["requestId"] for entry in settled)
        same([request for request, times in charged.items() if times > 1][:5], [], f"{ref_id}: charged twice")
        if ref_id in OWN:
            touched = {entry["requestId"] for entry in books[ref_id]} - {None}
            same(touched, set(), f"{ref_id}: calls on its own key in the ledger")
            continue
        answered = {request for request, answer in tally.complete.items() if answer.ref_id == ref_id}
        same(sorted(answered - set(charged))[:5], [], f"{ref_id}: answered and not charged")
        strangers = [request for request in charged if request not in answered and request not in tally.cut]
        holds(len(strangers) <= tally.unseen[ref_id], f"{ref_id}: {len(strangers)} charges for nobody's call")
        for entry in settled:
            if entry["requestId"] in answered:
                same(entry["shortfall"] - entry["amount"], PRICE, f"{ref_id}: price of {entry['requestId']}")
        short = sum(entry["shortfall"] for entry in settled)
        holds(short == 0 or ref_id == "poor", f"{ref_id}: a shortfall of {short} where there was plenty")


@check("the log says of each call who paid, and what was charged as the ledger has it")
def _() -> None:
    for ref_id in REFS:
        charged = {e["requestId"]: -e["amount"] for e in books[ref_id] if e["type"] == "settle"}
        source = "byok" if ref_id in OWN else "credits"
        for row in logged(tally, ref_id):
            same((row["source"], row["creditsCharged"] or 0), (source, charged.pop(row["id"], 0)), row["id"])
        same(charged, {}, f"{ref_id}: charges without a row")
        spent = get(f"/usage?refId={ref_id}")["totals"]["creditsCharged"]
        same(spent, -sum(e["amount"] for e in books[ref_id] if e["type"] == "settle"), f"{ref_id}: /usage")


@check("the doctor adds all books up and finds them in order")
def _() -> None:
    served.stop()
    key = {"ENCRYPTION_KEY_FILE": str(served.data / "encryption.key")}
    done = command("doctor", "--data-dir", served.data, **key)
    same(done.returncode, 0, f"exit code ({done.stdout}{done.stderr})")
    holds("whose entries add up" in done.stdout, f"what it says of credits: {done.stdout}")


if __name__ == "__main__":
    try:
        check.run()
    finally:
        served.kill()
