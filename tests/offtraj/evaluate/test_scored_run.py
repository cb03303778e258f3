"""A run is read once, and has one name everywhere."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offtraj.evaluate import run_folder
from offtraj.evaluate.run_folder import OUTCOMES, read_run
from offtraj.evaluate.scored_run import name_runs, score_run, score_runs
from offtraj.metrics.scores import count_verdicts, stratify, summarise
from offtraj.metrics.summary import summarise_run
from offtraj.report.html.page import write_page
from offtraj.run.outcome import Outcome, read_outcomes

OLD = Path(__file__).parents[2] / "fixtures" / "0.1.0" / "run"


def copy_run(folder: Path, model: str = "narrow") -> Path:
    """A run's folder with this model's id."""
    shutil.copytree(OLD, folder)
    record = json.loads((folder / "run.json").read_text())
    record["model"]["id"] = model
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_one_pass_gives_what_each_number_gives_alone() -> None:
    run = read_run(OLD)
    outcomes = list(run.outcomes())
    scored = score_run(run)
    assert list(scored.cells) == summarise(outcomes)
    assert list(scored.strata) == stratify(outcomes)
    assert list(scored.verdicts) == count_verdicts(outcomes)
    assert scored.summary == summarise_run(outcomes)
    assert scored.outcomes == len(outcomes)


def test_scores_are_computed_once_however_often_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[Path] = Counter()

    def counting(path: Path, **options: Any) -> Iterator[Outcome]:
        reads[path] += 1
        return read_outcomes(path, **options)

    monkeypatch.setattr(run_folder, "read_outcomes", counting)
    run = read_run(OLD)
    for _ in range(2):
        assert score_run(run).cells and run.scores.verdicts and score_runs([run])[0].summary
    assert reads == {OLD / OUTCOMES: 1}


def test_a_whole_is_the_cell_over_all_positions_and_guides() -> None:
    scored = score_run(read_run(OLD))
    cell = scored.whole(test="guidability", subset="individual")
    assert cell is not None
    assert cell.axis_value is None and cell.guide is None
    assert scored.whole(test="guidability", subset="nonesuch") is None


def test_runs_of_different_models_are_named_after_them(tmp_path: Path) -> None:
    runs = [read_run(copy_run(tmp_path / "runs" / name, name)) for name in ("a", "b")]
    assert name_runs(runs) == ["a", "b"]


def test_runs_of_one_model_are_told_apart_by_the_shortest_end_of_their_path(tmp_path: Path) -> None:
    folders = [tmp_path / "today" / "run", tmp_path / "yesterday" / "run", tmp_path / "today" / "other"]
    runs = [read_run(copy_run(folder)) for folder in folders]
    assert name_runs(runs) == ["narrow (today/run)", "narrow (yesterday/run)", "narrow (other)"]
    assert name_runs(runs[1:]) == ["narrow (run)", "narrow (other)"]


def test_a_name_does_not_depend_on_how_the_folder_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        copy_run(tmp_path / name / "run")
    monkeypatch.chdir(tmp_path / "one")
    assert name_runs([read_run(Path("run")), read_run(Path("../two/run"))]) == ["narrow (one/run)", "narrow (two/run)"]


def test_the_page_tells_runs_with_the_same_folder_name_apart(tmp_path: Path) -> None:
    runs = [read_run(copy_run(tmp_path / parent / "run")) for parent in ("one", "two")]
    html = write_page(score_runs(runs), tmp_path / "report.html").html.read_text()
    for run in score_runs(runs):
        assert run.name in html
    assert len({run.name for run in score_runs(runs)}) == 2
