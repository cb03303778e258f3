"""A pool of worker processes that compare answers. One that hangs, runs out of memory or dies is replaced."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from pathlib import Path
from typing import NamedTuple

from offtraj.errors import OfftrajError

__all__ = ["WorkerPool"]

_START_SECONDS = 120.0  # a slow disk, a cold cache
_BATCH = 16  # pairs that are sent to a worker at once

Reply = tuple[str, str]
"""`equal`, `different` or `undecided`, and why it is undecided."""


class _Died(Exception):
    """The worker process has ended."""


class _Worker:
    """One process, started at the first request."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: asyncio.subprocess.Process | None = None

    async def send(self, lines: bytes) -> None:
        """Send requests, one a line, each of which gets a reply.

        Raises:
            _Died: when the process does not accept them.
        """
        process = self._process or await self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(lines)
            await process.stdin.drain()
        except (ConnectionError, OSError) as error:
            await self.kill()
            raise _Died from error

    async def reply(self, deadline: float) -> Reply:
        """The next reply.

        Raises:
            TimeoutError: when it takes longer than `deadline` seconds; the process is killed.
            _Died: when the process ends instead.
        """
        assert self._process is not None and self._process.stdout is not None
        try:
            async with asyncio.timeout(deadline):
                line = await self._process.stdout.readline()
        except (TimeoutError, asyncio.CancelledError):
            await self.kill()  # a late reply must not be taken for the next one
            raise
        except (ConnectionError, OSError) as error:
            await self.kill()
            raise _Died from error
        if not line.endswith(b"\n"):
            await self.kill()
            raise _Died
        answer: dict[str, str] = json.loads(line)
        return answer["result"], answer["reason"]

    async def kill(self) -> None:
        """Kill the process."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(Path(__file__).with_name("worker.py")),
            str(self._memory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # so that an interrupt at the terminal reaches the parent only
            limit=2**20,
        )
        self._process = process
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            ready = await process.stdout.readline()
        if ready != b"ready\n":
            await self.kill()
            raise OfftrajError("the verifier's worker process cannot start: try `python -c 'import math_verify'`")
        return process


class _Job(NamedTuple):
    """A pair and its pending reply."""

    line: bytes
    reply: asyncio.Future[Reply]
    attempts: int = 0


class WorkerPool:
    """Compares pairs in up to `workers` processes, each limited to `memory` bytes of address space.

    Pairs are sent in batches. When one hangs or kills its worker, the rest of its batch is sent to a new worker.
    """

    def __init__(self, *, workers: int | None = None, deadline: float = 20.0, memory: int = 2**30) -> None:
        """Start nothing yet.

        Args:
            workers: Largest number of processes; by default the number of cores, up to 16.
            deadline: Seconds after which a worker that does not reply is killed. A worker stops a comparison itself
                after 5 seconds of processor time; the deadline is for code that cannot be stopped that way.
            memory: Address space of each process, in bytes.
        """
        self.size = workers or min(os.cpu_count() or 1, 16)
        self._deadline = deadline
        self._idle = [_Worker(memory) for _ in range(self.size)]
        self._workers = tuple(self._idle)
        self._waiting: deque[_Job] = deque()
        self._serving: set[asyncio.Task[None]] = set()

    async def compare(self, gold: str, answer: str, tolerance: float | None = None) -> Reply:
        """The result (`equal`, `different` or `undecided`), and why it is undecided.

        A pair whose worker dies is tried once more in a new one, since another process may have killed the first.

        Args:
            gold: One value, in LaTeX.
            answer: One value, in LaTeX.
            tolerance: Largest accepted absolute difference of numbers.
        """
        line = json.dumps({"gold": gold, "answer": answer, "tolerance": tolerance}).encode() + b"\n"
        job = _Job(line, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._idle:
            task = asyncio.create_task(self._serve(self._idle.pop()))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await job.reply

    async def close(self) -> None:
        """End all processes."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for job in self._waiting:
            job.reply.cancel()
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def _serve(self, worker: _Worker) -> None:
        """Send batches to a worker until no pair waits."""
        try:
            while batch := self._take():
                try:
                    await self._ask(worker, batch)
                except OfftrajError as error:
                    for job in (*batch, *self._waiting):
                        if not job.reply.done():
                            job.reply.set_exception(error)
                    self._waiting.clear()
                    return
        finally:
            self._idle.append(worker)

    def _take(self) -> list[_Job]:
        """The next batch: at most one worker's share of the waiting pairs, so that all workers are used."""
        waiting = [job for job in self._waiting if not job.reply.done()]  # not: cancelled
        self._waiting = deque(waiting)
        size = min(_BATCH, -(-len(self._waiting) // self.size))
        return [self._waiting.popleft() for _ in range(size)]

    async def _ask(self, worker: _Worker, batch: list[_Job]) -> None:
        left = deque(batch)
        try:
            await worker.send(b"".join(job.line for job in batch))
            while left:
                reply = await worker.reply(self._deadline)
                _answer(left.popleft(), reply)
        except TimeoutError:
            _answer(left.popleft(), ("undecided", "timeout"))
        except _Died:
            job = left.popleft()
            if job.attempts:
                _answer(job, ("undecided", "crash"))
            else:
                left.appendleft(job._replace(attempts=1))
        finally:
            self._waiting.extendleft(reversed(left))


def _answer(job: _Job, reply: Reply) -> None:
    if not job.reply.done():  # else: cancelled
        job.reply.set_result(reply)
