"""SIGKILL under load, again and again on one data folder: what was answered is counted, once.

An answer is complete when the client holds its last byte: all of `content-length`, or the chunk
that ends the body. For each such answer there must be exactly one row. A row more is right only
for a call that was under way when the server died: its record was on disk, its last byte not yet
with the client.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import random
import time
from collections import Counter
from decimal import Decimal

import harness
from harness import Checks, ask, get, holds, list_price, same
from serving import PROVIDER_KEY, Served

check = Checks("kill-loop")

CYCLES = int(os.environ.get("E2E_KILL_CYCLES", "50"))
WORKERS = 12
FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "kill-loop"
REF = "killed"


class Tally:
    """What the clients saw."""

    def __init__(self) -> None:
        self.complete: dict[str, str] = {}
        self.cut: set[str] = set()
        self.unseen = 0
        self.refused: Counter[str] = Counter()


async def body_of(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """The whole body; raises when the connection ends before it does."""
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        raise AssertionError(f"an answer without framing: {headers}")
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        piece = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += piece[:-2]


async def caller(served: Served, tally: Tally, number: int) -> None:
    """Calls over one connection until the server dies; odd ones stream, some ask for usage."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    except OSError:
        return
    turn = number
    try:
        while True:
            turn += 1
            kind = ("json", "stream", "stream with usage")[turn % 3]
            payload: dict = {"model": "gpt-4o-mini", "messages": ask("short burst")}
            if kind != "json":
                payload["stream"] = True
            if kind == "stream with usage":
                payload["stream_options"] = {"include_usage": True}
            body = json.dumps(payload).encode()
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nhost: e2e\r\ncontent-type: application/json\r\n"
                f"authorization: Bearer {served.secret_key}\r\nx-byo-ref-id: {REF}\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            request_id = None
            try:
                writer.write(head.encode() + body)
                await writer.drain()
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
                request_id = headers["x-request-id"]
                answer = await body_of(reader, headers)
            except (OSError, asyncio.IncompleteReadError, EOFError):
                if request_id:
                    tally.cut.add(request_id)
                else:
                    tally.unseen += 1
                return
            if " 200 " not in lines[0]:
                tally.refused[f"{lines[0]} {answer[:120]!r}"] += 1
                continue
            if kind != "json" and not answer.endswith(b"data: [DONE]\n\n"):
                tally.refused[f"a {kind} that ends with {answer[-40:]!r}"] += 1
            if request_id in tally.complete:
                tally.refused[f"{request_id} was given twice"] += 1
            tally.complete[request_id] = kind
    finally:
        writer.close()


async def live_and_die(served: Served, tally: Tally, seconds: float) -> None:
    """Load from all workers, and SIGKILL in the middle of it."""
    workers = [asyncio.create_task(caller(served, tally, number)) for number in range(WORKERS)]
    await asyncio.sleep(seconds)
    served.kill()
    await asyncio.gather(*workers)


served = Served(FOLDER)
tally = Tally()
starts: list[float] = []


@check(f"{CYCLES} lives, each ended by SIGKILL in the middle of the load, all on one data folder")
def _() -> None:
    chance = random.Random(int(os.environ.get("E2E_SEED", "20261122")))
    try:
        for life in range(CYCLES):
            # A killed process loses nothing that it handed to the kernel: `os` must hold as well.
            starts.append(served.start(BYO_DURABILITY=("disk", "os")[life % 2]))
            if life == 0:
                harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key
                harness.connect(REF, PROVIDER_KEY)
            asyncio.run(live_and_die(served, tally, chance.uniform(0.15, 0.7)))
    finally:
        served.kill()
    same(dict(tally.refused), {}, "answers that were neither complete nor cut by the kill")
    holds(len(tally.complete) > 5 * CYCLES, f"only {len(tally.complete)} complete answers: no load")
    holds(len(tally.cut) + tally.unseen > CYCLES, "hardly a call was cut: the kills missed the load")
    kinds = Counter(tally.complete.values())
    print(
        f"    {sum(kinds.values())} complete {dict(kinds)}, {len(tally.cut)} cut, {tally.unseen} without an answer;"
        f" slowest start {max(starts) * 1000:.0f} ms"
    )


def all_rows() -> list[dict]:
    """The whole log, page by page."""
    rows, cursor = [], None
    while True:
        page = get(f"/logs?refId={REF}&limit=500" + (f"&cursor={cursor}" if cursor else ""))
        rows += page["data"]
        cursor = page["nextCursor"]
        if not cursor:
            same(page["total"], len(rows), "total against rows read")
            return rows


rows: list[dict] = []


@check("every complete answer has exactly one row, and every other row was a call under way")
def _() -> None:
    served.start()
    harness.SERVER = served.url
    deadline = time.monotonic() + 10
    while True:
        rows[:] = all_rows()
        missing = set(tally.complete) - {row["id"] for row in rows}
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    same(sorted(missing)[:5], [], f"complete answers without a row ({len(missing)} of {len(tally.complete)})")
    twice = [row_id for row_id, times in Counter(row["id"] for row in rows).items() if times > 1]
    same(twice[:5], [], f"rows that stand twice ({len(twice)})")
    more = [row["id"] for row in rows if row["id"] not in tally.complete]
    strangers = [row_id for row_id in more if row_id not in tally.cut]
    holds(len(strangers) <= tally.unseen, f"{len(strangers)} rows of nobody's call, {tally.unseen} were unanswered")


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
