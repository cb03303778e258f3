"""Waiting for a coroutine, with and without a running event loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading

import pytest

from offtraj._util.sync import wait_for

name = contextvars.ContextVar("name", default="")


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("as it was raised")


def test_the_result_is_given_where_no_loop_runs() -> None:
    assert wait_for(double(4)) == 8
    with pytest.raises(LookupError, match="as it was raised"):
        wait_for(fail())


async def test_the_result_is_given_where_a_loop_runs() -> None:
    assert wait_for(double(4)) == 8
    with pytest.raises(LookupError, match="as it was raised"):
        wait_for(fail())


async def test_the_callers_context_is_seen_where_a_loop_runs() -> None:
    async def seen() -> str:
        return name.get()

    name.set("the caller's")
    assert wait_for(seen()) == "the caller's"


async def test_no_thread_is_left_where_a_loop_runs() -> None:
    before = threading.active_count()
    wait_for(double(4))
    await asyncio.sleep(0.05)
    assert threading.active_count() == before


PROGRAM = """
import asyncio
from offtraj._util.sync import wait_for

async def work():
    try:
        print("begun", flush=True)
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.05)
        print("cleaned up", flush=True)

async def notebook():
    wait_for(work())

try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("call", ["wait_for(work())", "asyncio.run(notebook())"], ids=["no loop", "a running loop"])
def test_an_interrupt_cancels_the_work_and_waits_for_its_cleanup(call: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(call=call)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.read() == "cleaned up\ninterrupted\n"
