"""A process that stands between us and a server, and ends the server when we are gone, however we went.

    python supervisor.py SECONDS COMMAND…

It holds one end of a pipe as its input, and whoever started it holds the other: when that is closed, by a kill, too,
the command's whole family is told to end, and killed where it has not after so many seconds. It ends with the command's status. It runs in a
session of its own, so that an interrupt at the terminal reaches neither; it imports nothing else of this package.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["MERCILESS", "main"]

MERCILESS = 20.0
"""Seconds for which what is still there then is killed again."""
_TIDYING = 2.0  # seconds in which Python's resource trackers unlink the shared memory of those who were killed
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def main() -> None:
    """Start the command, and wait for its end or for ours."""
    woken, told_to_end = _signals()
    prctl = _prctl()
    prctl(_PR_SET_CHILD_SUBREAPER, 1)  # grandchildren that lose their parent become ours
    try:
        family = _Family(sys.argv[2:], prctl)
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
    held = sys.stdin.fileno()
    while not family.reap() and not told_to_end:
        ready, _, _ = select.select([held, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if held in ready and not os.read(held, 1):
            break
    family.end(float(sys.argv[1]))
    sys.exit(family.status)


def _signals() -> tuple[int, list[int]]:
    """A file that can be read when a signal has come, and those that tell this process to end."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    came: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return woken, came


class _Family:
    """The command, what it starts, and what those leave behind."""

    def __init__(self, command: list[str], prctl: Callable[[int, int], object]) -> None:
        supervisor = os.getpid()

        def in_child() -> None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # if somebody kills the supervisor itself
            if os.getppid() != supervisor:
                os.kill(os.getpid(), signal.SIGTERM)
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=in_child)  # noqa: PLW1509 - there is one thread
        self._server = server

    @property
    def status(self) -> int:
        """The command's, as a shell has it; of one that cannot be killed, that of one that was."""
        code = self._server.returncode
        return 128 + signal.SIGKILL if code is None else code if code >= 0 else 128 - code

    def reap(self) -> bool:
        """Take note of whoever has ended; whether the command has."""
        with suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    break
                if process == self._server.pid:
                    self._server.returncode = os.waitstatus_to_exitcode(status)
        return self._server.returncode is not None

    def end(self, grace: float) -> None:
        """Tell everybody to end; kill who is still there after so many seconds."""
        started, told = time.monotonic(), False
        while (waited := time.monotonic() - started) < grace + MERCILESS:
            if self.reap() and not self._group_is_there() and not any(True for _ in _descendants()):
                return
            if waited > grace + _TIDYING:
                self._send(signal.SIGKILL)
            elif waited > grace:
                for process in _descendants():
                    if not _tidies(process):
                        _kill(process)
            elif not told:
                self._send(signal.SIGTERM)
                told = True
            time.sleep(0.05)

    def _send(self, number: int) -> None:
        """To everybody once: the command's group, and who has left it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._server.pid, number)
        for process in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(process) != self._server.pid:
                    os.kill(process, number)

    def _group_is_there(self) -> bool:
        try:
            os.killpg(self._server.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _descendants() -> Iterator[int]:
    """Processes below this one, where the system shows them (`/proc`)."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        if state != b"Z":
            parents[int(path.parent.name)] = int(parent)
    for process in parents:
        above = parents.get(process)
        while above is not None and above != os.getpid():
            above = parents.get(above)
        if above is not None:
            yield process


def _tidies(process: int) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _kill(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def _prctl() -> Callable[[int, int], object]:
    """Linux's; nothing elsewhere, where the process group has to do."""
    try:
        found = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda _option, _value: None
    return lambda option, value: found(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
