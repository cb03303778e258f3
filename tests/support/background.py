"""Loopback servers: on a free port, and in a thread of their own for tests that start other processes."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Sized
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import TypeVar

from aiohttp import web

T = TypeVar("T")


@contextmanager
def in_background(open_: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Enter an asynchronous context in a thread, and leave it when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    context = open_()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """Serve on a free port of the loopback interface; the address."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def killed(command: Sequence[str | Path], cwd: Path, requests: Sized, moments: Random, most: float) -> bool:
    """Run a command, and kill it up to `most` seconds after its first request; whether it was still there."""
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        seen, started = len(requests), time.monotonic()
        while process.poll() is None and len(requests) == seen and time.monotonic() - started < 60:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, most))
        there = process.poll() is None
        process.kill()
    return there
