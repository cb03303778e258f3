"""A process between offtraj and a server, which ends the server when offtraj ends, even by a kill.

    python supervisor.py SECONDS COMMAND…

Its standard input is a pipe that the process that started it keeps open. When that closes, the command and all of its
descendants get SIGTERM, and after SECONDS seconds SIGKILL. The exit status is the command's. It runs in a session of
its own, so that an interrupt at the terminal reaches neither; it imports nothing else of this package.
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

__all__ = ["KILL_SECONDS", "main"]

KILL_SECONDS = 20.0
"""Seconds for which remaining processes are killed repeatedly."""
_TIDYING = 2.0  # seconds in which Python's resource trackers unlink the shared memory of killed processes
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def main() -> None:
    """Start the command, and wait until it ends, or the pipe closes, or a signal asks to end."""
    woken, told_to_end = _signals()
    prctl = _prctl()
    prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphaned descendants become children of this process
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
    """A file descriptor that is readable after a signal, and the list of signals that ask this process to end."""
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
    """The command and all of its descendants."""

    def __init__(self, command: list[str], prctl: Callable[[int, int], object]) -> None:
        supervisor = os.getpid()

        def in_child() -> None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # in case the supervisor itself is killed
            if os.getppid() != supervisor:
                os.kill(os.getpid(), signal.SIGTERM)
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=in_child)  # noqa: PLW1509 - there is one thread
        self._server = server

    @property
    def status(self) -> int:
        """The command's status, as a shell reports it; 137 for a command that did not end."""
        code = self._server.returncode
        return 128 + signal.SIGKILL if code is None else code if code >= 0 else 128 - code

    def reap(self) -> bool:
        """Reap children that have ended; whether the command is among them."""
        with suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    break
                if process == self._server.pid:
                    self._server.returncode = os.waitstatus_to_exitcode(status)
        return self._server.returncode is not None

    def end(self, grace: float) -> None:
        """Send SIGTERM to all processes, and SIGKILL to those that run after `grace` seconds."""
        started, terminated = time.monotonic(), False
        while (waited := time.monotonic() - started) < grace + KILL_SECONDS:
            if self.reap() and not self._group_is_there() and not any(True for _ in _descendants()):
                return
            if waited > grace + _TIDYING:
                self._send(signal.SIGKILL)
            elif waited > grace:
                for process in _descendants():
                    if not _tidies(process):
                        _kill(process)
            elif not terminated:
                self._send(signal.SIGTERM)
                terminated = True
            time.sleep(0.05)

    def _send(self, number: int) -> None:
        """Send a signal once to each process: to the command's group, and to descendants that have left it."""
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
    """Ids of this process's descendants, where the system has `/proc`."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):  # it has ended
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
    """`prctl` of Linux; elsewhere a function without effect, where the process group has to suffice."""
    try:
        found = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda _option, _value: None
    return lambda option, value: found(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
