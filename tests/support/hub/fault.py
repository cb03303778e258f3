"""What goes wrong with a request: a status, a connection that is cut, a delay, or something else that happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web


@dataclass(frozen=True)
class Fault:
    """Before the Hub does what it is asked, and instead of it, or after it was done, and instead of the answer.

    Without a status and a cut the request takes its course, after the delay and the call.
    """

    status: int = 0
    cut: bool = False
    delay: float = 0
    """Seconds."""
    call: Callable[[], object] | None = None
    """Runs in a thread, so that it may ask the same Hub."""
    when: Literal["before", "after"] = "before"


Faults = Callable[[int, str, str], Fault | None]
"""From a request's number, its method and its path; the first since `asked` was empty is number 1."""


def nth(number: int, fault: Fault) -> Faults:
    """At the n-th request."""
    return lambda seen, _method, _path: fault if seen == number else None


def on(method: str, pattern: str, fault: Fault, *, first: int = 1, times: int = 1) -> Faults:
    """At requests of a method whose path matches somewhere: from the first-th, so many times."""
    matched = 0

    def faults(_seen: int, asked: str, path: str) -> Fault | None:
        nonlocal matched
        if asked != method or not re.search(pattern, path):
            return None
        matched += 1
        return fault if first <= matched < first + times else None

    return faults


async def suffer(
    fault: Fault, request: web.Request, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer a request that a fault befalls."""
    answer = await handle(request) if fault.when == "after" else None
    await asyncio.sleep(fault.delay)
    if fault.call is not None:
        await asyncio.to_thread(fault.call)
    if fault.cut:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if fault.status:
        return web.json_response({"error": f"fault {fault.status}"}, status=fault.status)
    return await handle(request) if answer is None else answer
