"""A proxy between client and server that does to requests what networks, gateways and servers do, and keeps record."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Literal, get_args

import aiohttp
from aiohttp import web

__all__ = ["FAULTS", "SURVIVED", "Exchange", "Fault", "Proxy", "at_random", "calm", "proxying", "scheduled"]

Fault = Literal[
    "hang",  # no answer, ever
    "trickle",  # the answer, slowly
    "429",
    "429-seconds",  # with Retry-After
    "429-date",  # with Retry-After as an HTTP date
    "500-json",
    "500-empty",
    "502-html",
    "503-json",
    "503-seconds",
    "504-html",
    "400",  # once, for whatever reason
    "cut-unread",  # the connection is cut before the request is read
    "cut-early",  # … before the headers of the answer, which the server has worked for
    "cut-late",  # … in the middle of its body
    "malformed",  # no JSON
    "truncated",  # half of the JSON, with the right length
    "no-choices",
    "fewer-choices",  # the last one is missing
    "same-index",  # the last one has the first one's number
    "no-text",  # choices without text
    "no-reason",  # choices with a null finish reason
    "other-ids",  # the echo of another prompt
    "restart",  # all connections are cut, and the port is closed for a while
    "close",  # the connection is closed behind the answer, though it was to be kept
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
SURVIVED: tuple[Fault, ...] = tuple(fault for fault in FAULTS if fault not in ("400", "other-ids"))
"""Those that a client can make up for."""

_ANYWHERE = frozenset(
    {"hang", "trickle", "429", "429-seconds", "429-date", "500-json", "502-html", "503-seconds", "cut-early"}
)
"""Those that meet other requests, too. A server that is gone before it was ever reached is rightly not waited for."""
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
_PORTS = range(20000, 30000)  # below those that systems give to clients, which could take a closed one

Plan = Callable[["Exchange"], Fault | None]


@dataclass
class Exchange:
    """One request, and what became of it."""

    number: int
    """Of all requests."""
    asked: int | None
    """The so-many-th request for completions; `None` for others, such as that for the models."""
    path: str
    at: float
    """When its head was read, on the monotonic clock."""
    client: int
    """The client's port: one a connection."""
    body: Any = None
    """As decoded; `None` where it was not read."""
    fault: Fault | Literal["too-long"] | None = None
    until: float | None = None
    """Before when it was said not to come again, on the monotonic clock."""
    done: bool = False
    """Whether the answer was handed over whole."""


def calm(_: Exchange) -> None:
    """No fault at all."""


def scheduled(faults: Mapping[int, Fault] | Sequence[Fault | None]) -> Plan:
    """Faults for the so-many-th requests for completions."""
    by_number = dict(faults) if isinstance(faults, Mapping) else dict(enumerate(faults))
    return lambda exchange: None if exchange.asked is None else by_number.get(exchange.asked)


def at_random(seed: int, rate: float, faults: Sequence[Fault] = SURVIVED) -> Plan:
    """Faults for a share of all requests, whatever they are for, as far as they can meet them."""
    random = Random(seed)

    def plan(exchange: Exchange) -> Fault | None:
        met, fault = random.random() < rate, random.choice(faults)
        return fault if met and (exchange.asked is not None or fault in _ANYWHERE) else None

    return plan


@dataclass
class Proxy:
    """Hands on what it is asked, but for the faults."""

    upstream: str
    """`http://HOST:PORT`, without a path."""
    plan: Plan = calm
    too_long: Callable[[list[int]], bool] = lambda _: False
    """The prompts that are refused with 400."""
    retry_after: int = 1
    """Seconds that a client is told to wait."""
    away: float = 0.3
    """Seconds that a restart takes."""
    latency: float = 0.0
    """Seconds that the server's work seems to take."""
    exchanges: list[Exchange] = field(default_factory=list)
    base_url: str = ""
    _asked: int = 0
    _port: int = 0
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _session: aiohttp.ClientSession | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def completions(self) -> list[Exchange]:
        """The requests for completions."""
        return [exchange for exchange in self.exchanges if exchange.asked is not None]

    @property
    def connections(self) -> int:
        """How many are open."""
        assert self._runner is not None and self._runner.server is not None
        return len(self._runner.server.connections)

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        await self._runner.setup()
        self._port = _free_port()
        await self.open()
        self.base_url = f"http://127.0.0.1:{self._port}/v1"

    async def stop(self) -> None:
        """Stop listening, for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._runner is not None and self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def open(self) -> None:
        """Open the port."""
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()

    async def close(self) -> None:
        """Close the port, and cut all connections: as a server does that dies."""
        assert self._runner is not None and self._runner.server is not None
        if self._site is not None:
            await self._site.stop()
            self._site = None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _restart(self) -> None:
        if self._site is not None:  # else it is away already
            await self.close()
            await asyncio.sleep(self.away)
            await self.open()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = None
        if request.method == "POST":
            asked, self._asked = self._asked, self._asked + 1
        assert request.transport is not None
        client = request.transport.get_extra_info("peername")[1]
        exchange = Exchange(len(self.exchanges), asked, request.path, time.monotonic(), client)
        self.exchanges.append(exchange)
        exchange.fault = self.plan(exchange)
        if exchange.fault == "cut-unread":
            return _cut(request)
        raw = await request.read()
        exchange.body = json.loads(raw) if raw else None
        if asked is not None and self.too_long(exchange.body.get("prompt")):
            exchange.fault = "too-long"
            size = len(exchange.body["prompt"])
            return _refusal(400, f"This model's maximum context length is 10 tokens. However, you requested {size}.")
        if (refused := await self._refused(exchange, request)) is not None:
            return refused
        assert self._session is not None
        head = {"Content-Type": "application/json"}
        async with self._session.request(
            request.method, f"{self.upstream}{request.path_qs}", data=raw, headers=head
        ) as response:
            status, answer = response.status, await response.read()
        await asyncio.sleep(self.latency)
        if exchange.fault in ("cut-early", "restart"):
            if exchange.fault == "restart":
                self._tasks.add(asyncio.create_task(self._restart()))
                await asyncio.sleep(60)  # until it is cut
            return _cut(request)
        if exchange.fault is not None:
            answer = _spoilt(exchange.fault, answer)
        return await self._send(exchange, request, status, answer)

    async def _refused(self, exchange: Exchange, request: web.Request) -> web.StreamResponse | None:
        """The answer of those faults in which the server is never asked."""
        fault = exchange.fault
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault is None or not fault[:3].isdigit():
            return None
        status, _, how = fault.partition("-")
        headers = {}
        if how == "seconds":
            exchange.until = time.monotonic() + self.retry_after
            headers["Retry-After"] = str(self.retry_after)
        if how == "date":
            over = math.ceil(time.time() + self.retry_after)
            exchange.until = time.monotonic() + over - time.time()
            headers["Retry-After"] = formatdate(over, usegmt=True)
        if how == "html":
            text = _HTML.format({"502": "502 Bad Gateway", "504": "504 Gateway Time-out"}[status])
            return web.Response(text=text, content_type="text/html", status=int(status))
        if how == "empty":
            return web.Response(status=int(status))
        return _refusal(int(status), f"fault {status}", headers)

    async def _send(self, exchange: Exchange, request: web.Request, status: int, answer: bytes) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.content_length = len(answer)
        await response.prepare(request)
        if exchange.fault == "cut-late":
            await response.write(answer[: len(answer) // 2])
            await asyncio.sleep(0.01)  # so that it is on its way
            return _cut(request)
        step = -(-len(answer) // 20) if exchange.fault == "trickle" else len(answer)
        for start in range(0, len(answer), step):
            await response.write(answer[start : start + step])
            if exchange.fault == "trickle":
                await asyncio.sleep(0.02)
        await response.write_eof()
        exchange.done = exchange.fault in (None, "trickle", "close")
        if exchange.fault == "close" and request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def proxying(upstream: str, **fields: Any) -> AsyncIterator[Proxy]:
    """A proxy before the server at that address, whose path does not matter, on a port of the loopback interface."""
    proxy = Proxy(upstream.removesuffix("/").removesuffix("/v1"), **fields)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": "BadRequestError" if status == 400 else "Error", "code": status}
    return web.json_response({"error": error}, status=status, headers=headers)


def _spoilt(fault: Fault | Literal["too-long"], answer: bytes) -> bytes:
    if fault == "malformed":
        return b'{"id": "x", "choices": [{"index": 0, "text": "so it'
    if fault == "truncated":
        return answer[: len(answer) // 2]
    value = json.loads(answer)
    choices = value.get("choices", [])
    match fault:
        case "no-choices":
            choices.clear()
        case "fewer-choices":
            del choices[-1]
        case "same-index":
            if len(choices) == 1:
                choices.append({**choices[0], "text": "another one"})
            choices[-1]["index"] = choices[0]["index"]
        case "no-text":
            for choice in choices:
                del choice["text"]
        case "no-reason":
            for choice in choices:
                choice["finish_reason"] = None
        case "other-ids":
            for choice in choices:
                choice["prompt_token_ids"] = [*choice["prompt_token_ids"], 1]
        case _:
            return answer
    return json.dumps(value).encode()


def _free_port() -> int:
    for port in Random().sample(_PORTS, len(_PORTS)):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
