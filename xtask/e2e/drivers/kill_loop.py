"""SIGKILL under load, again and again on one data folder: what was answered is counted, once.

For each complete answer there must be exactly one row. A row more is right only for a call that was
under way when the server died: its record was on disk, its last byte not yet with the client.
"""

from __future__ import annotations

import os
import pathlib
from decimal import Decimal

import harness
from dying import Tally, lives, logged
from harness import Checks, get, list_price, same
from serving import PROVIDER_KEY, Served

check = Checks("kill-loop")

CYCLES = int(os.environ.get("E2E_KILL_CYCLES", "200" if harness.FULL else "50"))
FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "kill-loop"
REF = "killed"

served = Served(FOLDER)
tally = Tally()
rows: list[dict] = []


@check(f"{CYCLES} lives, each ended by SIGKILL in the middle of the load, all on one data folder")
def _() -> None:
    lives(tally, served, CYCLES, [REF], lambda: harness.connect(REF, PROVIDER_KEY))
    same(tally.unpaid.total(), 0, "calls that were refused for want of credits")


@check("every complete answer has exactly one row, and every other row was a call under way")
def _() -> None:
    served.start()
    rows.extend(logged(tally, REF))


@check("each row of a complete answer has its usage and exact cost")
def _() -> None:
    cost = list_price("gpt-4o-mini", 11, 7)
    wrong = [
        row
        for row in rows
        if row["id"] in tally.complete
        and (row["success"], row["inputTokens"], row["outputTokens"], row["costUsd"]) != (True, 11, 7, cost)
    ]
    same(wrong[:2], [], f"wrong rows ({len(wrong)})")


@check("the roll-ups that /usage reads say the same as the rows")
def _() -> None:
    totals = get(f"/usage?refId={REF}")["totals"]
    same(totals["requests"], len(rows), "requests")
    same(totals["succeeded"], sum(row["success"] for row in rows), "succeeded")
    for total, column in (("inputTokens", "inputTokens"), ("outputTokens", "outputTokens")):
        same(totals[total], sum(row[column] or 0 for row in rows), total)
    same(totals["costUsd"], sum((row["costUsd"] or Decimal(0) for row in rows), Decimal(0)), "cost")
    key = get(f"/keys?refId={REF}")["data"][0]
    same(key["totalRequests"], len(rows), "the key's own count")
    served.kill()


if __name__ == "__main__":
    try:
        check.run()
    finally:
        served.kill()
