"""The commands, as a user starts them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.background import in_background, killed
from support.factories import SPEC, write_small_benchmark
from support.server import serving

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_small_benchmark(tmp_path)


@pytest.fixture
def built(spec: Path, offtraj: Run, tmp_path: Path) -> Path:
    spec.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 400}"))
    done = offtraj("build", spec, "--out", "set")
    assert done.returncode == 0, done.stderr
    return tmp_path / "set"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from offtraj.cli.app import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'scipy', 'openai', 'pydantic', 'rich', 'ruamel'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
    assert "validate" in done.stdout


def test_validate_needs_nothing_heavy_either() -> None:
    script = (
        "import sys\n"
        "from offtraj.cli.app import app\n"
        f"app(['validate', {str(ROOT / 'specs' / 'math.yaml')!r}], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'scipy', 'openai'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", ["math", "math-ablations", "math-ratio-0.4"])
def test_the_projects_specs_validate_and_plan(offtraj: Run, name: str) -> None:
    path = ROOT / "specs" / f"{name}.yaml"
    valid = offtraj("validate", path)
    assert (valid.returncode, valid.stderr) == (0, "")
    assert f"fine: {name} 1.0.0, 5 benchmarks, 15 models" in valid.stdout
    planned = offtraj("plan", path)
    assert planned.returncode == 0, planned.stderr
    assert "olympiadbench 674" in planned.stdout


def test_a_plan_counts_what_the_papers_experiment_takes(offtraj: Run) -> None:
    lines = offtraj("plan", ROOT / "specs" / "math.yaml").stdout.splitlines()
    solo = next(line.split() for line in lines if "solo" in line and "qwen3-1.7b" in line)
    assert solo[2:] == ["0", "1,506", "1,506", "12,048", "394,788,864", "0"]
    recovery = next(line.split() for line in lines if "recoverability" in line and "qwen3-1.7b" in line)
    assert recovery[2:] == ["10", "2,000", "2,000", "2,000", "65,536,000", "0"]  # 200 a position, two subsets


@pytest.mark.parametrize(
    ("judge", "calls"),
    [
        ("{model: j, engine: tape}", {"solo": "24", "recoverability": "120"}),
        ("{model: j, engine: tape, audit: 0.75}", {"solo": "24", "recoverability": "180"}),
        ("{model: j, engine: tape, max_calls: 100}", {"solo": "24", "recoverability": "100"}),
    ],
)
def test_a_plan_counts_judge_calls(spec: Path, offtraj: Run, judge: str, calls: dict[str, str]) -> None:
    spec.write_text(SPEC + f"judge: {judge}\n")
    lines = [line.split() for line in offtraj("plan", spec).stdout.splitlines()]
    assert {words[0]: words[-1] for words in lines if words[1:2] == ["weak"] and words[0] in calls} == calls


def test_a_hub_benchmark_of_unknown_size_cannot_be_planned(spec: Path, offtraj: Run) -> None:
    spec.write_text(SPEC.replace("{file: questions.jsonl}", "{hub: a/b, revision: x}"))
    done = offtraj("plan", spec)
    assert done.returncode == 2
    assert "say it with `rows`" in done.stderr


def test_validate_shows_missing_files_and_variables(spec: Path, offtraj: Run) -> None:
    spec.write_text(
        SPEC.replace("questions.jsonl", '"${NOT_SET_ANYWHERE}/q.jsonl"').replace("traces.jsonl", "none.jsonl")
    )
    done = offtraj("validate", spec)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert "spec.yaml:4:25:" in done.stderr
    assert "spec.yaml:6:34: 'none.jsonl': there is no file" in done.stderr


def test_the_schema_is_printed(offtraj: Run) -> None:
    assert json.loads(offtraj("schema").stdout) == json.loads((ROOT / "specs" / "spec.schema.json").read_text())


def test_wrong_usage_is_2(offtraj: Run) -> None:
    assert offtraj("frobnicate").returncode == 2
    assert offtraj("build").returncode == 2
    assert offtraj("build", "none.yaml").returncode == 2
    assert offtraj("run", "nowhere", "--model", "x").returncode == 2
    assert offtraj("report", "nowhere").returncode == 2
    assert offtraj("--version").stdout.startswith("offtraj ")


@pytest.mark.parametrize("template", ["qwen3", "r1"])
def test_a_model_is_scored_on_a_set_built_for_another(
    built: Path, offtraj: Run, tmp_path: Path, template: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(template)
    done = offtraj("run", "set", "--model", folder, "--on", "weak", "--limit", "12", "--out", "run")
    assert done.returncode == 0, done.stderr
    outcomes = pq.read_table(tmp_path / "run" / "outcomes.parquet").to_pylist()
    assert len(outcomes) == 24
    assert {o["exactness"] for o in outcomes} == {"ids"}
    assert all(o["completion"] is not None and o["prompt_tokens"] > o["prefix_tokens"] > 0 for o in outcomes)
    assert {o["verdict"] for o in outcomes} <= {"correct", "incorrect"}
    assert {o["reason"] for o in outcomes} <= {"truncated", "no_answer", "boxed", "stated"}
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["outcomes"] == {
        "correct": sum(o["verdict"] == "correct" for o in outcomes),
        "incorrect": sum(o["verdict"] == "incorrect" for o in outcomes),
        "unscored": 0,
    }
    assert info["exactness"] == {"ids": 24}
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    again = offtraj("run", "set", "--model", folder, "--on", "weak", "--limit", "12", "--out", "run")
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert done.stdout == again.stdout
    report = offtraj("report", "run")
    assert "recoverability by position" in report.stdout
    assert "guidability by ratio" in report.stdout


def test_a_spec_is_built_and_its_model_run(spec: Path, offtraj: Run, tmp_path: Path, qwen3: Path) -> None:
    model = f"{{id: weak, engine: here, path: {qwen3}}}"
    text = SPEC.replace("{id: weak, engine: tape, recorded_as: Weak, tokenizer: words}", model)
    text = text.replace("engines:", "engines:\n  here: {kind: transformers, batch: 8}").replace(
        "samples: 4}", "samples: 2, max_tokens: 260}"
    )
    text = text[: text.index("  recoverability:")] + "  guidability: {subsets: [individual], ratios: [0.2, 0.4]}\n"
    spec.write_text(text)
    done = offtraj("run", spec, "--model", "weak", "--out", "run")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(
        tmp_path / "data" / "small-1.0.0" / "guidability--weak" / "test-00000-of-00001.parquet"
    ).to_pylist()
    assert rows
    assert all(row["prompt_sha256"] and row["model_revision"].startswith("sha256:") for row in rows)
    assert len(pq.read_table(tmp_path / "run" / "outcomes.parquet")) == len(rows)
    solo = json.loads((tmp_path / "run" / "run.json").read_text())["solo"]
    assert sum(solo["sums"].values()) == 6  # questions: its solo score travels with the run
    assert " solo " in done.stdout
    again = offtraj("run", spec, "--model", "weak", "--out", "run")
    assert "solo" not in again.stderr  # the data set is there already
    trajectories = pq.read_table(
        tmp_path / "data" / "small-1.0.0" / "trajectories--weak" / "train-00000-of-00001.parquet"
    ).to_pylist()
    assert len(trajectories) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "weak"], "is a recording, which cannot continue a prefix: give a folder or Hub id, and `--on weak`"),
        (["--model", "nobody"], "no folder, no Hub id ORG/NAME, and none of the spec's: weak, other, guide"),
        (["--model", "./nobody"], "--model './nobody': no folder, no Hub id ORG/NAME"),
        (["--model", "weak", "--engine", "transformers"], "--engine 'transformers': 'weak' has no weights (`path`)"),
        (["--model", "{tiny}", "--engine", "tape"], "--engine 'tape': is a recording, in which"),
        (["--model", "{tiny}"], "nothing was built for 'tiny-qwen3': choose with --on one of weak, other"),
        (["--model", "{tiny}", "--on", "guide"], "has no such set for 'guide': it has recoverability--weak"),
        (["--model", "{tiny}", "--on", "weak", "--test", "relay"], "--test 'relay': expected one of recoverability, guidability"),
        (["--model", "{tiny}", "--on", "weak", "--engine", "gpu"], "--engine 'gpu': expected one of tape, transformers, an http"),
        (["--model", "{tiny}", "--on", "weak", "--out", "set"], "set: exists, and is no run folder: choose another --out"),
    ],
)  # fmt: skip
def test_a_run_that_makes_no_sense_is_refused(
    built: Path, offtraj: Run, qwen3: Path, arguments: list[str], message: str
) -> None:
    done = offtraj("run", "set", *[argument.replace("{tiny}", str(qwen3)) for argument in arguments])
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_another_run_is_not_written_over(built: Path, offtraj: Run, tmp_path: Path, r1: Path) -> None:
    with in_background(lambda: serving(right)) as server:
        arguments = ["run", "set", "--model", r1, "--on", "weak", "--engine", server.base_url, "--out", "run"]
        assert offtraj(*arguments, "--limit", "5").returncode == 0
        before = (tmp_path / "run" / "run.json").read_bytes()
        done = offtraj(*arguments, "--limit", "6")
    assert done.returncode == 2
    assert "run: holds another run: data.limit is 5, not 6: choose another --out" in done.stderr
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_an_incomplete_data_set_is_said(built: Path, offtraj: Run, qwen3: Path) -> None:
    (built / "recoverability--weak" / "test-00000-of-00001.parquet").unlink()
    done = offtraj("run", "set", "--model", qwen3, "--on", "weak")
    assert done.returncode == 2
    assert "is missing, though the manifest lists it: the folder is incomplete" in done.stderr


def right(ids: list[int], index: int) -> str:
    return f" {len(ids)} </think>\\boxed{{{10 * (len(ids) % 6) + 1}}}"


def test_an_endpoint_is_scored_and_failures_are_unscored(built: Path, offtraj: Run, tmp_path: Path, r1: Path) -> None:
    arguments = ["--model", r1, "--on", "weak", "--test", "recoverability", "--limit", "20", "--out", "run"]
    with in_background(lambda: serving(right, faults=[*["", ""] * 3, 400, 400])) as server:
        done = offtraj("run", "set", *arguments, "--engine", server.base_url)
        assert done.returncode == 3, done.stderr
        assert (
            "2 of 20 outcomes are unscored, over the spec's tolerance of 0.0%: run the same command again"
            in done.stderr
        )
        again = offtraj("run", "set", *arguments, "--engine", server.base_url)
        assert again.returncode == 0, again.stderr
    asked = server.asked()  # some rows have a prompt in common
    assert asked.total() == len(asked) + 2
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    assert sum(cell["n"] for cell in scores if cell["position"] is not None and cell["subset"] == "individual") > 0


def test_a_recorded_model_that_has_weights_runs_on_another_engine(
    spec: Path, offtraj: Run, tmp_path: Path, r1: Path
) -> None:
    weak = "{id: weak, engine: tape, recorded_as: Weak, tokenizer: words"
    spec.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 400}").replace(weak, f"{weak}, path: {r1}"))
    assert offtraj("build", spec, "--model", "weak", "--test", "recoverability", "--out", "set").returncode == 0
    with in_background(lambda: serving(right)) as server:
        done = offtraj("run", "set", "--model", "weak", "--engine", server.base_url, "--limit", "5", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert {o["exactness"] for o in pq.read_table(tmp_path / "run" / "outcomes.parquet").to_pylist()} == {"ids"}


def test_a_run_killed_at_any_moment_asks_for_nothing_twice(built: Path, tmp_path: Path, r1: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "offtraj",
        "run",
        "set",
        "--model",
        str(r1),
        "--on",
        "weak",
        "--test",
        "recoverability",
    ]
    moments = random.Random(1)
    with in_background(lambda: serving(right)) as server:
        engine = ["--engine", server.base_url]
        subprocess.run(
            [*command, *engine, "--out", "whole", "--workspace", "undisturbed"],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        alone = server.asked()
        server.requests.clear()
        kills = sum(
            killed([*command, *engine, "--out", "run"], tmp_path, server.requests, moments, 0.3) for _ in range(8)
        )
        subprocess.run([*command, *engine, "--out", "run"], cwd=tmp_path, capture_output=True, check=True)
        asked = server.asked()
    assert kills > 0
    assert set(asked) == set(alone)
    assert alone.total() == len(alone)
    assert asked.total() <= alone.total() + 128 * kills  # at most what was in flight is asked for again
    for name in ("outcomes.parquet", "scores.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_report_shows_several_runs(built: Path, offtraj: Run, r1: Path) -> None:
    with in_background(lambda: serving(right)) as server:
        for name in ("one", "two"):
            arguments = ["--on", "weak", "--limit", "10", "--out", name, "--engine", server.base_url]
            assert offtraj("run", "set", "--model", r1, *arguments).returncode == 0
    report = offtraj("report", "one", "two")
    assert report.returncode == 0, report.stderr
    for name in ("one", "two"):  # of one model
        assert f"tiny-r1 ({name}): recoverability by position" in report.stdout


def test_progress_is_plain_lines_where_there_is_no_terminal(spec: Path, offtraj: Run) -> None:
    done = offtraj("build", spec, "--out", "set")
    assert "solo weak: 24 of 24" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


@pytest.mark.skipif(not os.path.exists("/usr/bin/script"), reason="needs util-linux's script for a terminal")
def test_progress_is_bars_on_a_terminal(spec: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m offtraj build {spec} --out set"
    done = subprocess.run(
        ["/usr/bin/script", "-qec", command, "/dev/null"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )  # fmt: skip
    assert done.returncode == 0
    assert "solo weak" in done.stdout
    assert "━" in done.stdout
