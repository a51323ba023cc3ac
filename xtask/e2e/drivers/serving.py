"""Servers that a driver starts, kills and stops by itself."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

BINARY = os.environ.get("E2E_BINARY", "")
PROVIDER = os.environ.get("E2E_PROVIDER", "")
PROVIDER_KEY = os.environ.get("E2E_PROVIDER_KEY", "")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bare() -> dict[str, str]:
    """This process's environment without any setting of the server."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("BYO_", "ENCRYPTION_KEY"))}


def command(*arguments: object, **settings: str) -> subprocess.CompletedProcess:
    """One command of the server's binary, with these settings and no others."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=bare() | settings,
        check=False,
    )


class Served:
    """One `quickstart` on a data folder; started again, it finds what it left."""

    def __init__(self, folder: pathlib.Path, upstream: str = PROVIDER, **settings: str):
        self.folder = folder
        self.data = folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        scheme = "https" if "BYO_TLS_CERT" in settings else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._trust = ssl.create_default_context(cafile=settings["BYO_TLS_CERT"]) if scheme == "https" else None
        self.secret_key = ""
        self._settings = {"BYO_OPENAI_BASE_URL": f"{upstream}/v1", "BYO_METRICS_LISTEN": "off", **settings}
        self._process: subprocess.Popen | None = None

    def start(self, greeted: bool = True, **settings: str) -> float:
        """Starts it and waits until it is ready, and has greeted; seconds that took.

        More settings hold for this life only.
        """
        environment = bare() | self._settings | {"BYO_LISTEN": f"127.0.0.1:{self.port}"} | settings
        begun = time.monotonic()
        with (self.folder / "stdout.log").open("ab") as out, (self.folder / "stderr.log").open("ab") as err:
            self._process = subprocess.Popen(
                [BINARY, "quickstart", "--data-dir", str(self.data)],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        while not (self._ready() and (not greeted or self._greeted())):
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended with {self._process.returncode} at start: {self.errors()}")
            if time.monotonic() - begun > 30:
                self.kill()
                raise AssertionError(f"the server was not ready after 30 s: {self.errors()}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def _greeted(self) -> bool:
        """Whether the secret key is known: printed once, on the first start."""
        found = re.search(r"byo_sk_live_\w+", (self.folder / "stdout.log").read_text())
        self.secret_key = found[0] if found else ""
        return bool(found)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2, context=self._trust) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def errors(self) -> str:
        """The last lines it wrote to its error output."""
        return "\n".join((self.folder / "stderr.log").read_text(errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """SIGTERM, and an end with exit code 0."""
        self.ask_to_stop()
        code = self.exit_code(within=30)
        if code:
            raise AssertionError(f"the server ended with {code}: {self.errors()}")

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self, within: float) -> int:
        """The code it ended with; fails if it still runs after so many seconds."""
        assert self._process
        return self._process.wait(timeout=within)

    def __enter__(self) -> Served:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
