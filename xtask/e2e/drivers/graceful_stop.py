"""SIGTERM under live streams: they finish, nothing new is taken, the exit code is 0."""

from __future__ import annotations

import os
import pathlib
import threading
import time

import httpx

import harness
from harness import Checks, ask, get, holds, list_price, same
from serving import PROVIDER_KEY, Served

check = Checks("graceful-stop")

FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "graceful-stop"
STREAMS = 5


def connected(served: Served) -> httpx.Client:
    harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key
    harness.connect("stopper", PROVIDER_KEY)
    return httpx.Client(
        base_url=served.url,
        headers={"authorization": f"Bearer {served.secret_key}", "x-byo-ref-id": "stopper"},
        timeout=30,
    )


SLOW = {"model": "gpt-4.1", "messages": ask("speak slowly"), "stream": True}


@check("streams finish whole, new connections are refused, exit code 0, every stream counted")
def _() -> None:
    served = Served(FOLDER)
    with served:
        client = connected(served)
        ends: list[tuple[str, bytes]] = []
        running = threading.Barrier(STREAMS + 1)

        def stream() -> None:
            received = b""
            with client.stream("POST", "/v1/chat/completions", json=SLOW) as answer:
                try:
                    for piece in answer.iter_raw():
                        if not received:
                            running.wait(timeout=20)
                        received += piece
                except httpx.TransportError as error:
                    received += f"... {error}".encode()
            ends.append((answer.headers["x-request-id"], received))

        threads = [threading.Thread(target=stream) for _ in range(STREAMS)]
        for thread in threads:
            thread.start()
        running.wait(timeout=20)
        served.ask_to_stop()
        time.sleep(0.3)
        try:
            late = httpx.get(f"{served.url}/healthz", timeout=2).status_code
        except httpx.TransportError:
            late = None
        for thread in threads:
            thread.join(timeout=30)
        same(served.exit_code(within=15), 0, "exit code")
        same(late, None, "a connection made after SIGTERM")
        same(len(ends), STREAMS, "streams that ended")
        for request_id, body in ends:
            holds(body.endswith(b"data: [DONE]\n\n"), f"{request_id} was cut: {body[-60:]!r}")
        served.start()
        harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key
        rows = get("/logs?refId=stopper")["data"]
        same(sorted(row["id"] for row in rows), sorted(request_id for request_id, _ in ends), "rows")
        cost = list_price("gpt-4.1", 31, 41)
        for row in rows:
            same((row["success"], row["outputTokens"], row["costUsd"]), (True, 41, cost), row["id"])


@check("a stream longer than BYO_DRAIN_SECONDS is cut and counted, and the server ends in time")
def _() -> None:
    served = Served(FOLDER / "short", BYO_DRAIN_SECONDS="1")
    with served:
        client = connected(served)
        with client.stream("POST", "/v1/chat/completions", json=SLOW) as answer:
            request_id = answer.headers["x-request-id"]
            pieces = answer.iter_raw()
            next(pieces)
            begun = time.monotonic()
            served.ask_to_stop()
            served.exit_code(within=4)
            took = time.monotonic() - begun
            try:
                rest = b"".join(pieces)
            except httpx.TransportError:
                rest = b""
        holds(0.7 < took < 3, f"it ended after {took:.1f} s")
        holds(b"[DONE]" not in rest, "the stream was ended as if it were whole")
        served.start()
        harness.SERVER, harness.SECRET_KEY = served.url, served.secret_key
        row = get(f"/logs/{request_id}")
        same(row["success"], False, "success")


@check("an idle server stops at once")
def _() -> None:
    served = Served(FOLDER)
    with served:
        begun = time.monotonic()
        served.ask_to_stop()
        same(served.exit_code(within=5), 0, "exit code")
        holds(time.monotonic() - begun < 2, f"it took {time.monotonic() - begun:.1f} s")


@check("SIGTERM right after the first ready answer is a graceful stop already")
def _() -> None:
    for _life in range(8):
        served = Served(FOLDER)
        try:
            served.start(greeted=False)
            served.ask_to_stop()
            same(served.exit_code(within=5), 0, "exit code")
        finally:
            served.kill()


if __name__ == "__main__":
    check.run()
