"""What a workspace says of itself, and what is removed from it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offtraj.errors import StoreError, UsageError
from offtraj.model.completion import Completion
from offtraj.store import Choice, Origin, Store, StoredVerdict, inspect, prune

EQUAL = StoredVerdict("equal", "")


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
    planned = prune(mixed, choice, verifiers=["new"], dry_run=True)
    found = inspect(mixed)
    assert sum(kept.count for kept in found.completions.values()) == 10
    done = prune(mixed, choice, verifiers=["new"])
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
        (Choice(models=("c",)), "the workspace has no completions of it, only of a, b"),
    ]:
        with pytest.raises(UsageError, match=message):
            prune(mixed, choice, verifiers=["new"])
    for use in (inspect, lambda path: prune(path, Choice(damaged=True), verifiers=["new"])):
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
            prune(mixed, Choice(models=("a",)), verifiers=["new"])
        assert prune(mixed, Choice(models=("a",)), verifiers=["new"], dry_run=True).completions == 8
        assert inspect(mixed).whole
        assert process.communicate("\n")[0] == "3\n"
    assert prune(mixed, Choice(models=("a",)), verifiers=["new"]).completions == 8


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
