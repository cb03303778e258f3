"""The family as it is shipped: what its records say, what it does, and that it travels in the wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from offtraj._util.digest import file_sha256
from offtraj._util.packaged import packaged
from offtraj.engines.kinds import open_engine
from offtraj.grading.math.answer import find_answer
from offtraj.model.completion import Completion, Request, SamplingParams
from offtraj.model.model import model_at
from offtraj.spec import TransformersSpec, load_spec
from offtraj.studies.pocket.recipe import FAMILY
from offtraj.studies.pocket.training import RECORD

ROOT = Path(__file__).parents[4]
QUICKSTART = packaged("quickstart")
Run = Callable[..., subprocess.CompletedProcess[str]]


def record(name: str) -> dict[str, Any]:
    return dict(json.loads((QUICKSTART / "models" / name / RECORD).read_text()))


def test_the_whole_family_is_there_and_nothing_else() -> None:
    assert {folder.name for folder in (QUICKSTART / "models").iterdir()} == set(FAMILY)
    for spec in ("quickstart.yaml", "family.yaml"):
        assert {model.id for model in load_spec(QUICKSTART / spec).spec.participants} <= set(FAMILY)


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_shipped_is_what_its_record_says(name: str) -> None:
    folder = QUICKSTART / "models" / name
    told = record(name)
    assert told["recipe"] == asdict(FAMILY[name])
    assert told["sha256"] == {file: file_sha256(folder / file) for file in told["sha256"]}
    assert {file.name for file in folder.iterdir()} == {*told["sha256"], "README.md", "training"}


@pytest.mark.parametrize("name", FAMILY)
def test_its_card_was_written_from_its_record_and_measurements(name: str) -> None:
    card = (QUICKSTART / "models" / name / "README.md").read_text()
    for file, digest in record(name)["sha256"].items():
        assert f"| `{file}` | `{digest}` |" in card
    assert "Not measured yet" not in card
    assert re.search(r"\| solo \|.*\d\d?\.\d \(", card)


def test_it_fits_into_what_a_wheel_may_weigh() -> None:
    assert sum(file.stat().st_size for file in QUICKSTART.rglob("*") if file.is_file()) < 16e6


@pytest.mark.parametrize(("name", "least"), [("sturdy", 14), ("fragile", 14), ("guide", 14)])
async def test_strong_members_solve_most_questions(name: str, least: int) -> None:
    model = model_at(str(QUICKSTART / "models" / name))
    assert model.format is not None
    rows = [json.loads(line) for line in (QUICKSTART / "questions.jsonl").read_text().splitlines()[:20]]
    engine = await open_engine(TransformersSpec(kind="transformers", batch=20, dtype="float32"), model)
    greedy = SamplingParams(0.0, 1.0, 512, 0)
    requests = [Request(row["id"], row["id"], model.format.solo(row["question"]), (0,), greedy) for row in rows]
    answers = {row["id"]: row["answer"] for row in rows}
    right = 0
    async for reply in engine.replies(requests):
        assert isinstance(reply.result, Completion)
        assert reply.result.finish_reason == "stop"
        found = find_answer(reply.result.text)
        right += found is not None and found.text == answers[reply.request.key]
    await engine.close()
    assert right >= least


def test_a_small_quickstart_shows_that_sturdy_recovers_and_fragile_does_not(offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("quickstart", "--limit", "16", OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    recovered = {}
    for model in ("sturdy", "fragile"):
        scores = json.loads((tmp_path / "runs" / f"quickstart-1.0.0--{model}" / "scores.json").read_text())["scores"]
        (cell,) = (
            cell
            for cell in scores
            if (cell["test"], cell["subset"], cell["position"]) == ("recoverability", "individual", None)
        )
        recovered[model] = cell["score"]
        assert cell["unscored"] == 0
        assert f"{model}: recoverability by position" in done.stdout
    assert recovered["sturdy"] > 0.5 > recovered["fragile"]
    assert "Solo, in percent" in done.stdout
    runs = {file: file.read_bytes() for file in (tmp_path / "runs").rglob("*") if file.is_file()}
    again = offtraj("quickstart", "--limit", "16")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    assert {file: file.read_bytes() for file in (tmp_path / "runs").rglob("*") if file.is_file()} == runs


def test_the_wheel_carries_the_quickstart(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < 16e6
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    page = tmp_path / "site" / "offtraj" / "report" / "html"
    assert {"page.css", "page.html.j2", "page.js"} < {path.name for path in page.iterdir()}
    empty = tmp_path / "empty"
    empty.mkdir()
    installed = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "offtraj", "quickstart", "--limit", "8"],
        cwd=empty,
        env=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site" / "offtraj" / "_quickstart") in done.stdout
    assert {path.name for path in empty.iterdir()} == {"data", "runs", "report.html", "report_data", ".offtraj"}
