"""Work beside work."""

from __future__ import annotations

import asyncio

import pytest

from offtraj._util.tasks import BoundedTasks


async def test_all_have_ended_when_the_block_has() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.001)
        done.append(number)

    async with BoundedTasks(3) as beside:
        for number in range(10):
            await beside.start(work(number))
    assert sorted(done) == list(range(10))


async def test_no_more_run_at_once_than_allowed() -> None:
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    async with BoundedTasks(3) as beside:
        for _ in range(10):
            await beside.start(work())
    assert most == 3


async def test_the_first_error_is_raised_as_it_is() -> None:
    async def fail(message: str) -> None:
        await asyncio.sleep(0)
        raise ValueError(message)

    with pytest.raises(ValueError, match="first"):
        async with BoundedTasks(3) as beside:
            await beside.start(fail("first"))
            await asyncio.sleep(0.01)
            await beside.start(fail("second"))


async def test_an_error_of_the_block_cancels_what_runs() -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    with pytest.raises(KeyError):
        async with BoundedTasks(3) as beside:
            await beside.start(work())
            await asyncio.sleep(0)
            raise KeyError
    assert cancelled == [1]
