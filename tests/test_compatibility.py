"""What 0.1.0 wrote is opened, checked, reported, graded again, continued and compared by the current code."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from offtraj.dataset.folder import open_folder
from offtraj.evaluate.run_folder import read_run
from offtraj.run.outcome import outcome_schema

ROOT = Path(__file__).parents[1]
OLD = Path(__file__).parent / "fixtures" / "0.1.0"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _old(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)


def outcomes(folder: Path) -> list[dict[str, Any]]:
    """The outcomes of a run, in the columns that 0.1.0 wrote."""
    columns = pq.read_schema(OLD / "run" / "outcomes.parquet").names
    return list(pq.read_table(folder / "outcomes.parquet", columns=columns).to_pylist())


def test_its_folders_open(tmp_path: Path) -> None:
    data, run = open_folder(str(tmp_path / "data")), read_run(tmp_path / "run")
    assert (data.manifest.name, run.record.offtraj) == ("small", "0.1.0")
    assert run.record.data is not None and run.record.outcomes is not None
    assert run.record.data.spec_sha256 == data.manifest.spec_sha256 == data.spec.digest
    assert run.record.outcomes.total == len(list(run.outcomes())) == 40
    assert set(pq.read_schema(run.path / "outcomes.parquet").names) <= set(outcome_schema().names)


def test_its_data_set_checks(offtraj: Run) -> None:
    done = offtraj("check", "data")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 sets" in done.stdout


def test_its_run_reports_the_scores_that_it_wrote(offtraj: Run) -> None:
    done = offtraj("report", "--json", "run")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["runs"]
    written = json.loads((OLD / "run" / "scores.json").read_text())
    assert len(told["scores"]) == len(written["scores"]) > 20
    # Intervals may be computed in another way; what they are about may not.
    fields = ("test", "variant", "subset", "guide", "position", "ratio", "n", "questions", "score", "truncated")
    for name in ("scores", "strata"):
        found, expected = ([[cell[field] for field in fields] for cell in one[name]] for one in (told, written))
        assert found == expected
    lines = csv.DictReader(io.StringIO(offtraj("report", "--csv", "run").stdout))
    assert {line["model"] for line in lines} == {"narrow"}


def test_its_page_is_written_with_every_piece_of_every_row(offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("report", "--html", "page.html", "--data", "data", "run")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "narrow" in page and "are not in the data set" not in page


def test_its_run_is_graded_again_and_compared(offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("regrade", "run", "--workspace", "workspace")
    assert done.returncode == 0, done.stderr
    assert "0 of 40 verdicts changed" in done.stdout
    assert outcomes(tmp_path / "run--regraded") == outcomes(tmp_path / "run")
    old, new = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("run", "run--regraded"))
    assert {**new, "verifier": None} == {**old, "verifier": None}
    done = offtraj("compare", "--json", "run", "run--regraded")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["comparisons"]
    assert {one["difference"] for one in told["differences"]} == {0.0}
    assert told["baseline"]["name"] != told["against"]["name"]


def test_its_workspace_is_continued_without_generating(offtraj: Run, tmp_path: Path) -> None:
    model = ROOT / "specs" / "quickstart" / "models" / "narrow"
    done = offtraj("run", "data", "--model", model, "--on", "weak", "--limit", 20, "--out", "again", "--workspace", "workspace")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = read_run(tmp_path / "again").record
    if record.model.revision != read_run(OLD / "run").record.model.revision:
        pytest.skip("the pocket model has been trained again")
    assert record.timing is not None and record.timing.generated == 0
    assert outcomes(tmp_path / "again") == outcomes(tmp_path / "run")
