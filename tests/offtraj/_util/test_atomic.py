"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offtraj._util.atomic import new_folder
from offtraj.errors import OutputError


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "set"
    with new_folder(target) as folder:
        (folder / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["set"]


def test_what_was_there_stays_until_then(tmp_path: Path) -> None:
    target = tmp_path / "set"
    target.mkdir()
    (target / "old").write_text("old")
    with new_folder(target) as folder:
        (folder / "new").write_text("new")
        assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_after_an_error_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with pytest.raises(ValueError, match="broken"), new_folder(target) as folder:
        (folder / "file").write_text("x")
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from offtraj._util.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x'); print('ready', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "set"
    with subprocess.Popen([sys.executable, "-c", script, target], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with new_folder(target) as folder:  # what a living process writes is left alone
            (folder / "mine").write_text("x")
        assert len(list(tmp_path.iterdir())) == 2
        os.kill(process.pid, signal.SIGKILL)
    with new_folder(target) as folder:
        (folder / "mine").write_text("y")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert (target / "mine").read_text() == "y"


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    """As if killed after the old folder was moved away and before the new one took its place."""
    leftover = tmp_path / ".set.unfinished-999999999-x"
    (leftover / "old").mkdir(parents=True)
    (leftover / "old" / "file").write_text("precious")
    with pytest.raises(ValueError, match="again"), new_folder(tmp_path / "set"):
        raise ValueError("again")
    assert (tmp_path / "set" / "file").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="cannot be written: .*: choose another --out"),
        new_folder(tmp_path / "file" / "set"),
    ):
        pass
