"""Questions, data sets and models from a Hub: the real clients against a loopback server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from support.background import in_background
from support.factories import SPEC, make_question, write_jsonl, write_small_benchmark
from support.hub import Hub, serving_hub

Online = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_small_benchmark(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, qwen3: Path, spec: Path) -> Iterator[Hub]:
    """A Hub with a benchmark's questions and a model."""
    benchmark = tmp_path / "benchmark"
    benchmark.mkdir()
    write_jsonl(
        benchmark / "test.jsonl",
        [{"n": n, "q": q.text, "a": q.gold} for n, q in enumerate(map(make_question, range(6)))],
    )
    with in_background(lambda: serving_hub({"datasets/org/sums": benchmark, "org/tiny": qwen3})) as served:
        yield served


@pytest.fixture
def online(tmp_path: Path, hub: Hub) -> Online:
    """The command line with the loopback Hub as its endpoint."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")}
        return subprocess.run(
            [sys.executable, "-m", "offtraj", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **environment,
                "HF_ENDPOINT": hub.endpoint,
                "HF_HOME": str(tmp_path / "hf"),
                "HF_HUB_DISABLE_XET": "1",
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def on_the_hub(spec: Path, revision: str) -> None:
    source = f"{{hub: org/sums, revision: {revision}, split: test}}"
    text = SPEC.replace(
        "{file: questions.jsonl}}", f"{source}, columns: {{id: n, question: q, answer: a}}, id_prefix: q}}"
    )
    spec.write_text(text)


def test_questions_come_from_the_hub_at_a_pinned_revision(spec: Path, hub: Hub, online: Online, tmp_path: Path) -> None:
    assert online("build", spec, "--out", "local").returncode == 0
    on_the_hub(spec, hub["datasets/org/sums"].head)
    hub.commit("datasets/org/sums", {"test.jsonl": b""})  # later, and of no concern
    done = online("build", spec, "--out", "set")
    assert done.returncode == 0, done.stderr
    for name in ("recoverability--weak", "guidability--weak", "questions"):
        file = f"{name}/test-00000-of-00001.parquet"
        assert (tmp_path / "set" / file).read_bytes() == (tmp_path / "local" / file).read_bytes()


def test_a_revision_that_is_not_there_is_said(spec: Path, online: Online) -> None:
    on_the_hub(spec, "nowhere")
    done = online("build", spec, "--out", "set")
    assert done.returncode == 1
    assert "org/sums@nowhere/test: cannot be loaded from the Hub" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_is_not_there_is_said(spec: Path, offtraj: Online, tmp_path: Path) -> None:
    on_the_hub(spec, "f" * 40)
    done = offtraj("build", spec, "--out", "set", HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot be loaded from the Hub" in done.stderr
    assert not (tmp_path / "set").exists()


def test_a_model_of_the_hub_is_scored_on_a_set_of_the_hub(spec: Path, hub: Hub, online: Online, tmp_path: Path) -> None:
    spec.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 300}"))
    assert online("build", spec, "--out", "set").returncode == 0
    published = hub.publish("datasets/org/set", tmp_path / "set").oid
    arguments = ["--model", "org/tiny@main", "--on", "weak", "--limit", "3", "--out", "run"]
    done = online("run", "org/set@v1.0.0", *arguments)
    assert done.returncode == 0, done.stderr
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["data"]["revision"] == published
    assert (info["model"]["path"], info["model"]["revision"]) == ("org/tiny", hub["org/tiny"].head)
    assert not any("resolve" in asked and "trajectories--" in asked for asked in hub.asked)  # nobody reads them here
    local = online("run", "set", *arguments[:-1], "local")
    assert local.returncode == 0, local.stderr
    assert (tmp_path / "local" / "outcomes.parquet").read_bytes() == (
        tmp_path / "run" / "outcomes.parquet"
    ).read_bytes()


def test_a_score_becomes_a_result_for_the_models_repository(
    spec: Path, hub: Hub, online: Online, tmp_path: Path
) -> None:
    spec.write_text(
        SPEC.replace("samples: 4}", "samples: 4, max_tokens: 300}").replace(
            "variants: [default, solvable, answer-forcing]", "ratios: [0.2]"
        )
    )
    assert online("build", spec, "--out", "set").returncode == 0
    published = hub.publish("datasets/org/set", tmp_path / "set").oid
    on_weak = ["--model", "org/tiny@main", "--on", "weak", "--test", "guidability"]
    done = online("run", "org/set@v1.0.0", *on_weak, "--out", "run")
    assert done.returncode == 0, done.stderr
    done = online("report", "run", "--eval-results", "model")
    assert done.returncode == 0, done.stderr
    assert "\nmodel/.eval_results/set.yaml\n" in done.stdout
    (entry,) = parse_eval_result_entries(yaml.safe_load((tmp_path / "model/.eval_results/set.yaml").read_text()))
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("org/set", "guidability--weak", published)
    cells = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    assert entry.value == next(cell["score"] for cell in cells if cell["ratio"] is cell["guide"] is None)
    assert online("run", "set", *on_weak, "--out", "local").returncode == 0
    done = online("report", "local", "--eval-results", "other")
    assert done.returncode == 2
    assert "local: does not say which data set of the Hub it was on: publish the data set and run on" in done.stderr


@pytest.mark.parametrize("target", ["org/none", "org/set@v9.9.9"])
def test_a_set_that_is_not_there_is_said(hub: Hub, online: Online, target: str) -> None:
    hub.commit("datasets/org/set", {"README.md": b"A set."})
    done = online("run", target, "--model", "org/tiny")
    assert done.returncode == 1
    assert f"offtraj: {target}: cannot be fetched from the Hub" in done.stderr
