"""Worker processes that compare answers, each of which may hang, eat memory or die, and is replaced."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from offtraj.errors import OfftrajError

__all__ = ["WorkerPool"]

_START_SECONDS = 120.0  # a slow disk, a cold cache


class _Died(Exception):
    """The worker is gone."""


class _Worker:
    """One process; started when it is first asked."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, line: bytes, deadline: float) -> dict[str, str]:
        """The reply to a line.

        Raises:
            TimeoutError: when it takes longer than `deadline` seconds; the process is killed.
            _Died: when the process ends instead.
        """
        process = self._process or await self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line)
            async with asyncio.timeout(deadline):
                await process.stdin.drain()
                reply = await process.stdout.readline()
        except (TimeoutError, asyncio.CancelledError):
            await self.kill()  # a late reply must not be taken for the next one
            raise
        except (ConnectionError, OSError) as error:
            await self.kill()
            raise _Died from error
        if not reply.endswith(b"\n"):
            await self.kill()
            raise _Died
        answer: dict[str, str] = json.loads(reply)
        return answer

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


class WorkerPool:
    """Compares pairs in up to `workers` processes, each limited to `memory` bytes of address space."""

    def __init__(self, *, workers: int | None = None, deadline: float = 20.0, memory: int = 2**30) -> None:
        """Nothing is started yet.

        Args:
            workers: How many at most; by default the machine's cores, up to 16.
            deadline: Seconds that a pair may take. Honest pairs take up to 12 s on a slow core.
            memory: Bytes.
        """
        count = workers or min(os.cpu_count() or 1, 16)
        self.size = count
        self._deadline = deadline
        self._workers = [_Worker(memory) for _ in range(count)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def compare(self, gold: str, answer: str, how: str) -> tuple[str, str]:
        """(`equal`, `different` or `undecided`; why undecided).

        A pair whose worker dies is tried once more, in a fresh one: it may have been killed from outside.
        """
        line = json.dumps({"gold": gold, "answer": answer, "how": how}).encode() + b"\n"
        worker = await self._idle.get()
        try:
            for _ in range(2):
                try:
                    reply = await worker.ask(line, self._deadline)
                except TimeoutError:
                    return "undecided", "timeout"
                except _Died:
                    continue
                return reply["result"], reply["reason"]
            return "undecided", "crash"
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(worker.kill() for worker in self._workers))
