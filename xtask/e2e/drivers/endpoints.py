"""Receivers of webhooks, some of them hostile, and a provider that finds every key valid."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import time
from collections.abc import Awaitable, Callable

from dying import CUT

GIGABYTE = 1_000_000_000

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """A request: its path and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    return head.split()[1], await reader.readexactly(int(fields.get("content-length", 0)))


async def listen(serve: Serve) -> str:
    """Serves connections one by one on a port of its own; the URL of its root."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the driver's end: asyncio would print that.
        with contextlib.suppress(*CUT, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, backlog=1000)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def provider() -> str:
    """A provider that answers every request with an empty list."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read(reader)
            body = b'{"object":"list","data":[]}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            writer.write(body)

    return await listen(serve)


class Endpoint:
    """One receiver. It takes what it is sent, and from the moment it is hostile it does its worst."""

    def __init__(self) -> None:
        self.url = ""
        # By the refId that an event tells of: seconds from the event to its first arrival.
        self.heard: dict[str, float] = {}
        self.repeats = 0
        self.requests = 0
        self.strays = 0
        # The most that was sent in answer to one request.
        self.most_sent = 0
        self.hostile: Serve | None = None

    async def open(self) -> Endpoint:
        self.url = await listen(self._serve)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path, body = await read(reader)
            self.requests += 1
            if path != "/in":
                self.strays += 1
            if self.hostile:
                return await self.hostile(reader, writer)
            event = json.loads(body)
            ref_id = event["data"]["refId"]
            if ref_id in self.heard:
                self.repeats += 1
            else:
                made = datetime.datetime.fromisoformat(event["createdAt"]).timestamp()
                self.heard[ref_id] = time.time() - made
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def worst(self, kind: str, bystander: Endpoint) -> Serve:
        """A way to be hostile."""
        return {
            "hangs": self._hang,
            "trickles": self._trickle,
            "floods": self._flood,
            "refuses": self._refuse,
            "redirects": lambda _, writer: self._redirect(writer, bystander),
        }[kind]

    async def _hang(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def _trickle(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.2)

    async def _flood(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % GIGABYTE)
        block = b"." * 65536
        for sent in range(0, GIGABYTE, len(block)):
            self.most_sent = max(self.most_sent, sent)
            writer.write(block)
            await writer.drain()

    async def _refuse(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async def _redirect(self, writer: asyncio.StreamWriter, bystander: Endpoint) -> None:
        location = f"location: {bystander.url}/stray\r\n".encode()
        writer.write(b"HTTP/1.1 307 Temporary Redirect\r\n" + location + b"content-length: 0\r\nconnection: close\r\n\r\n")
