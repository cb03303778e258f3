"""Workspaces that are damaged, cut off, not writable, of another version, or none at all."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from offtraj.errors import StoreError
from offtraj.model.completion import Completion
from offtraj.store import Choice, Origin, Salvaged, Store, StoredVerdict, inspect, prune
from offtraj.store.wal import Lost, lost_in_log

EQUAL = StoredVerdict("equal", "")
DONE = Completion("  text \x00 ä\u2028\r\n", "stop", 7, 3)


def kept(path: Path, wanted: dict[tuple[str, int], Completion]) -> set[tuple[str, int]]:
    """Which of these are there, each of them as it was stored."""
    with Store(path) as store:
        found = {name: store.completion(*name) for name in wanted}
    assert all(completion in (None, wanted[name]) for name, completion in found.items())
    return {name for name, completion in found.items() if completion is not None}


def fill(path: Path, questions: int = 12) -> dict[tuple[str, int], Completion]:
    """Completions of several pages each, and a verdict for each key."""
    wanted = {}
    with Store(path) as store:
        for number in range(questions):
            key = f"{number:064x}"
            for sample in range(4):
                text = f"{number} {sample} " + "so x² = 9. " * (400 * sample)
                wanted[key, sample] = Completion(text, "stop", number, sample)
                store.put_completions([(key, sample, wanted[key, sample])], Origin("m", "m@1", "{}"))
            store.put_verdicts([(key, EQUAL)], "rule-1")
    return wanted


def flip(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def left_by_a_killed_process(folder: Path, script: str) -> Path:
    """A workspace whose log was not tidied up."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from offtraj.store import Store; from offtraj.model.completion import Completion\n"
        f"store = Store(Path(sys.argv[1]))\n{script}\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, folder / "store.sqlite"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "store.sqlite-wal").stat().st_size > 0
    return folder / "store.sqlite"


ONE_BY_ONE = "for n in range(50): store.put_completions([('k', n, Completion('x' * 9000, 'stop', 1, 1))])"


def test_a_changed_byte_inside_a_text_is_said_and_that_sample_alone_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.put_completions([("k", n, Completion(f"the {n}th answer", "stop", 1, 1)) for n in range(9)])
    flip(path, path.read_bytes().index(b"the 5th answer") + 6)
    with Store(path) as store:
        assert store.completion("k", 4) is not None
        with pytest.raises(StoreError, match=r"store.sqlite: sample 5 of k is damaged.*`offtraj store prune"):
            store.completion("k", 5)
    found = inspect(path)
    assert (found.damaged, found.named, found.problems, found.whole) == (1, ["completion k, sample 5"], [], False)
    done = prune(path, Choice(damaged=True), verifiers=["v"])
    assert (done.completions, done.verdicts, done.salvaged) == (1, 0, None)
    with Store(path) as store:
        assert store.samples("k") == set(range(9)) - {5}
    assert inspect(path).whole


def test_a_changed_verdict_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.put_verdicts([("a", StoredVerdict("equal", "because")), ("b", EQUAL)], "v")
    flip(path, path.read_bytes().index(b"because"))
    with Store(path) as store:
        assert store.verdicts(["b"]) == {"b": EQUAL}
        with pytest.raises(StoreError, match="the verdict a is damaged"):
            store.verdicts(["a", "b"])
    assert prune(path, Choice(damaged=True), verifiers=["v"]).verdicts == 1
    assert inspect(path).whole


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_gives_a_wrong_text_and_what_can_be_read_is_kept(tmp_path: Path, seed: int) -> None:
    whole, path = tmp_path / "whole.sqlite", tmp_path / "store.sqlite"
    wanted = fill(whole)
    size, moments = whole.stat().st_size, random.Random(seed)
    for _ in range(12):
        content = bytearray(whole.read_bytes())
        page = moments.randrange(1, size // 4096) * 4096
        how = moments.choice(["bit", "head", "page", "cut"])
        if how == "bit":
            content[moments.randrange(4096, size)] ^= 1 << moments.randrange(8)
        elif how == "head":
            content[page + moments.randrange(32)] ^= 1 << moments.randrange(8)
        elif how == "page":
            content[page : page + 4096] = bytes(4096)
        else:
            page = moments.randrange(size // 2, size)
            del content[page:]
        path.write_bytes(content)
        try:
            with Store(path) as store:
                for name, completion in wanted.items():
                    try:
                        assert store.completion(*name) in (None, completion)
                    except StoreError:
                        continue
        except StoreError:
            assert how == "cut"
        prune(path, Choice(damaged=True), verifiers=["v"])
        there = kept(path, wanted)
        assert inspect(path).whole
        if how == "cut":
            assert len(there) >= len(wanted) * page / size * 0.7
        else:
            assert len(there) >= len(wanted) - 8  # rows of one page of the table


def test_a_cut_off_file_is_made_anew_of_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    wanted = fill(path)
    os.truncate(path, path.stat().st_size * 3 // 4)
    with pytest.raises(
        StoreError, match="malformed: the file is damaged: restore it .*store prune --damaged --workspace"
    ):
        Store(path)
    with pytest.raises(StoreError, match="is broken: repair it first, with --damaged and no other option"):
        prune(path, Choice(damaged=True, older_than=0), verifiers=["v"])
    done = prune(path, Choice(damaged=True), verifiers=["v"])
    there = kept(path, wanted)
    assert isinstance(done.salvaged, Salvaged)
    assert done.salvaged.completions == len(there) > len(wanted) // 2
    assert not list(tmp_path.glob(".store*"))


def test_a_damaged_log_is_said_and_given_up_only_when_told(tmp_path: Path) -> None:
    path = left_by_a_killed_process(tmp_path, ONE_BY_ONE)
    log = tmp_path / "store.sqlite-wal"
    flip(log, log.stat().st_size // 2)
    before = path.read_bytes(), log.read_bytes()
    for use in (Store, inspect):
        with pytest.raises(StoreError, match=r"store.sqlite-wal: is damaged at byte \d+: \d+ transactions behind it"):
            use(path)
    assert (path.read_bytes(), log.read_bytes()) == before
    prune(path, Choice(damaged=True), verifiers=["v"])
    with Store(path) as store:
        assert store.samples("k") == set(range(len(store.samples("k"))))
        assert 20 <= len(store.samples("k")) <= 26
    assert inspect(path).whole


def test_a_log_that_ends_in_the_middle_of_a_transaction_is_no_damage(tmp_path: Path) -> None:
    unfinished = "store._db.execute('PRAGMA cache_size=1'); store._db.execute('BEGIN')\n" + ONE_BY_ONE.replace(
        "store.put_completions([('k', n, Completion('x' * 9000, 'stop', 1, 1))])",
        "store._db.execute(\"INSERT INTO completions (key, sample, day, checksum, text) VALUES ('l', ?, '', 0, ?)\", (n, 'y' * 9000))",
    )
    path = left_by_a_killed_process(tmp_path, f"{ONE_BY_ONE}\n{unfinished}")
    log = tmp_path / "store.sqlite-wal"
    with log.open("rb") as file:
        assert file.read().count(b"y" * 3000) > 10  # it was being written
    os.truncate(log, log.stat().st_size - 1000)
    with Store(path) as store:
        assert (len(store.samples("k")), len(store.samples("l"))) == (50, 0)


def directory(path: Path) -> None:
    path.mkdir()


def alone(path: Path) -> None:
    path.with_name("store.sqlite-wal").write_bytes(b"x" * 5000)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.write_bytes(b"no database at all" * 100),
            "is not a database: the file is not a workspace: use",
        ),
        (
            lambda path: path.write_bytes(b"x"),
            "only 1 bytes of the workspace are left: restore it from a copy",
        ),
        (
            lambda path: path.touch(),
            "only 0 bytes of the workspace are left: restore it from a copy, or remove",
        ),
        (directory, "is a folder, not a workspace's file: use another --workspace"),
        (alone, "is missing, and store.sqlite-wal, which belongs to it, is not: restore it, or move"),
        (newer, "the workspace is of version 99, this program's is 2: update offtraj, or use another --workspace"),
        (foreign, "is the database of another program: use another --workspace"),
    ],
)
def test_what_is_no_workspace_is_said_and_left_alone(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "store.sqlite"
    make(path)

    def content() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}

    before = content()
    for use in (Store, inspect, lambda path: prune(path, Choice(damaged=True), verifiers=["v"])):
        with pytest.raises(StoreError, match=message):
            use(path)
    assert content() == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="the workspace cannot be used"):
        Store(tmp_path / "file" / "store.sqlite")


@pytest.mark.parametrize("what", ["file", "folder", "nothing there"])
def test_a_file_or_folder_that_is_read_only_is_said(what: str) -> None:
    script = (
        "import os, sys; from pathlib import Path; from offtraj.store import Store; from offtraj.errors import StoreError\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)  # permissions are nothing to root\n"
        "try: Store(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error)\n"
    )
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "store.sqlite"
        if what != "nothing there":
            Store(path).close()
            path.chmod(0o444 if what == "file" else 0o666)
        folder.chmod(0o777 if what == "file" else 0o555)
        done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    remedy = (
        "use another --workspace" if what == "nothing there" else "change their permissions, or use another --workspace"
    )
    assert done.stdout.startswith(f"{path}: "), done.stderr
    assert done.stdout.strip().endswith(remedy)


def version_1(path: Path, rows: int = 2500) -> None:
    """A workspace as the first version made it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(
            "CREATE TABLE completions (key TEXT NOT NULL, sample INTEGER NOT NULL, text TEXT NOT NULL, finish_reason TEXT, "
            "prompt_tokens INTEGER, tokens INTEGER, UNIQUE (key, sample))"
        )
        db.execute(
            "CREATE TABLE verdicts (key TEXT PRIMARY KEY, outcome TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID"
        )
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO completions VALUES ('k', ?, ?, ?, 7, 3)",
            ((n, DONE.text + "é" * (n % 3000), "stop" if n % 2 else None) for n in range(rows)),
        )
        db.execute("INSERT INTO verdicts VALUES ('v', 'equal', '')")
        db.execute("COMMIT")
        db.execute("PRAGMA user_version=1")


def test_a_workspace_of_the_first_version_is_brought_up_to_date_by_one_of_several(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    version_1(path)
    before = path.stat().st_size
    script = (
        "import sys; from pathlib import Path; from offtraj.store import Store\n"
        "with Store(Path(sys.argv[1])) as store: print(len(store.samples('k')), store.completion('k', 2499).tokens)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["2500 3\n"] * 4
    with Store(path) as store:
        assert store.completion("k", 1) == Completion(DONE.text + "é", "stop", 7, 3)
        assert store.completion("k", 2) == Completion(DONE.text + "éé", None, 7, 3)
        assert store.verdicts(["v"]) == {"v": EQUAL}
    found = inspect(path)
    assert found.whole
    assert {origin: kept.count for origin, kept in found.completions.items()} == {None: 2500}
    assert {verifier: kept.count for verifier, kept in found.verdicts.items()} == {None: 1}
    assert path.stat().st_size < before * 1.5  # it was moved bit by bit


def test_bringing_up_to_date_may_be_killed(tmp_path: Path) -> None:
    path, moments = tmp_path / "store.sqlite", random.Random(0)
    version_1(path, 20_000)
    script = "import sys; from pathlib import Path; from offtraj.store import Store; print(flush=True); Store(Path(sys.argv[1]))"
    killed = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.15))
            killed += process.poll() is None
            process.kill()
    assert killed
    with Store(path) as store:
        assert len(store.samples("k")) == 20_000
    assert inspect(path).whole


def test_a_frame_that_another_process_is_writing_is_no_damage(tmp_path: Path) -> None:
    """The reader is overtaken: the first frame is of the log before, those behind it are written already."""
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        for n in range(3):
            store.put_completions([(f"{n}", 0, Completion("x" * 5000, "stop", 1, 1))])
        written = (tmp_path / "store.sqlite-wal").read_bytes()
    torn = written[: 32 + 8] + bytes(8) + written[32 + 16 :]  # with the salt of the log before

    class Overtaken:
        def __init__(self, *contents: bytes) -> None:
            self.contents = list(contents)

        def open(self, mode: str) -> io.BytesIO:
            return io.BytesIO(self.contents.pop(0) if len(self.contents) > 1 else self.contents[0])

    def read(*contents: bytes) -> Lost | None:
        return lost_in_log(cast("Path", Overtaken(*contents)))

    assert read(written) is None
    assert read(torn, written) is None
    assert read(torn) is not None
