"""A run's folder: written whole, read back, and never replaced by another run."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.factories import make_record, make_row

from offtraj.errors import DataError, OutputError
from offtraj.evaluate.evaluate import over_tolerance
from offtraj.evaluate.run_folder import OUTCOMES, RunFolder, read_run, write_run
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.record import RunRecord

OLD = Path(__file__).parents[2] / "fixtures" / "0.1.0" / "run"


def make_outcomes(n: int = 3) -> list[Outcome]:
    verdict, completion = Verdict("correct", "rule", "boxed"), Completion("x", "stop", 1, 1)
    return [
        outcome_of(make_row(number), 0, completion, verdict, exactness="ids", prefix_tokens=1) for number in range(n)
    ]


def write(folder: Path, record: RunRecord, outcomes: Sequence[Outcome]) -> RunFolder:
    async def stream() -> AsyncIterator[Outcome]:
        for outcome in outcomes:
            yield outcome

    return asyncio.run(write_run(folder, record, stream()))


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = write(tmp_path / "run", make_record(seed=3), make_outcomes())
    read = read_run(tmp_path / "run")
    assert read == written
    assert read.scores == written.scores
    assert read.record.outcomes is not None
    assert (read.record.seed, read.record.outcomes.correct, read.record.exactness) == (3, 3, {"ids": 3})
    assert [outcome.completion for outcome in read.outcomes(texts=True)] == ["x"] * 3
    assert [outcome.completion for outcome in read.outcomes()] == [None] * 3


def test_the_same_run_again_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "run", make_record(timing={"seconds": 9.0, "generated": 3}), make_outcomes())
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    write(tmp_path / "run", make_record(timing={"seconds": 0.1, "generated": 0}), make_outcomes())
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_a_run_with_other_outcomes_replaces_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "run", make_record(), make_outcomes())
    outcomes = [replace(outcome, verdict="incorrect") for outcome in make_outcomes()]
    run = write(tmp_path / "run", make_record(), outcomes)
    assert run.record.outcomes is not None
    assert run.record.outcomes.incorrect == 3
    assert run.scores.cells == read_run(tmp_path / "run").scores.cells


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": {"id": "m", "revision": "s"}}, "model.revision is 'r', not 's'"),
        ({"sampling": {"top_p": 0.5}}, "sampling.top_p is None, not 0.5"),
        ({"engine": {"kind": "vllm", "identity": "e", "context": 5}}, "engine.kind is 'transformers', not 'vllm'"),
    ],
)
def test_another_run_is_refused_before_anything_is_written(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    write(tmp_path / "run", make_record(), make_outcomes())
    with pytest.raises(OutputError, match="holds another run: ") as caught:
        write(tmp_path / "run", make_record(**fields), make_outcomes())
    assert message in str(caught.value)


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists, and is no run folder: choose another --out"):
        write(tmp_path, make_record(), make_outcomes())


def test_a_solo_score_that_the_record_does_not_have_comes_from_the_data_set_it_names(tmp_path: Path) -> None:
    """Early runs of 0.1.0 did not record it."""
    folder = tmp_path / "runs" / "run"
    shutil.copytree(OLD, folder)
    shutil.copytree(OLD.parent / "data", tmp_path / "data" / "small-1.0.0")
    record = json.loads((folder / "run.json").read_text())
    models = json.loads((tmp_path / "data" / "small-1.0.0" / "offtraj.json").read_text())["models"]
    record["model"] = {"id": "weak", "path": "weak", "revision": models["weak"]["revision"]}
    (folder / "run.json").write_text(json.dumps(record))
    assert read_run(folder).solo is None  # the record says that it is not known
    del record["solo"]
    (folder / "run.json").write_text(json.dumps(record))
    solo = read_run(folder).solo
    assert solo is not None
    assert solo.samples == models["weak"]["samples"]
    record["data"]["spec_sha256"] = "0" * 64
    (folder / "run.json").write_text(json.dumps(record))
    assert read_run(folder).solo is None


@pytest.mark.parametrize("audit", ["[]", '{"audit": 3}', '{"audit": {"passes": "x"}}', "{"])
def test_an_audit_that_cannot_be_read_is_said(tmp_path: Path, audit: str) -> None:
    run = write(tmp_path / "run", make_record(), make_outcomes())
    (run.path / "scores.json").write_text(audit)
    with pytest.raises(DataError, match=r"scores\.json: cannot be read: "):
        _ = read_run(run.path).audit


def test_outcomes_that_are_none_are_said(tmp_path: Path) -> None:
    run = write(tmp_path / "run", make_record(), make_outcomes())
    (run.path / OUTCOMES).write_text("mine")
    with pytest.raises(DataError, match="outcomes that this version reads"):
        _ = read_run(run.path).scores


def test_a_run_is_over_tolerance_when_a_larger_share_is_unscored() -> None:
    record = make_record(outcomes={"correct": 8, "incorrect": 1, "unscored": 1})
    assert over_tolerance(record, 0.05)
    assert not over_tolerance(record, 0.1)
    assert not over_tolerance(make_record(outcomes={}), 0)
    assert not over_tolerance(make_record(), 0)
