"""The workspace: what is kept, and what happens to it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from offtraj.completion import Completion
from offtraj.errors import StoreError, UsageError
from offtraj.store import Choice, Origin, Salvaged, Store, StoredVerdict, inspect, prune

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
        "from offtraj.store import Store; from offtraj.completion import Completion\n"
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
        with pytest.raises(
            StoreError, match=r"store.sqlite: sample 5 of k is not what was stored.*`offtraj store prune"
        ):
            store.completion("k", 5)
    found = inspect(path)
    assert (found.damaged, found.named, found.problems, found.whole) == (1, ["completion k, sample 5"], [], False)
    done = prune(path, Choice(damaged=True), verifier="v")
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
        with pytest.raises(StoreError, match="the verdict a is not what was stored"):
            store.verdicts(["a", "b"])
    assert prune(path, Choice(damaged=True), verifier="v").verdicts == 1
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
        prune(path, Choice(damaged=True), verifier="v")
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
    with pytest.raises(StoreError, match="is broken: mend it first, with --damaged and nothing else"):
        prune(path, Choice(damaged=True, older_than=0), verifier="v")
    done = prune(path, Choice(damaged=True), verifier="v")
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
            use(path)  # type: ignore[operator]
    assert (path.read_bytes(), log.read_bytes()) == before
    prune(path, Choice(damaged=True), verifier="v")
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
            "is not a database: the file is no workspace: use",
        ),
        (
            lambda path: path.write_bytes(b"x"),
            "of the workspace that was here 1 bytes are left: restore it from a copy",
        ),
        (
            lambda path: path.touch(),
            "of the workspace that was here 0 bytes are left: restore it from a copy, or remove",
        ),
        (directory, "is a folder, not a workspace's file: use another --workspace"),
        (alone, "is missing, and store.sqlite-wal, which belongs to it, is there: bring it back, or move"),
        (newer, "the workspace is of version 99, this program's is 2: update offtraj, or use another --workspace"),
        (foreign, "is another program's database: use another --workspace"),
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
    for use in (Store, inspect, lambda path: prune(path, Choice(damaged=True), verifier="v")):
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", disk]
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
            StoreError, match="make room and run the same command again: it continues|disk is full, make room"
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


MODELS: list[tuple[str, str, int]] = [("a", "a@1", 3), ("b", "b@1", 2), ("a", "a@2", 4), ("a", "recorded:x", 1)]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Of two models, one of them in two revisions and recorded; verdicts of two verifiers; some are old."""
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        for model, identity, count in MODELS:
            origin = Origin(model, identity, '{"temperature": 0.6}')
            store.put_completions([(identity, n, Completion("x" * 9000, "stop", 1, 1)) for n in range(count)], origin)
        for verifier in ("old", "new"):
            store.put_verdicts([(verifier, EQUAL)], verifier)
        store._db.execute("UPDATE completions SET day='2020-01-01' WHERE sample=0")
        store._db.execute("UPDATE verdicts SET day='2020-01-01'")
    return path


def test_a_workspace_says_what_it_keeps_of_whom(mixed: Path) -> None:
    found = inspect(mixed)
    assert {(o.model, o.identity): k.count for o, k in found.completions.items() if o} == {
        (m, i): n for m, i, n in MODELS
    }
    kept_of_b = found.completions[Origin("b", "b@1", '{"temperature": 0.6}')]
    assert (kept_of_b.bytes, kept_of_b.first, kept_of_b.last > "2025") == (18_000, "2020-01-01", True)
    assert {verifier: kept.count for verifier, kept in found.verdicts.items()} == {"old": 1, "new": 1}
    assert found.bytes >= 90_000
    assert found.whole


@pytest.mark.parametrize(
    ("choice", "removed"),
    [
        (Choice(models=("a",)), (8, 0)),
        (Choice(models=("a", "b")), (10, 0)),
        (Choice(older_than=30), (4, 2)),
        (Choice(older_than=100_000), (0, 0)),
        (Choice(outdated=True), (3, 1)),
        (Choice(models=("a",), outdated=True, older_than=30), (1, 0)),
        (Choice(models=("b",), outdated=True), (0, 0)),
        (Choice(damaged=True), (0, 0)),
    ],
)
def test_what_all_options_choose_is_removed(mixed: Path, choice: Choice, removed: tuple[int, int]) -> None:
    planned = prune(mixed, choice, verifier="new", dry_run=True)
    found = inspect(mixed)
    assert sum(kept.count for kept in found.completions.values()) == 10
    done = prune(mixed, choice, verifier="new")
    assert (done.completions, done.verdicts) == (planned.completions, planned.verdicts) == removed
    assert done.bytes == removed[0] * 9000
    after = inspect(mixed)
    assert after.whole
    assert sum(kept.count for kept in after.completions.values()) == 10 - removed[0]
    assert sum(kept.count for kept in after.verdicts.values()) == 2 - removed[1]
    if removed[0]:
        assert done.after <= done.before - removed[0] * 8192
    if choice == Choice(outdated=True):
        assert {o.identity for o in after.completions if o} == {"a@2", "b@1", "recorded:x"}


def test_nothing_chosen_unknown_models_and_no_workspace_are_wrong_usage(mixed: Path, tmp_path: Path) -> None:
    for choice, message in [
        (Choice(), "nothing is chosen"),
        (Choice(models=("c",)), "nothing of it is kept: there is a, b"),
    ]:
        with pytest.raises(UsageError, match=message):
            prune(mixed, choice, verifier="new")
    for use in (inspect, lambda path: prune(path, Choice(damaged=True), verifier="new")):
        with pytest.raises(UsageError, match="there is no workspace: give its folder with --workspace"):
            use(tmp_path / "none" / "store.sqlite")
    assert not (tmp_path / "none").exists()


def test_nothing_is_removed_while_another_process_uses_it(mixed: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from offtraj.store import Store\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    store.samples('a@1'); print(flush=True); sys.stdin.readline(); print(len(store.samples('a@1')))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, mixed], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(
            StoreError, match="another process uses the workspace.*nothing was removed: prune when that"
        ):
            prune(mixed, Choice(models=("a",)), verifier="new")
        assert prune(mixed, Choice(models=("a",)), verifier="new", dry_run=True).completions == 8
        assert inspect(mixed).whole
        assert process.communicate("\n")[0] == "3\n"
    assert prune(mixed, Choice(models=("a",)), verifier="new").completions == 8


def test_removing_may_be_killed(tmp_path: Path) -> None:
    path, moments = tmp_path / "store.sqlite", random.Random(0)
    script = (
        "import sys; from pathlib import Path; from offtraj.store import Choice, prune\n"
        "print(flush=True); prune(Path(sys.argv[1]), Choice(models=('a',)), verifier='v')\n"
    )
    left = set()
    for _ in range(8):
        for file in tmp_path.iterdir():
            file.unlink()
        with Store(path) as store:
            for model in "ab":
                rows = ((model, n, Completion(model * 9000, "stop", 1, 1)) for n in range(1500))
                store.put_completions(rows, Origin(model, model, "{}"))
        with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.12))
            process.kill()
        with Store(path) as store:
            left.add(len(store.samples("a")))
            assert len(store.samples("b")) == 1500
            assert store.completion("b", 1499) == Completion("b" * 9000, "stop", 1, 1)
        assert inspect(path).whole
    assert left <= {0, 1500}


def test_writers_a_reader_and_kills_on_one_workspace(tmp_path: Path) -> None:
    """What was reported as stored is there, every row is whole, and nobody fails."""
    path = tmp_path / "store.sqlite"
    write = (
        "import random, sys; from pathlib import Path\n"
        "from offtraj.store import Origin, Store, StoredVerdict; from offtraj.completion import Completion\n"
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
