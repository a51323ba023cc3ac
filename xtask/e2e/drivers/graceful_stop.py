"""SIGTERM under live streams: they finish, nothing new is taken, the exit code is 0."""

from __future__ import annotations

import os
import pathlib
import subprocess
import threading
import time

import httpx

import harness
from harness import Checks, ask, get, holds, list_price, same
from serving import BINARY, PROVIDER_KEY, Served

check = Checks("graceful-stop")

FOLDER = pathlib.Path(os.environ["E2E_SCRATCH"]) / "graceful-stop"
DATA = FOLDER / "data"
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


def ended(arguments: list[str], **settings: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BYO_", "ENCRYPTION_KEY"))}
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=60, env=environment | settings, check=False
    )


@check("audit verify and doctor find nothing wrong with what the stopped server left")
def _() -> None:
    for command in (["audit", "verify"], ["doctor"]):
        done = ended([*command, "--data-dir", str(DATA)], ENCRYPTION_KEY_FILE=str(DATA / "encryption.key"))
        same(done.returncode, 0, f"{' '.join(command)}: {done.stdout}{done.stderr}")


@check("bad configuration: exit 78, every error named at once, no value shown")
def _() -> None:
    value = "zz" * 31
    done = ended(
        ["serve", "--data-dir", str(DATA)],
        ENCRYPTION_KEY=value,
        BYO_LISTEN="nowhere",
        BYO_NO_SUCH_THING="1",
    )
    same(done.returncode, 78, f"exit code ({done.stderr})")
    for name in ("ENCRYPTION_KEY", "BYO_LISTEN", "BYO_NO_SUCH_THING"):
        holds(name in done.stderr, f"{name} is not named: {done.stderr}")
    holds(value not in done.stderr + done.stdout, "the value is shown")


@check("another ENCRYPTION_KEY than the data was sealed with: exit 78, the variable named")
def _() -> None:
    value = "0123456789abcdef" * 4
    done = ended(["serve", "--data-dir", str(DATA)], ENCRYPTION_KEY=value, BYO_LISTEN="127.0.0.1:0")
    same(done.returncode, 78, f"exit code ({done.stdout}{done.stderr})")
    holds("ENCRYPTION_KEY" in done.stderr, f"not named: {done.stderr}")
    holds(value not in done.stderr + done.stdout, "the value is shown")


if __name__ == "__main__":
    check.run()
