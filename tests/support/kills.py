"""A build and a run that are killed again and again, and continued, until both are done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from support.disturbed import BUILD, COMMAND, RUN, asked, stored
from support.proxy import Proxy

__all__ = ["Kill", "Killed", "Undisturbed", "asked_twice", "kill_until_done", "undisturbed"]

MOMENTS = ("any", "start", "request", "write", "call")
"""Anywhere; before the first request; some requests on; while a folder is being written; at a system call."""

# Ends the process by its own hand before the so-many-th call that makes, moves or removes something.
_AT_CALL = """
import os, signal, sys
left = int(sys.argv.pop(1))
def hook(event, _):
    global left
    if event in ("os.rename", "shutil.rmtree", "tempfile.mkdtemp", "sqlite3.connect"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from offtraj.cli import main
main()
"""


@dataclass(frozen=True)
class Kill:
    """Where a kill fell."""

    where: str
    """`start-up`, `sampling`, `composing` (all is sampled, nothing written), `writing` or `ending`."""
    stored: frozenset[str]
    """What the workspace held then."""
    exchanges: int
    """Requests that the proxy had seen."""


@dataclass
class Killed:
    """What became of one build and run."""

    kills: list[Kill] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What commands said that ended by themselves, but with something missing."""


@dataclass(frozen=True)
class Undisturbed:
    """What it takes, and is about, when nothing comes between."""

    seconds: Mapping[Sequence[str], float]
    """By command."""
    first: Mapping[Sequence[str], float]
    """Seconds to the first request."""
    wanted: Mapping[Sequence[str], frozenset[str]]
    """The samples that each needs."""
    requests: int


def undisturbed(folder: Path, proxy: Proxy) -> Undisturbed:
    """Build and run once, through a proxy that does nothing."""
    seconds: dict[Sequence[str], float] = {}
    first: dict[Sequence[str], float] = {}
    wanted: dict[Sequence[str], frozenset[str]] = {}
    for command in (BUILD, RUN):
        before, started = len(proxy.exchanges), time.monotonic()
        subprocess.run([*COMMAND, *command], cwd=folder, env=_environment(proxy), capture_output=True, check=True)
        exchanges = proxy.exchanges[before:]
        seconds[command], first[command] = time.monotonic() - started, exchanges[0].at - started
        wanted[command] = frozenset(note for one in exchanges if one.asked is not None for note in asked(one))
    return Undisturbed(seconds, first, wanted, len(proxy.completions))


def kill_until_done(
    folder: Path,
    proxy: Proxy,
    moments: Random,
    normal: Undisturbed,
    *,
    most: int,
    told: Callable[[Kill], None] = lambda _: None,
) -> Killed:
    """Build and run with at most so many kills, each at a moment of its own; both are done when it returns.

    Raises:
        AssertionError: when a command fails for another reason than what the proxy does, leaves children behind, or
            is never done.
    """
    became = Killed()
    for command in (BUILD, RUN):
        for _ in range(most + 40):
            moment = moments.choice(MOMENTS) if len(became.kills) < most else None
            code, kill, said = _once(folder, proxy, command, moments, moment, normal)
            if kill is not None:
                became.kills.append(kill)
                told(kill)
            elif code == 0:
                break
            else:
                assert code in (1, 3), said
                assert "Traceback" not in said and "internal error" not in said, said
                became.failures.append(said)
        else:
            raise AssertionError(f"{' '.join(command)} is never done")
    return became


def asked_twice(proxy: Proxy, kills: Sequence[Kill]) -> list[str]:
    """The samples that were asked for after a kill which found them stored."""
    completions = [(exchange.number, note) for exchange in proxy.completions for note in asked(exchange)]
    return [note for kill in kills for number, note in completions if number >= kill.exchanges and note in kill.stored]


def _once(
    folder: Path, proxy: Proxy, command: Sequence[str], moments: Random, moment: str | None, normal: Undisturbed
) -> tuple[int, Kill | None, str]:
    """Start the command, and kill it at the moment, if there is one; exit code, the kill if it met, and what was said."""
    before, log = len(proxy.completions), folder / "log.txt"
    if moment == "call":
        arguments = [sys.executable, "-c", _AT_CALL, str(moments.randrange(4)), *command]
    else:
        arguments = [*COMMAND, *command]
    with (
        log.open("w") as said,
        subprocess.Popen(arguments, cwd=folder, env=_environment(proxy), stdout=said, stderr=said) as process,
    ):
        started = time.monotonic()

        def wait(until: Callable[[], bool]) -> None:
            while process.poll() is None and not until():
                assert time.monotonic() - started < 120
                time.sleep(0.002)

        match moment:
            case "any":
                over = moments.uniform(0, normal.seconds[command])
                wait(lambda: time.monotonic() - started > over)
            case "start":
                over = moments.uniform(0, normal.first[command])
                wait(lambda: time.monotonic() - started > over)
            case "request":
                number = before + moments.randint(1, 20)
                wait(lambda: len(proxy.completions) >= number)
                time.sleep(moments.uniform(0, 0.05))
            case "write":
                wait(lambda: _unfinished(folder, process.pid))
                time.sleep(moments.uniform(0, 0.2))
            case _:
                wait(lambda: False)
        children = _children(process.pid)
        process.kill()
        code = process.wait()
    left = psutil.wait_procs(children, timeout=20)[1]
    assert not left, f"still there after a kill: {left}"
    if code != -signal.SIGKILL:
        return code, None, log.read_text()
    while proxy.connections and time.monotonic() - started < 120:  # what was on its way has been seen
        time.sleep(0.005)
    kept = stored(folder)
    where = _where(folder, process.pid, log.read_text(), kept >= normal.wanted[command])
    return code, Kill(where, kept, len(proxy.exchanges)), ""


def _environment(proxy: Proxy) -> dict[str, str]:
    return {**os.environ, "SERVER": proxy.base_url, "HF_HUB_OFFLINE": "1"}


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _unfinished(folder: Path, pid: int) -> bool:
    """Whether the process has a folder that it has not put in its place."""
    return any(any((folder / part).glob(f".*.unfinished-{pid}-*")) for part in ("data", "runs"))


def _where(folder: Path, pid: int, said: str, sampled: bool) -> str:
    if _unfinished(folder, pid):
        return "writing"
    if "writing: " in said or "Average over positions" in said:
        return "ending"
    if not any(line.startswith(("gold answers: ", "weak on ")) for line in said.splitlines()):
        return "start-up"
    return "composing" if sampled else "sampling"
