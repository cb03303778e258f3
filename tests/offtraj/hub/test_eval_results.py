"""Scores as the Hub's evaluation results."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from support.factories import make_record, make_row

from offtraj.errors import OfftrajError, OutputError, UsageError
from offtraj.evaluate.run_folder import write_run
from offtraj.evaluate.scored_run import ScoredRun, score_run
from offtraj.grading.verdict import Verdict
from offtraj.hub.eval_results import eval_results, write_eval_results
from offtraj.model.completion import Completion
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.row import Segment

COMMIT = "a" * 40
STEER = (Segment("steer", "Step 1 of ", "guide", "q1", 0, 0, 10, 3),)
VERDICTS = {
    "+": Verdict("correct", "rule", "boxed"),
    "-": Verdict("incorrect", "rule", "boxed"),
    "?": Verdict("unscored", None, "timeout"),
}


def make_outcomes(verdicts: str, **row: Any) -> list[Outcome]:
    """One outcome a question, by the sign of its verdict."""
    done = Completion("x", "stop", 1, 1)
    return [
        outcome_of(make_row(number, **row), 0, done, VERDICTS[sign], exactness="ids", prefix_tokens=1)
        for number, sign in enumerate(verdicts)
    ]


async def make_run(folder: Path, outcomes: Iterable[Outcome], **info: Any) -> ScoredRun:
    """A run's folder, as of a set on the Hub."""

    async def stream() -> AsyncIterator[Outcome]:
        for outcome in outcomes:
            yield outcome

    data = {
        "name": "small", "version": "1.0.0", "spec_sha256": "f00", "revision": COMMIT,
        "configs": ["recoverability--weak", "guidability--weak"], "limit": None, **info.pop("data", {}),
    }  # fmt: skip
    whole = {
        "offtraj": "0.1.0",
        "repo": "org/small",
        "data": data,
        "model": {"id": "tiny", "path": "org/tiny", "revision": "b" * 40},
        "engine": {},
        "sampling": {},
        "timing": {"seconds": 1.0, "generated": 9, "finished": "2026-01-15T10:30:00Z"},
        "verifier": "rule-3",
        "judge": None,
        **info,
    }
    return score_run(await write_run(folder, make_record(**whole), stream()))


def both_tests() -> list[Outcome]:
    return [
        *make_outcomes("++-+?++-+", position=0.2),
        *make_outcomes("+--+--+--", position=0.8),
        *make_outcomes("+", position=0.2, subsets=("shared",)),
        *make_outcomes("-", variant="cross-model"),
        *make_outcomes("+-", test="guidability", position=None, ratio=0.4, segments=STEER),
    ]


async def test_values_are_those_of_scores_json(tmp_path: Path) -> None:
    run = await make_run(tmp_path / "run", both_tests())
    (path,) = write_eval_results(tmp_path / "model", [run])
    assert path == tmp_path / "model" / ".eval_results" / "small.yaml"
    entries = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    for entry in entries:
        (cell,) = [
            cell for cell in scores
            if (cell["test"], cell["variant"], cell["subset"]) == (entry.task_id.partition("--")[0], "default", "individual")
            and cell["position"] is cell["ratio"] is cell["guide"] is None
        ]  # fmt: skip
        assert entry.value == cell["score"]
        assert entry.notes is not None
        assert f"n = {cell['n']} on {cell['questions']} questions" in entry.notes
        if cell["interval"] is None:
            assert "95 %" not in entry.notes
        else:
            assert f"{cell['interval']['low']:.4f} to {cell['interval']['high']:.4f}" in entry.notes
        assert f"{cell['unscored']} unscored" in entry.notes
    assert "95 %" in str(entries[0].notes)
    assert [entry.task_id for entry in entries] == ["recoverability--weak", "guidability--weak"]
    assert entries[0].value == pytest.approx((3 / 4 + 1 / 3) / 2)


async def test_a_result_says_what_when_and_on_which_commit(tmp_path: Path) -> None:
    entry = eval_results(await make_run(tmp_path / "run", both_tests()))[0]
    assert (entry.dataset_id, entry.dataset_revision) == ("org/small", COMMIT)
    assert entry.date == "2026-01-15T10:30:00Z"
    assert str(entry.source_url).endswith(f"/datasets/org/small/tree/{COMMIT}")
    assert entry.source_name == "offtraj 0.1.0"
    assert "local copy" not in str(entry.notes)


async def test_a_result_says_what_was_cut_off_and_how_prompts_were_sent(tmp_path: Path) -> None:
    outcomes = make_outcomes("++-")
    exact = eval_results(await make_run(tmp_path / "exact", outcomes))[0]
    assert "prompts" not in str(exact.notes) and "ran out of tokens" not in str(exact.notes)
    sent = [replace(outcome, exactness="text", finish_reason="length") for outcome in outcomes]
    entry = eval_results(await make_run(tmp_path / "text", sent))[0]
    assert "prompts: as text, so not known to be exact" in str(entry.notes)
    assert "3 of 3 completions ran out of tokens" in str(entry.notes)


async def test_a_run_on_a_local_copy_says_so_and_names_no_commit(tmp_path: Path) -> None:
    run = await make_run(tmp_path / "run", both_tests(), data={"revision": None}, timing={"seconds": 1.0})
    entry = eval_results(run)[0]
    assert (entry.dataset_id, entry.dataset_revision) == ("org/small", None)
    assert "run on a local copy of version 1.0.0, not fetched from the Hub" in str(entry.notes)
    assert len(str(entry.date)) == len("2026-01-15")  # an old run does not say when


@pytest.mark.parametrize(
    ("info", "verdicts", "message"),
    [
        ({"repo": None, "data": {"revision": None}}, "+", "which data set of the Hub it was on: publish the data set"),
        ({"repo": None}, "+", "which data set of the Hub it was on: run again with this version"),
        ({"data": {"limit": 5}}, "+", "is of 5 rows of each set only, which is no result: run without --limit"),
        ({}, "?", "has no score for the variant 'default' on the subset 'individual'"),
    ],
)
async def test_what_is_no_result_is_said(tmp_path: Path, info: dict[str, Any], verdicts: str, message: str) -> None:
    run = await make_run(tmp_path / "run", make_outcomes(verdicts), **info)
    with pytest.raises(UsageError, match=message):
        write_eval_results(tmp_path / "out", [run])
    assert not (tmp_path / "out").exists()


async def test_runs_of_a_model_on_several_sets_are_a_file_each(tmp_path: Path) -> None:
    one = await make_run(tmp_path / "one", make_outcomes("+-"))
    two = await make_run(tmp_path / "two", make_outcomes("++"), repo="org/other")
    folder = tmp_path / ".eval_results"
    assert write_eval_results(folder, [one, two]) == [folder / "small.yaml", folder / "other.yaml"]
    assert write_eval_results(tmp_path / "all.yml", [one, two]) == [tmp_path / "all.yml"]
    assert [e["dataset"]["id"] for e in yaml.safe_load((tmp_path / "all.yml").read_text())] == [
        "org/small",
        "org/other",
    ]
    with pytest.raises(UsageError, match="scores org/small recoverability--weak, as another of these runs does"):
        write_eval_results(folder, [one, one])
    other = await make_run(tmp_path / "three", make_outcomes("+"), model={"id": "t", "path": "org/t", "revision": "c"})
    with pytest.raises(UsageError, match="these runs are of several models: org/tiny@b+, org/t@c"):
        write_eval_results(folder, [one, other])


async def test_other_results_are_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "results.yaml"
    whole, part = await make_run(tmp_path / "a", both_tests()), await make_run(tmp_path / "b", make_outcomes("+"))
    for _ in range(2):
        write_eval_results(path, [whole])
    before = path.read_bytes()
    with pytest.raises(OutputError, match="holds other results, too, which would be lost: org/small guidability--weak"):
        write_eval_results(path, [part])
    assert path.read_bytes() == before
    path.write_text("thesis: mine\n")
    with pytest.raises(OfftrajError, match="exists, and holds no evaluation results"):
        write_eval_results(path, [whole])
