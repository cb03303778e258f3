"""The workspace: what is kept, by how many at once, on a full disk and through kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtraj.errors import StoreError
from offtraj.model.completion import Completion
from offtraj.store import Store, StoredVerdict, inspect

EQUAL = StoredVerdict("equal", "")
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
        "from offtraj.store import Store; from offtraj.model.completion import Completion\n"
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
        "from offtraj.store import Store; from offtraj.model.completion import Completion\n"
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_and_after_making_room_it_goes_on(small_disk: Path) -> None:
    path = small_disk / "w" / "store.sqlite"
    (small_disk / "ballast").write_bytes(bytes(800_000))
    put: list[int] = []

    def put_all(store: Store, most: int) -> None:
        for number in range(len(put), most):
            store.put_completions([("k", number, Completion("x" * 9000, "stop", 1, 1))])
            put.append(number)

    with Store(path) as store:
        with pytest.raises(
            StoreError,
            match="free disk space and run the same command again: it continues|disk is full, free disk space",
        ):
            put_all(store, 1000)
        stopped = len(put)
        assert stopped > 5
        assert store.samples("k") == set(put)
        (small_disk / "ballast").unlink()
        put_all(store, stopped + 5)
    with Store(path) as store:
        assert store.samples("k") == set(put)
        put_all(store, stopped + 10)
    assert inspect(path).whole
    assert len(put) == stopped + 10


def test_writers_a_reader_and_kills_on_one_workspace(tmp_path: Path) -> None:
    """What was reported as stored is there, every row is whole, and nobody fails."""
    path = tmp_path / "store.sqlite"
    write = (
        "import random, sys; from pathlib import Path\n"
        "from offtraj.store import Origin, Store, StoredVerdict; from offtraj.model.completion import Completion\n"
        "who, numbers = sys.argv[2], random.Random(sys.argv[2])\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for _ in range(int(sys.argv[3])):\n"
        "        n = numbers.randrange(3000)\n"
        "        text = f'{n} ' * (n % 2000)\n"
        "        store.put_completions([('k', n, Completion(text, 'stop', n, n))], Origin(who, who, '{}'))\n"
        "        store.put_verdicts([(str(n), StoredVerdict('equal', str(n)))], who)\n"
        "        print(n, flush=True)\n"
    )
    read = (
        "import sys; from pathlib import Path; from offtraj.store import Store, inspect\n"
        "path = Path(sys.argv[1])\n"
        "with Store(path) as store:\n"
        "    for turn in range(30):\n"
        "        for n in store.samples('k'): assert store.completion('k', n).tokens == n\n"
        "        assert turn % 10 or inspect(path).whole\n"
    )
    files = [tmp_path / f"{number}.txt" for number in range(5)]
    writers = []
    for number, file in enumerate(files):
        much = "1500" if number > 2 else "1000000"  # those will be killed
        with file.open("w") as out:
            writers.append(subprocess.Popen([sys.executable, "-c", write, path, file.stem, much], stdout=out))
    while not all(file.stat().st_size for file in files):
        time.sleep(0.01)
    reader = subprocess.Popen([sys.executable, "-c", read, path])
    for writer in writers[:3]:
        time.sleep(0.1)
        assert writer.poll() is None
        writer.kill()
    assert [writer.wait(120) for writer in writers] == [-signal.SIGKILL] * 3 + [0, 0]
    assert reader.wait(120) == 0
    said = {int(line) for file in files for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")}
    with Store(path) as store:
        assert store.samples("k") >= said
        for number in store.samples("k"):
            assert store.completion("k", number) == Completion(f"{number} " * (number % 2000), "stop", number, number)
        assert set(store.verdicts([str(number) for number in said])) == {str(number) for number in said}
    assert inspect(path).whole
