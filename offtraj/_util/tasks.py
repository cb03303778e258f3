"""A bounded group of concurrent tasks, whose first error is raised as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

__all__ = ["BoundedTasks"]


class BoundedTasks:
    """Tasks that run concurrently with the block that starts them; when the block ends, all have ended.

    Unlike `asyncio.TaskGroup`, it limits how many run at once, and raises a single error, not a group: the block's,
    else that of the task that failed first.
    """

    def __init__(self, most: int) -> None:
        """Run at most `most` tasks at once."""
        self._slots = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._error: BaseException | None = None

    async def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a task as soon as fewer than `most` are running.

        Raises:
            Exception: the error of an earlier task.
        """
        try:
            await self._slots.acquire()
            self._raise()
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            self._error = self._error or task.exception()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for task in self._tasks:
                task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if error is None:
            self._raise()
