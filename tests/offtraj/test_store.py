"""The workspace: what is kept, and what happens to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from offtraj.completion import Completion
from offtraj.errors import StoreError
from offtraj.store import Store, StoredVerdict

DONE = Completion("  text \x00 ä\u2028\r\n", "stop", 7, 3)


def test_a_completion_comes_back_exactly(store: Store) -> None:
    store.put_completions([("k", 0, DONE), ("k", 2, Completion("", None, None, None))])
    assert store.completion("k", 0) == DONE
    assert store.completion("k", 2) == Completion("", None, None, None)
    assert store.completion("k", 1) is None
    assert store.samples("k") == {0, 2}
    assert store.samples("other") == frozenset()


def test_what_is_kept_is_never_replaced(store: Store) -> None:
    store.put_completions([("k", 0, DONE)])
    store.put_completions([("k", 0, Completion("other", "stop", 1, 1))])
    assert store.completion("k", 0) == DONE


def test_verdicts_are_found_by_key(store: Store) -> None:
    keys = [str(number) for number in range(1200)]
    store.put_verdicts((key, StoredVerdict("equal", "")) for key in keys)
    assert store.verdicts([*keys, "none"]) == dict.fromkeys(keys, StoredVerdict("equal", ""))


def test_a_transaction_is_kept_whole_or_not_at_all(store: Store) -> None:
    def broken() -> object:
        yield "k", 0, DONE
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.put_completions(broken())  # type: ignore[arg-type]
    assert store.samples("k") == frozenset()


def test_a_workspace_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.sqlite"
    with Store(path) as first:
        first.put_completions([("k", 0, DONE)])
    with Store(path) as second:
        assert second.completion("k", 0) == DONE


def test_two_processes_share_a_workspace(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    script = (
        "import sys; from pathlib import Path\n"
        "from offtraj.store import Store; from offtraj.completion import Completion\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for n in range(200): store.put_completions([(sys.argv[2], n, Completion('x', 'stop', 1, 1))])\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, path, name]) for name in ("a", "b", "c")]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with Store(path) as store:
        assert [len(store.samples(name)) for name in ("a", "b", "c")] == [200, 200, 200]


def test_a_kill_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    script = (
        "import sys; from pathlib import Path\n"
        "from offtraj.store import Store; from offtraj.completion import Completion\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(100_000):\n"
        "    store.put_completions([('k', n, Completion('x' * 2000, 'stop', 1, 1))]); print(n, flush=True)\n"
    )
    last = -1
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = int(line)
            if last == 300:
                os.kill(process.pid, signal.SIGKILL)
                break
    with Store(path) as store:
        assert store.samples("k") >= set(range(last + 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no database at all, but long enough to look at" * 100, "file is not a database: the file is no workspace")],
)
def test_a_damaged_file_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=message):
        Store(path)


def test_a_workspace_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="of version 99, this program's is 1: use another --workspace"):
        Store(path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="the workspace cannot be used"):
        Store(tmp_path / "file" / "store.sqlite")
