"""Load on a server that is killed in the middle of it, again and again, and what its clients saw.

An answer is complete when the client holds its last byte: all of `content-length`, or the chunk
that ends the body.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import harness
from harness import ask, get, holds, keep_evidence, same
from serving import Served

WORKERS = 12
KINDS = ("json", "stream", "stream with usage")


@dataclasses.dataclass
class Complete:
    """An answer that came whole."""

    kind: str
    ref_id: str
    source: str


class Tally:
    """What the clients saw."""

    def __init__(self) -> None:
        self.complete: dict[str, Complete] = {}
        self.cut: dict[str, str] = {}
        self.unseen: Counter[str] = Counter()
        self.unpaid: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.starts: list[float] = []

    def line(self) -> str:
        """All of it in a line."""
        kinds = Counter(answer.kind for answer in self.complete.values())
        return (
            f"{len(self.complete)} complete {dict(kinds)}, {len(self.cut)} cut, {self.unseen.total()} without an"
            f" answer, {self.unpaid.total()} refused for want of credits; slowest start"
            f" {max(self.starts) * 1000:.0f} ms"
        )


class Connection:
    """One plain connection of a client."""

    @classmethod
    async def to(cls, served: Served) -> Connection:
        connection = cls()
        connection.served = served
        connection.reader, connection.writer = await asyncio.open_connection("127.0.0.1", served.port)
        return connection

    async def ask(
        self, path: str, payload: dict, headers: dict[str, str], token: str | None = None
    ) -> tuple[int, dict[str, str]]:
        """Posts JSON with this token or the server's own; the status and the headers of the answer."""
        body = json.dumps(payload).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {path} HTTP/1.1\r\nhost: e2e\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {token or self.served.secret_key}\r\n{more}content-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answered = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
        return int(lines[0].split()[1]), answered

    async def body(self, headers: dict[str, str]) -> bytes:
        """The whole body; raises when the connection ends before it does."""
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            raise AssertionError(f"an answer without framing: {headers}")
        body = b""
        while True:
            size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
            piece = await self.reader.readexactly(size + 2)
            if size == 0:
                return body
            body += piece[:-2]


CUT = (OSError, asyncio.IncompleteReadError, EOFError)


async def caller(served: Served, tally: Tally, number: int, ref_ids: list[str]) -> None:
    """Calls over one connection, for the customers in turn, until the server dies."""
    try:
        connection = await Connection.to(served)
    except OSError:
        return
    turn = number
    try:
        while True:
            turn += 1
            # Of each customer every kind, whatever their numbers have in common.
            ref_id, kind = ref_ids[turn % len(ref_ids)], KINDS[turn // len(ref_ids) % len(KINDS)]
            payload: dict = {"model": "gpt-4o-mini", "messages": ask("short burst"), "max_tokens": 20}
            if kind != "json":
                payload["stream"] = True
            if kind == "stream with usage":
                payload["stream_options"] = {"include_usage": True}
            request_id = None
            try:
                status, headers = await connection.ask("/v1/chat/completions", payload, {"x-byo-ref-id": ref_id})
                request_id = headers["x-request-id"]
                answer = await connection.body(headers)
            except CUT:
                if request_id:
                    tally.cut[request_id] = ref_id
                else:
                    tally.unseen[ref_id] += 1
                return
            if status != 200:
                keep_evidence(answer)
            if status == 402:
                tally.unpaid[ref_id] += 1
                continue
            if status != 200:
                tally.refused[f"{status} {answer[:120]!r}"] += 1
                continue
            if kind != "json" and not answer.endswith(b"data: [DONE]\n\n"):
                tally.refused[f"a {kind} that ends with {answer[-40:]!r}"] += 1
            if request_id in tally.complete:
                tally.refused[f"{request_id} was given twice"] += 1
            tally.complete[request_id] = Complete(kind, ref_id, headers["x-byo-key-source"])
    finally:
        connection.writer.close()


Beside = Callable[[], Coroutine[Any, Any, None]]


async def live_and_die(
    served: Served, tally: Tally, seconds: float, ref_ids: list[str], beside: tuple[Beside, ...]
) -> None:
    """Load from all workers and from what runs beside them, and SIGKILL in the middle of it."""
    tasks = [asyncio.create_task(caller(served, tally, number, ref_ids)) for number in range(WORKERS)]
    tasks += [asyncio.create_task(other()) for other in beside]
    await asyncio.sleep(seconds)
    served.kill()
    await asyncio.gather(*tasks)


def lives(
    tally: Tally, served: Served, cycles: int, ref_ids: list[str], prepare: Callable[[], None], *beside: Beside
) -> None:
    """So many lives of a server, each ended by SIGKILL under load; `prepare` runs in the first."""
    chance = random.Random(int(os.environ.get("E2E_SEED", "20261122")))
    try:
        for life in range(cycles):
            # A killed process loses nothing that it handed to the kernel: `os` must hold as well.
            tally.starts.append(served.start(BYO_DURABILITY=("disk", "os")[life % 2]))
            if life == 0:
                harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key
                prepare()
            asyncio.run(live_and_die(served, tally, chance.uniform(0.15, 0.7), ref_ids, beside))
    finally:
        served.kill()
    same(dict(tally.refused), {}, "answers that were neither complete nor cut by the kill")
    holds(len(tally.complete) > 5 * cycles, f"only {len(tally.complete)} complete answers: no load")
    holds(len(tally.cut) + tally.unseen.total() > cycles, "hardly a call was cut: the kills missed the load")
    print(f"    {tally.line()}")


def pages(path: str) -> list[dict[str, Any]]:
    """A whole list of the log, page by page."""
    rows, cursor = [], None
    while True:
        page = get(f"{path}&limit=500" + (f"&cursor={cursor}" if cursor else ""))
        rows += page["data"]
        cursor = page["nextCursor"]
        if not cursor:
            same(page["total"], len(rows), "total against rows read")
            return rows


def logged(tally: Tally, ref_id: str) -> list[dict[str, Any]]:
    """A customer's rows; fails unless there is one for each complete answer, and beside them rows of
    calls alone that were under way when the server died."""
    complete = {request_id for request_id, answer in tally.complete.items() if answer.ref_id == ref_id}
    deadline = time.monotonic() + 10
    while True:
        rows = pages(f"/logs?refId={ref_id}")
        missing = complete - {row["id"] for row in rows}
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    same(sorted(missing)[:5], [], f"complete answers without a row ({len(missing)} of {len(complete)})")
    twice = [row_id for row_id, times in Counter(row["id"] for row in rows).items() if times > 1]
    same(twice[:5], [], f"rows that stand twice ({len(twice)})")
    strangers = [row["id"] for row in rows if row["id"] not in complete and row["id"] not in tally.cut]
    unseen = tally.unseen[ref_id]
    holds(len(strangers) <= unseen, f"{len(strangers)} rows of nobody's call, {unseen} were unanswered")
    return rows
