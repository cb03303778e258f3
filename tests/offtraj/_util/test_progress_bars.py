"""What is displayed while work is done or waited for."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from offtraj._util import progress_bars


def test_waiting_is_a_plain_line_now_and_then_where_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bars.show_progress() as progress:
        for second in range(5):
            progress.wait(f"starting: {second} s")
        progress.wait("")
        progress.wait("starting again")
        monkeypatch.setattr(progress_bars, "_EVERY", 0.0)
        progress.wait("starting still")
    assert capsys.readouterr().err.splitlines() == ["starting: 0 s", "starting again", "starting still"]


PROGRAM = """
import time
from offtraj._util.progress_bars import show_progress
with show_progress() as progress:
    on_progress = progress("solo", 4)
    progress.wait("starting vLLM: [1] s")
    time.sleep(0.5)
    progress.wait("")
    on_progress(4)
"""


def test_waiting_is_a_line_below_the_bars_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = os.read(ours, 2**16).decode()
    os.close(ours)
    assert "starting vLLM: [1] s" in shown
    after = shown.rpartition("starting vLLM")[2]
    assert "solo" in after
    assert "4/4" in after
