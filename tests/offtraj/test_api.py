"""`import offtraj`: its names, their signatures and docstrings, and what they give."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from support.background import in_background
from support.factories import SPEC, write_small_benchmark
from support.server import serving

import offtraj as ot
from offtraj import errors
from offtraj._util.progress import OnProgress

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "fixtures" / "0.1.0" / "run"
WAITING = ("build", "check", "doctor", "evaluate", "grade", "regrade")

SIGNATURES = {
    "build": "(spec, *, models=(), tests=(), limit=None, out=None, trajectories=None, workspace=None, progress=True)",
    "check": "(data, *, spec=None, progress=True)",
    "compare": "(runs)",
    "doctor": "(spec, model, *, engine=None, progress=True)",
    "evaluate": "(target, model, *, built_for=None, engine=None, tests=(), limit=None, judge=True, out=None, "
    "workspace=None, progress=True)",
    "grade": "(gold, response, *, unit=None, tolerance=None)",
    "load_spec": "(path)",
    "open_dataset": "(where)",
    "open_run": "(path)",
    "plan": "(spec)",
    "regrade": "(run, *, judge=True, out=None, workspace=None, progress=True)",
    "report": "(runs)",
}
VALUES = {
    "Checked", "Comparison", "DataFolder", "Diagnosis", "OfftrajError", "Plan", "Progress", "Regraded", "Report",
    "Run", "SpecFile", "Verdict",
}  # fmt: skip


def shape(function: Callable[..., object]) -> str:
    """A signature without its types."""
    signature = inspect.signature(function)
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_names_are_these() -> None:
    twins = {f"{name}_async" for name in WAITING}
    assert set(ot.__all__) == VALUES | set(SIGNATURES) | twins | {"__version__"}
    assert ot.__all__ == sorted(ot.__all__, key=lambda name: (not name[0].isupper(), name))
    assert set(ot.__all__) <= set(dir(ot))
    assert all(getattr(ot, name) is not None for name in ot.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_what_it_was(name: str) -> None:
    assert shape(getattr(ot, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", WAITING)
def test_a_twin_is_awaited_and_else_the_same(name: str) -> None:
    function, twin = getattr(ot, name), getattr(ot, f"{name}_async")
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(function)
    assert inspect.signature(function) == inspect.signature(twin)


@pytest.mark.parametrize("name", [name for name in ot.__all__ if isinstance(getattr(ot, name), FunctionType)])
def test_a_docstring_says_what_goes_in_what_comes_out_and_what_is_raised(name: str) -> None:
    function = getattr(ot, name)
    text = inspect.getdoc(function) or ""
    before, _, sections = text.partition("\nArgs:\n")
    arguments, _, rest = sections.partition("\nReturns:\n")
    _, _, raised = rest.partition("\nRaises:\n")
    assert before.partition("\n\n")[0].strip().endswith(".")
    said = [line.split(":")[0].strip() for line in arguments.splitlines() if line[4:5].strip()]
    assert said == list(inspect.signature(function).parameters)
    kinds = [line.split(":")[0].strip() for line in raised.splitlines() if line[4:5].strip()]
    assert kinds
    assert all(issubclass(getattr(errors, kind), errors.OfftrajError) for kind in kinds)


def test_importing_it_loads_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import offtraj; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("offtraj")} <= {
        "offtraj",
        "offtraj._util",
        "offtraj._util.version",
    }
    assert {name.partition(".")[0] for name in loaded} - {"offtraj"} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", ["build", "check", "doctor", "evaluate", "report"])
def test_a_function_stays_one_when_the_package_of_its_name_is_imported(name: str) -> None:
    script = (
        f"import importlib, offtraj; importlib.import_module('offtraj.{name}'); print(type(offtraj.{name}).__name__); "
        f"from offtraj.{name} import __doc__"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "function\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ot.nothing


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ot.SpecFile:
    """A spec of recordings, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = write_small_benchmark(tmp_path)
    path.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 400}"))
    return ot.load_spec(path)


def right(ids: list[int], index: int) -> str:
    return f" {len(ids)} </think>\\boxed{{{10 * (len(ids) % 6) + 1}}}"


def test_a_spec_becomes_scores(small: ot.SpecFile, r1: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert sum(line.rows for line in ot.plan(small).lines) == ot.plan(small.path).to_pandas()["rows"].sum()
    data = ot.build(small, progress=False)
    assert data.path == Path("data/small-1.0.0")
    assert ot.open_dataset("data/small-1.0.0").manifest == data.manifest
    assert "recoverability--weak" in data.configs
    rows = data.to_arrow("recoverability--weak")
    assert len(data.to_pandas("recoverability--weak")) == len(rows)
    assert not ot.check(data, progress=False).problems
    with in_background(lambda: serving(right)) as server:
        options: dict[str, Any] = {"built_for": "weak", "limit": 8, "engine": server.base_url, "progress": False}
        runs = [ot.evaluate(data, str(r1), out=name, **options) for name in ("one", "two")]
    assert sum(runs[0].counts.values()) == len(runs[0].to_arrow()) == 16
    assert ot.open_run("one").record == runs[0].record
    again = ot.regrade("one", progress=False)
    assert (again.total, again.changes, again.run.path) == (16, {}, Path("one--regraded"))
    report = ot.report(runs)
    cells = report.to_pandas()
    assert len(cells) == sum(len(one.cells) + len(one.strata) + (one.solo is not None) for one in report.runs)
    assert cells["score_share"].dtype == "float64"
    assert report.write_html("page.html").is_file()
    assert set(json.loads(report.to_json())["runs"][0]) >= {"scores", "strata"}
    compared = ot.compare(runs)
    assert set(compared.to_pandas()["difference_share"]) == {0.0}
    for value in (data, runs[0], report, compared, ot.plan(small)):
        assert "<table>" in value._repr_html_()
        assert repr(value).startswith(type(value).__name__)
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_foreign_text_as_text(small: ot.SpecFile) -> None:
    data = ot.build(small, progress=False)
    data = replace(data, manifest=data.manifest.model_copy(update={"name": "<script>alert(1)</script>"}))
    assert "<script" not in data._repr_html_()
    assert "&lt;script&gt;" in data._repr_html_()


def test_names_with_brackets_are_text_in_a_notebook_and_on_the_terminal(
    tmp_path: Path, offtraj: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["model"]["id"] = "m[/x][red]<b>"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    run = ot.open_run(tmp_path / "run")
    for value in (run, ot.report(run)):
        assert "m[/x][red]&lt;b&gt;" in value._repr_html_()
    done = offtraj("report", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "m[/x][red]<b>" in done.stdout


def test_a_page_in_place_of_a_folder_is_refused() -> None:
    with pytest.raises(errors.OutputError, match="is a folder"):
        ot.report(RUN).write_html(".")


def test_a_run_whose_thinking_never_ends_is_not_regraded(tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["think"]["close"] = ""
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(errors.DataError, match=r"run.json: think.close: expected"):
        ot.regrade(tmp_path / "run", workspace=tmp_path / "ws", progress=False)
    assert not (tmp_path / "run--regraded").exists()


@pytest.mark.parametrize("model", ["", ".", "/", "org/", "/name", "org/@main"])
def test_a_model_that_is_none_is_refused_before_it_is_read(small: ot.SpecFile, model: str) -> None:
    data = ot.build(small, progress=False)
    with pytest.raises(errors.UsageError, match=re.escape(f"--model {model!r}: no ")):
        ot.evaluate(data, model, built_for="weak", progress=False)


async def test_a_function_that_waits_works_where_a_loop_runs(small: ot.SpecFile) -> None:
    other = asyncio.create_task(asyncio.sleep(0))
    data = ot.build(small, progress=False)
    await other
    assert (await ot.build_async(small, out="again", progress=False)).manifest == data.manifest


def test_progress_goes_to_the_receiver_that_is_given(small: ot.SpecFile, capfd: pytest.CaptureFixture[str]) -> None:
    steps: dict[str, int] = {}

    class Receiver:
        def __call__(self, name: str, total: int, /) -> OnProgress:
            def on_progress(done: int) -> None:
                steps[name] = steps.get(name, 0) + done

            return on_progress

        def wait(self, what: str, /) -> None:
            pass

    ot.build(small, progress=Receiver())
    assert steps["solo weak"] == 24
    assert capfd.readouterr() == ("", "")
    ot.build(small)
    assert "solo weak: 24 of 24" in capfd.readouterr().err


def test_a_failure_is_an_error_of_the_package(tmp_path: Path) -> None:
    for failing in (
        lambda: ot.load_spec(tmp_path / "none.yaml"),
        lambda: ot.open_dataset(tmp_path),
        lambda: ot.open_run(tmp_path),
        lambda: ot.report([]),
        lambda: ot.compare([]),
    ):
        with pytest.raises(ot.OfftrajError):
            failing()


@pytest.mark.parametrize(
    "arguments",
    [
        {"models": [""]},
        {"models": ["."]},
        {"tests": ["nope"]},
        {"limit": 0},
        {"limit": -1},
        {"limit": 1.5},
        {"out": "questions.jsonl"},
        {"out": "deeper/than", "trajectories": "nope"},
    ],
    ids=str,
)
def test_a_refused_build_leaves_nothing(small: ot.SpecFile, arguments: dict[str, Any]) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(errors.UsageError):
        ot.build(small, **arguments, progress=False)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": ""},
        {"model": "nope"},
        {"tests": ["nope"]},
        {"limit": 0},
        {"engine": "nope"},
        {"built_for": "nope"},
        {"judge": "nope.yaml"},
        {"judge": "spec.yaml"},  # declares none
        {"out": "questions.jsonl"},
    ],
    ids=str,
)
def test_a_refused_evaluation_of_a_spec_builds_nothing(small: ot.SpecFile, arguments: dict[str, Any]) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(errors.UsageError):
        ot.evaluate(small, **{"model": "weak", "engine": "tape", **arguments}, progress=False)
    assert sorted(Path().rglob("*")) == before


def test_a_build_without_rows_leaves_no_folder(small: ot.SpecFile) -> None:
    with pytest.raises(errors.BuildError):
        ot.build(small, out="new/folder", tests=["recoverability"], limit=1, progress=False)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("response", "verdict", "reason"),
    [
        (r"<think>Half.</think>\boxed{0.5}", "correct", "boxed"),
        (r"\boxed{0.5}", "correct", "boxed"),
        (r"<think>Half.</think>\boxed{2}", "incorrect", "boxed"),
        (r"<think>It is \boxed{0.5}, or", "incorrect", "truncated"),
    ],
)
def test_a_response_is_graded_by_what_follows_its_thinking(response: str, verdict: str, reason: str) -> None:
    found = ot.grade(r"\frac{1}{2}", response)
    assert (found.name, found.reason) == (verdict, reason)


def test_the_documented_script_prints_what_it_says(tmp_path: Path) -> None:
    script = ROOT / "docs" / "quickstart.py"
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("# > ") for line in script.read_text().splitlines() if line.startswith("# > ")]
    assert done.stdout.splitlines() == said
