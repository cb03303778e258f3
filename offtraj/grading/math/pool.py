"""Worker processes that compare answers, each of which may hang, eat memory or die, and is replaced."""

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
"""`equal`, `different` or `undecided`; and why it is undecided."""


class _Died(Exception):
    """The worker is gone."""


class _Worker:
    """One process; started when it is first asked."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: asyncio.subprocess.Process | None = None

    async def send(self, lines: bytes) -> None:
        """Ask for a reply to each line.

        Raises:
            _Died: when the process does not take them.
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
        """End the process, whatever it does."""
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
            start_new_session=True,  # an interrupt at the terminal is the parent's business
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
    """A pair that waits for its reply."""

    line: bytes
    reply: asyncio.Future[Reply]
    attempts: int = 0


class WorkerPool:
    """Compares pairs in up to `workers` processes, each limited to `memory` bytes of address space.

    Pairs that wait are sent in batches. One that hangs or kills its worker takes no other with it: the rest
    of its batch is sent again, to a fresh worker.
    """

    def __init__(self, *, workers: int | None = None, deadline: float = 20.0, memory: int = 2**30) -> None:
        """Nothing is started yet.

        Args:
            workers: How many at most; by default the machine's cores, up to 16.
            deadline: Seconds after which a worker is killed. It gives up by itself after some seconds of
                processor time; this is for what does not even notice that.
            memory: Bytes.
        """
        self.size = workers or min(os.cpu_count() or 1, 16)
        self._deadline = deadline
        self._idle = [_Worker(memory) for _ in range(self.size)]
        self._workers = tuple(self._idle)
        self._waiting: deque[_Job] = deque()
        self._serving: set[asyncio.Task[None]] = set()

    async def compare(self, gold: str, answer: str, tolerance: float | None = None) -> Reply:
        """(`equal`, `different` or `undecided`; why undecided).

        A pair whose worker dies is tried once more, in a fresh one: it may have been killed from outside.

        Args:
            gold: One value, as LaTeX.
            answer: The same.
            tolerance: By how much they may differ, where both are numbers.
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
        """Let a worker work as long as anything waits."""
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
        """The next batch: no more than this worker's share of what waits, so that others have work, too."""
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
