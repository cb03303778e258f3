"""A vLLM server that offtraj runs: started on demand, restarted when it dies, and stopped with this process.

Sending requests to it is left to the engine in front of it (`openai`).
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from offtraj._util.progress import Progress, no_progress
from offtraj.engines.engine import Opening
from offtraj.engines.openai.endpoint import Endpoint
from offtraj.engines.openai.engine import OpenAIEngine
from offtraj.engines.vllm import supervisor
from offtraj.engines.vllm.command import VllmCommand, vllm_command
from offtraj.engines.vllm.log import VllmLog
from offtraj.errors import EngineError
from offtraj.model.model import Model
from offtraj.spec import SpecFile, VllmSpec

__all__ = ["VllmServer", "open_server", "open_vllm"]

_GRACE = 10.0  # seconds that the server and its child processes have to end by themselves
_LOOK = 0.25  # seconds between checks of a server that starts
_TELL = 1.0  # seconds between progress messages
_PROBE = 10.0  # seconds that a health check may take
_DUMB = 60.0  # seconds without a health check that succeeds, after which a server counts as dead
_WATCH = 30.0  # seconds between checks of a server that serves
_BRIEF = 300.0  # seconds of serving below which a death counts towards giving up
_MOST_BRIEF = 3  # such deaths in a row


class VllmServer:
    """One server on the loopback interface, with its own port and key.

    It is a child of a supervisor process, which reads from a pipe that this process keeps open: when this process
    ends, even by a kill, the supervisor ends the server and all of its child processes.
    """

    def __init__(self, command: VllmCommand, *, start_timeout: float, progress: Progress = no_progress) -> None:
        """Nothing is started yet; the port is reserved.

        Args:
            command: The server's command.
            start_timeout: Seconds until it must be ready.
            progress: Shows what is waited for.
        """
        self.key = secrets.token_urlsafe(32)
        self._held: socket.socket | None = socket.socket()
        self._held.bind(("127.0.0.1", 0))
        self._port: int = self._held.getsockname()[1]
        self._command, self._start_timeout, self._progress = command, start_timeout, progress
        self._folder: Path | None = None
        self._log: VllmLog | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._since: float | None = None
        """Time at which it became ready, on the monotonic clock."""
        self._brief = 0
        """Number of deaths in a row after less than `_BRIEF` seconds of serving."""
        self._given_up: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    @property
    def base_url(self) -> str:
        """The API's URL, also before the start."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def log(self) -> Path | None:
        """The log file; none before the first start."""
        return None if self._log is None else self._log.path

    async def start(self) -> None:
        """Start it, unless it runs, and wait until it serves the model.

        Raises:
            EngineError: when it does not start, with the end of its log and a remedy.
        """
        await self.revive()

    async def revive(self) -> None:
        """Start it again if it has died or no longer responds.

        Raises:
            EngineError: when it does not become ready, or has died several times in a row after little serving.
        """
        async with self._one_at_a_time:
            if self._given_up is not None:  # another task has tried and failed meanwhile
                raise EngineError(self._given_up)
            if self._closed:
                raise EngineError(f"{self._name} was closed")
            if self._supervisor is not None and await self._is_well():
                return
            if self._supervisor is not None:
                self._note_death()
                await self._end()
            await self._start()

    async def close(self) -> None:
        """End it and its child processes, and wait for that. Its log is removed, unless it failed."""
        self._closed = True
        await self._end()
        if self._held is not None:
            self._held.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _name(self) -> str:
        return f"vLLM for {self._command.served!r}"

    async def _start(self) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="offtraj-vllm-"))
            self._log = VllmLog(self._folder / "vllm.log")
        assert self._log is not None
        self._log.begin()
        if self._held is not None:
            self._held.close()
            self._held = None
        with self._log.path.open("ab") as output:
            self._supervisor = subprocess.Popen(  # noqa: ASYNC220 - it is fast, and asyncio's would kill the supervisor
                [sys.executable, "-P", supervisor.__file__, str(_GRACE), *self._command.line(self._port)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._command.variables(self.key),
                start_new_session=True,
            )
        try:
            await self._wait_until_ready()
            self._watching = asyncio.create_task(self._watch(self._supervisor))
        except BaseException:
            await self._end()
            raise
        finally:
            self._progress.wait("")

    async def _wait_until_ready(self) -> None:
        process = self._supervisor
        assert process is not None and self._log is not None
        started, told = time.monotonic(), 0.0
        while not await self._serves():
            waited = time.monotonic() - started
            if process.poll() is not None:
                raise self._failed(f"ended with status {process.returncode} before it was ready")
            if waited > self._start_timeout:
                raise self._failed(
                    f"was not ready after {waited:.0f} s", "a longer `start_timeout` waits longer, if that is all"
                )
            if waited - told >= _TELL:
                told = waited
                doing = self._log.doing()
                self._progress.wait(f"starting {self._name}: {waited:.0f} s{': ' if doing else ''}{doing}")
            await asyncio.sleep(_LOOK)
        self._since = time.monotonic()

    def _failed(self, what: str, hint: str = "") -> EngineError:
        """The error, with the end of the log. The log file is kept."""
        assert self._log is not None
        self._folder = None
        why, remedy = self._log.why()
        first = f"{self._name} {what}{': ' if why else ''}{why}"
        last = f"the end of its log, {self._log.path}:\n{self._log.tail()}"
        self._given_up = "\n".join(part for part in (first, remedy or hint, last) if part)
        return EngineError(self._given_up)

    async def _serves(self) -> bool:
        """Whether this server (known by its key) answers and serves the model."""
        import aiohttp

        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_PROBE), headers=headers) as session,
                session.get(f"http://127.0.0.1:{self._port}/health") as health,
                session.get(f"{self.base_url}/models") as models,
            ):
                found = await models.json() if health.status == models.status == 200 else {}
                return self._command.served in [model["id"] for model in found["data"]]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError):
            return False

    async def _is_well(self) -> bool:
        """Whether it still serves; a running process has `_DUMB` seconds to answer."""
        process = self._supervisor
        assert process is not None
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < _DUMB:
            if await self._serves():
                return True
            await asyncio.sleep(_LOOK)
        return False

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End a server that no longer responds, so that the next request starts it again."""
        while process.poll() is None:
            await asyncio.sleep(_WATCH)
            if not await self._is_well():
                assert process.stdin is not None
                process.stdin.close()

    def _note_death(self) -> None:
        served = 0.0 if self._since is None else time.monotonic() - self._since
        self._brief = self._brief + 1 if served < _BRIEF else 0
        if self._brief >= _MOST_BRIEF:
            raise self._failed(
                f"died {self._brief} times in a row, the last after {served:.0f} s of serving",
                "if memory ran out, give `options: {max-num-seqs: 32}` or fewer",
            )

    async def _end(self) -> None:
        """Close the pipe, and wait for the supervisor, which waits for the server and its child processes."""
        process = self._supervisor
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        if self._watching is not None and not self._watching.done():
            self._watching.cancel()
            await asyncio.wait([self._watching])
        until = time.monotonic() + _GRACE + supervisor.KILL_SECONDS + 5
        while process.poll() is None:
            await asyncio.sleep(_LOOK / 5)
            if time.monotonic() > until:
                process.kill()
        self._supervisor = self._since = None


def open_server(
    spec: VllmSpec, model: Model, file: SpecFile | None = None, progress: Progress = no_progress
) -> tuple[VllmServer, Endpoint]:
    """The server that a spec declares for a model, and its endpoint. Nothing is started yet.

    Raises:
        SpecError: for a variable that is not set.
        EngineError: for an interpreter that does not exist.
        MissingExtraError: where vLLM is not installed.
    """
    server = VllmServer(vllm_command(spec, model, file), start_timeout=spec.start_timeout, progress=progress)
    endpoint = Endpoint(
        server.base_url,
        key=server.key,
        timeout=spec.timeout,
        max_retries=spec.max_retries,
        max_wait=spec.max_wait,
        most=spec.concurrency,
        revive=server.revive,
    )
    return server, endpoint


async def open_vllm(spec: VllmSpec, opening: Opening) -> OpenAIEngine:
    """The model on a vLLM server that offtraj starts before the first request.

    Raises:
        OfftrajError: as `open_server` does.
    """
    server, endpoint = open_server(spec, opening.model, opening.file, opening.progress)
    return OpenAIEngine(opening.model, endpoint, start=server.start, stop=server.close)
