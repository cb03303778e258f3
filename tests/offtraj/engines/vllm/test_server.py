"""A server of ours, with a stand-in for vLLM: what becomes of it, and of us. The real one is in test_vllm.py above."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.vllm import FakeVllm, alive, gone

from offtraj.engines.vllm import server as vllm
from offtraj.engines.vllm.command import VllmCommand
from offtraj.engines.vllm.server import VllmServer
from offtraj.errors import EngineError


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    monkeypatch.setattr(vllm, "_GRACE", 1.0)  # for those who do not end when they are told to
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return FakeVllm(tmp_path / "fake")


class Told:
    """What a progress was told."""

    def __init__(self) -> None:
        self.waits: list[str] = []

    def __call__(self, name: str, total: int) -> Callable[[int], None]:
        return lambda _steps: None

    def wait(self, what: str) -> None:
        self.waits.append(what)


def make_server(fake: FakeVllm, *ways: str, **fields: Any) -> VllmServer:
    command = VllmCommand(str(fake.python), ("--served-model-name", "tiny"), fake.environment(*ways), "tiny")
    return VllmServer(command, **{"start_timeout": 30.0, **fields})


def port(server: VllmServer) -> int:
    return int(server.base_url.removesuffix("/v1").rpartition(":")[2])


def is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True


def children() -> list[int]:
    import psutil

    return [process.pid for process in psutil.Process().children(recursive=True)]


async def test_it_serves_until_it_is_closed_and_leaves_no_process(fake: FakeVllm) -> None:
    told = Told()
    server = make_server(fake, "family", "takes 1.5", progress=told)
    assert fake.started() == []
    before = children()
    await server.start()
    assert server.log is not None
    log = server.log.read_text()
    assert "serving" in log
    assert server.key not in log
    family = fake.started()
    assert len(alive(family)) == 3
    assert any("starting vLLM for 'tiny': 1 s: Loading weights" in what for what in told.waits)
    assert told.waits[-1] == ""
    await server.close()
    assert not alive(family)  # at once: whoever follows needs the memory
    assert children() == before
    assert is_free(port(server))
    assert not server.log.exists()
    await server.close()


async def test_the_key_stands_on_no_command_line(fake: FakeVllm) -> None:
    import psutil

    server = make_server(fake)
    try:
        await server.start()
        lines = [argument for pid in children() for argument in psutil.Process(pid).cmdline()]
        assert any("api_server" in line for line in lines)
        assert not any(server.key in line for line in lines)
    finally:
        await server.close()


PROGRAM = """
import asyncio, os, sys
from offtraj.engines.vllm import server as vllm
from offtraj.engines.vllm.command import VllmCommand

vllm._GRACE = 1.0

async def main():
    command = VllmCommand(sys.argv[1], ("--served-model-name", "tiny"), {}, "tiny")
    server = vllm.VllmServer(command, start_timeout=100)
    print(server.base_url, flush=True)
    try:
        await server.start()
        print("started", flush=True)
        if sys.argv[2] == "exit":
            os._exit(3)
        await asyncio.sleep(100)
    finally:
        await server.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("moment", "end", "ways"),
    [
        ("starting", "SIGKILL", ()),
        ("starting", "SIGTERM", ()),
        ("starting", "SIGINT", ()),
        ("serving", "SIGKILL", ("stubborn",)),
        ("serving", "SIGKILL", ()),
        ("serving", "SIGTERM", ()),
        ("serving", "SIGINT", ()),
        ("serving", "exit", ()),
    ],
)
def test_it_does_not_outlive_us(fake: FakeVllm, moment: str, end: str, ways: tuple[str, ...]) -> None:
    environment = fake.environment("family", *ways, *(("takes 60",) if moment == "starting" else ()))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, fake.python, end],
        env={**os.environ, "TMPDIR": tempfile.gettempdir(), **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline().strip().removesuffix("/v1").rpartition(":")[2])
        if moment == "serving":
            assert process.stdout.readline() == "started\n"
        deadline = time.monotonic() + 30
        while len(fake.started()) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        family = fake.started()
        assert len(alive(family)) == 3
        if end == "SIGINT":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        elif end != "exit":
            process.send_signal(signal.Signals[end])
        process.wait(40)
    assert gone(family)
    assert is_free(number)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is in no folder here")
async def test_shared_memory_of_one_that_had_to_be_killed_is_given_back(fake: FakeVllm) -> None:
    server = make_server(fake, "shared", "stubborn")
    await server.start()
    memory = Path("/dev/shm") / Path(f"{fake.pids}.shared").read_text()
    assert memory.exists()
    await server.close()
    assert not memory.exists()
    assert not alive(fake.started())


async def test_it_goes_when_its_supervisor_is_killed(fake: FakeVllm) -> None:
    server = make_server(fake)
    await server.start()
    assert server._supervisor is not None
    server._supervisor.kill()
    assert gone(fake.started())
    await server.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "dumb"])
async def test_a_server_that_dies_is_started_again_at_the_same_address(
    fake: FakeVllm, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(vllm, "_PROBE", 0.5)
    monkeypatch.setattr(vllm, "_DUMB", 1.0)
    server = make_server(fake)
    try:
        await server.start()
        (first,) = fake.started()
        await server.revive()
        assert fake.started() == [first]  # it was there
        os.kill(first, how)
        await asyncio.gather(*(server.revive() for _ in range(5)))
        assert len(fake.started()) == 2  # once for all who asked
        assert not alive([first])
        assert await server._serves()
    finally:
        await server.close()


async def test_one_that_says_nothing_any_more_is_ended_so_that_its_requests_fail(
    fake: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "_PROBE", 0.5)
    monkeypatch.setattr(vllm, "_DUMB", 1.0)
    monkeypatch.setattr(vllm, "_WATCH", 0.5)
    server = make_server(fake)
    try:
        await server.start()
        (first,) = fake.started()
        await asyncio.sleep(1)
        assert alive([first])
        os.kill(first, signal.SIGSTOP)
        assert await asyncio.to_thread(gone, [first])
        await server.revive()
        assert len(fake.started()) == 2
    finally:
        await server.close()


async def test_one_that_dies_again_and_again_is_given_up(fake: FakeVllm) -> None:
    server = make_server(fake)
    try:
        await server.start()
        for _ in range(2):
            os.kill(fake.started()[-1], signal.SIGKILL)
            await server.revive()
        os.kill(fake.started()[-1], signal.SIGKILL)
        with pytest.raises(EngineError, match=r"vLLM for 'tiny' died 3 times in a row, the last after 0 s of serving"):
            await server.revive()
        with pytest.raises(EngineError, match="3 times in a row"):
            await server.revive()
        assert len(fake.started()) == 3
    finally:
        await server.close()


async def test_what_stops_it_is_said_once_to_all_who_wait_and_the_log_stays(fake: FakeVllm) -> None:
    server = make_server(fake, "says error: unrecognized arguments: --no-such-flag")
    found = await asyncio.gather(*(server.start() for _ in range(3)), return_exceptions=True)
    assert len(fake.started()) == 1
    for error in found:
        assert isinstance(error, EngineError)
        message = str(error)
        assert "ended with status 1 before it was ready: error: unrecognized arguments: --no-such-flag" in message
        assert "see the engine's `options`: this vLLM does not take that" in message
        assert "  error: unrecognized arguments: --no-such-flag" in message
        assert f"the end of its log, {server.log}:" in message
    await server.close()
    assert server.log is not None and server.log.exists()


async def test_one_that_takes_too_long_is_ended(fake: FakeVllm) -> None:
    server = make_server(fake, "takes 60", start_timeout=1.0)
    with pytest.raises(EngineError, match="was not ready after 1 s\na longer `start_timeout` waits longer"):
        await server.start()
    assert not alive(fake.started())
    await server.close()


async def test_somebody_elses_server_at_the_address_is_not_taken_for_ours(fake: FakeVllm) -> None:
    theirs = make_server(fake)
    ours = make_server(fake)
    try:
        await theirs.start()
        assert ours._held is not None
        ours._held.close()
        ours._held, ours._port = None, theirs._port
        with pytest.raises(EngineError, match="another process took the port meanwhile: run the same command again"):
            await ours.start()
    finally:
        await theirs.close()
        await ours.close()


async def test_an_interrupt_while_it_starts_ends_it(fake: FakeVllm) -> None:
    server = make_server(fake, "takes 60")
    starting = asyncio.create_task(server.start())
    while not fake.started():  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(0.05)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(fake.started())
    await server.close()
