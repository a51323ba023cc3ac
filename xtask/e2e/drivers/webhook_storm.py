"""Thousands of webhook events while one endpoint in ten is hostile, and while the server is killed.

Each project has ten endpoints, one of which hangs, trickles, sends a gigabyte, refuses or redirects
once the storm begins. Every event goes to all ten. What counts is what the nine others hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import random
import time

import harness
from dying import CUT, Connection
from endpoints import GIGABYTE, Endpoint, provider
from harness import FULL, Checks, holds, http, parse, remember, same
from serving import PROVIDER_KEY, Served

check = Checks("webhook-storm")

# In the storm, and half as many before it.
EVENTS = int(os.environ.get("E2E_WEBHOOK_EVENTS", "10000" if FULL else "100"))
# Events a second, each of them ten deliveries.
RATE = int(os.environ.get("E2E_WEBHOOK_RATE", "30" if FULL else "10"))
CYCLES = int(os.environ.get("E2E_KILL_CYCLES", "50" if FULL else "5"))
FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "webhook-storm"
HOSTILE = ["hangs", "trickles", "floods", "refuses", "redirects"]
WORKERS = 16
# A delivery that a killed process had under way is made again once its lease is over.
LEASE = 30


class Project:
    """A project, with its endpoints: the first is the one that turns hostile."""

    def __init__(self, secret_key: str, endpoints: list[Endpoint]):
        self.secret_key = secret_key
        self.turns = endpoints[0]
        self.sound = endpoints[1:]
        # Customers whose key was connected, so that an event tells of each.
        self.told: list[str] = []


class World:
    """The server, and everybody around it."""

    def __init__(self) -> None:
        self.served: Served
        self.projects: list[Project] = []
        self.next = 0

    async def build(self) -> None:
        self.served = Served(FOLDER, await provider(), BYO_ALLOW_PRIVATE_UPSTREAMS="127.0.0.0/8")
        await asyncio.to_thread(self.served.start)
        harness.SERVER = self.served.url
        admin = (self.served.data / "admin.token").read_text().strip()
        for name in HOSTILE:
            made = await asyncio.to_thread(manage, "POST", "/projects", admin, {"name": f"one {name}"})
            remember(made["secretKey"])
            remember(made["publishableKey"])
            endpoints = [await Endpoint().open() for _ in range(10)]
            for endpoint in endpoints:
                order = {"url": f"{endpoint.url}/in", "events": ["provider_key.connected"]}
                hook = await asyncio.to_thread(manage, "POST", "/webhooks", made["secretKey"], order)
                remember(hook["secret"])
            self.projects.append(Project(made["secretKey"], endpoints))

    def turn_hostile(self) -> None:
        for project, kind in zip(self.projects, HOSTILE, strict=True):
            project.turns.requests = 0
            project.turns.hostile = project.turns.worst(kind, bystander=project.sound[0])

    async def cause(self, connection: Connection) -> None:
        """One event: a customer's key is connected in one of the projects."""
        project = self.projects[self.next % len(self.projects)]
        ref_id = f"customer-{self.next}"
        self.next += 1
        order = {"provider": "openai", "refId": ref_id, "providerKey": PROVIDER_KEY}
        status, headers = await connection.ask("/keys/connect", order, {}, project.secret_key)
        answer = await connection.body(headers)
        same(status, 200, f"connect ({answer[:200]!r})")
        project.told.append(ref_id)

    async def cause_many(self, events: int) -> None:
        """So many events at the rate, whether or not the earlier ones were answered."""
        begun, due = time.monotonic(), iter(range(events))

        async def work() -> None:
            connection = await Connection.to(self.served)
            for number in due:
                await asyncio.sleep(begun + number / RATE - time.monotonic())
                await self.cause(connection)
            connection.writer.close()

        await asyncio.gather(*(work() for _ in range(WORKERS)))

    def missing(self) -> list[str]:
        """What a sound endpoint has not heard."""
        return [
            f"{ref_id} at endpoint {number} of the project one of which {kind}"
            for project, kind in zip(self.projects, HOSTILE, strict=True)
            for number, endpoint in enumerate(project.sound, 1)
            for ref_id in project.told
            if ref_id not in endpoint.heard
        ]

    async def all_heard(self) -> None:
        """Waits until every sound endpoint has heard of everything; fails when nothing more comes."""
        missing, since = self.missing(), time.monotonic()
        while missing and time.monotonic() - since < 3 * LEASE:
            await asyncio.sleep(0.2)
            before, missing = len(missing), self.missing()
            if len(missing) < before:
                since = time.monotonic()
        same(missing[:3], [], f"events that were not delivered ({len(missing)})")

    def delays(self) -> list[float]:
        """What it took to tell the sound endpoints, in order; forgets it."""
        sound = [endpoint for project in self.projects for endpoint in project.sound]
        delays = sorted(delay for endpoint in sound for delay in endpoint.heard.values())
        for project in self.projects:
            project.told.clear()
            for endpoint in [project.turns, *project.sound]:
                endpoint.heard.clear()
        return delays


def manage(method: str, path: str, token: str, body: object = None) -> dict:
    status, _, answer = http(method, path, token, body)
    holds(status < 300, f"{method} {path}: {status} {answer[:300]!r}")
    return parse(answer)


def quantile(ordered: list[float], per_cent: int) -> int:
    """Nearest rank, in milliseconds."""
    return round(1000 * ordered[max(len(ordered) * per_cent // 100 - 1, 0)])


world = World()
loop = asyncio.new_event_loop()
figures: dict[str, object] = {}


@check(f"{EVENTS // 2} events reach ten endpoints each")
def _() -> None:
    async def calm() -> None:
        await world.build()
        await world.cause_many(EVENTS // 2)
        await world.all_heard()

    loop.run_until_complete(calm())
    delays = world.delays()
    figures["calm"] = {"deliveries": len(delays), "p50_ms": quantile(delays, 50), "p99_ms": quantile(delays, 99)}


@check(f"{EVENTS} events, one endpoint in ten hostile: every other one hears them all, as soon as before")
def _() -> None:
    async def storm() -> None:
        world.turn_hostile()
        await world.cause_many(EVENTS)
        await world.all_heard()

    loop.run_until_complete(storm())
    repeats = sum(endpoint.repeats for project in world.projects for endpoint in project.sound)
    delays = world.delays()
    figures["storm"] = {
        "deliveries": len(delays),
        "p50_ms": quantile(delays, 50),
        "p99_ms": quantile(delays, 99),
        "repeats": repeats,
        "hostile_requests": {kind: p.turns.requests for kind, p in zip(HOSTILE, world.projects, strict=True)},
    }
    same(repeats, 0, "deliveries that were repeated although nothing failed")
    if FULL:
        slower = figures["storm"]["p99_ms"] / figures["calm"]["p99_ms"]
        holds(slower < 1.5, f"p99 is {slower:.2f} of what it is without hostile endpoints: {figures}")


@check("of a gigabyte little is read, and a redirect is not followed")
def _() -> None:
    flooding = world.projects[HOSTILE.index("floods")].turns
    holds(0 < flooding.most_sent < GIGABYTE / 20, f"{flooding.most_sent} bytes were taken of one answer")
    strays = sum(endpoint.strays for project in world.projects for endpoint in project.sound)
    same(strays, 0, "requests that a redirect led to")
    figures["most_read_of_a_gigabyte"] = flooding.most_sent


async def live_and_die(events: int, seconds: float) -> None:
    """A life of the server under mutations from all workers, until so many were answered in it and so
    many seconds more."""

    async def work() -> None:
        with contextlib.suppress(*CUT):
            connection = await Connection.to(world.served)
            while True:
                await world.cause(connection)

    def answered() -> int:
        return sum(len(project.told) for project in world.projects)

    await asyncio.to_thread(world.served.start)
    enough, deadline = answered() + events, time.monotonic() + 20
    workers = [asyncio.create_task(work()) for _ in range(WORKERS)]
    while answered() < enough and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    await asyncio.sleep(seconds)
    world.served.kill()
    await asyncio.gather(*workers)


@check(f"{CYCLES} lives, each ended by SIGKILL, hostile endpoints among them: no event is lost")
def _() -> None:
    chance = random.Random(int(os.environ.get("E2E_SEED", "20261128")))

    async def lives() -> None:
        world.served.kill()
        first = world.next
        for _ in range(CYCLES):
            await live_and_die(chance.randint(1, 20), chance.uniform(0, 0.05))
        await asyncio.to_thread(world.served.start)
        acknowledged = sum(len(project.told) for project in world.projects)
        # What was stored without an answer was told of too.
        for project in world.projects:
            stored = await asyncio.to_thread(connected, project)
            same(sorted(set(project.told) - stored)[:3], [], "acknowledged and not stored")
            project.told = [ref_id for ref_id in stored if int(ref_id.removeprefix("customer-")) >= first]
        stored = sum(len(project.told) for project in world.projects)
        begun = time.monotonic()
        await world.all_heard()
        figures["kills"] = {
            "lives": CYCLES,
            "events_answered": acknowledged,
            "events_stored": stored,
            "deliveries": 9 * stored,
            "repeats": sum(endpoint.repeats for project in world.projects for endpoint in project.sound),
            "complete_after_s": round(time.monotonic() - begun, 1),
        }
        holds(acknowledged > CYCLES, f"only {acknowledged} events: no load")

    loop.run_until_complete(lives())


def connected(project: Project) -> set[str]:
    """The customers with a key."""
    found: set[str] = set()
    while True:
        page = manage("GET", f"/keys?limit=500&offset={len(found)}", project.secret_key)
        found |= {key["refId"] for key in page["data"]}
        if len(found) >= page["total"]:
            return found


@check("the server stops when asked, whatever is still under way")
def _() -> None:
    loop.run_until_complete(asyncio.to_thread(world.served.stop))
    print(f"    figures: {json.dumps(figures)}")


async def end() -> None:
    """Ends what still listens."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


if __name__ == "__main__":
    try:
        check.run()
    finally:
        if world.projects:
            world.served.kill()
        loop.run_until_complete(end())
