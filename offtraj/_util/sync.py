"""Waiting for a coroutine from synchronous code, also where an event loop already runs (notebooks).

What the coroutine does, and how its progress is displayed, is left to the caller.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["wait_for"]

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine.

    Without a running event loop this is `asyncio.run`. With one (Jupyter, a web server) the coroutine runs in
    the loop of a thread of its own, with a copy of the caller's context, and the calling thread blocks.
    Either way an interrupt (SIGINT) cancels the coroutine, waits for its cleanup and raises `KeyboardInterrupt`;
    a second one does not wait.

    Raises:
        BaseException: what the coroutine raises.
        KeyboardInterrupt: when it was interrupted.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_thread(work)


def _in_thread(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.new_event_loop()
    task: asyncio.Task[Any] | None = None
    stopped = False
    result: Future[T] = Future()

    async def main() -> T:
        nonlocal task
        if stopped:  # before it began
            work.close()
            raise asyncio.CancelledError
        task = asyncio.current_task()
        return await work

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                value = runner.run(main())
        except BaseException as error:  # handed over to the caller's thread
            result.set_exception(error)
        else:
            result.set_result(value)

    def cancel() -> None:
        nonlocal stopped
        stopped = True
        if task is not None:
            task.cancel()

    thread = threading.Thread(target=copy_context().run, args=(run,), name="offtraj", daemon=True)
    with _interruptible():
        try:
            thread.start()
            return result.result()
        except KeyboardInterrupt:
            with suppress(RuntimeError):  # the loop is closed: it has just ended
                loop.call_soon_threadsafe(cancel)
            with suppress(RuntimeError):  # the thread has not begun: it will find that it is stopped
                thread.join()
            raise


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets an interrupt raise `KeyboardInterrupt` in a blocked main thread.

    `asyncio.run` replaces Python's handler by one that cancels the main task, which is the blocked one.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
