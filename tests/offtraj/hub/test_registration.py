"""The file by which the Hub knows a data set as a benchmark."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import yaml
from support.factories import SPEC, write_small_benchmark

from offtraj.dataset.manifest import read_manifest
from offtraj.hub.registration import render_registration
from offtraj.spec import load_spec

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_small_benchmark(tmp_path)


def test_a_benchmark_is_registered_where_the_spec_asks_for_it(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    spec.write_text(SPEC + 'description: "Tests: two, of models"\npublish: {repo: org/small, eval: true}\n')
    for out in ("one", "two"):
        done = offtraj("build", spec, "--out", out)
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "one" / "eval.yaml").read_bytes()
    assert text == (tmp_path / "two" / "eval.yaml").read_bytes()
    value = yaml.safe_load(text)
    assert (value["name"], value["description"], value["evaluation_framework"]) == (
        "small",
        "Tests: two, of models",
        "offtraj",
    )
    manifest = read_manifest(tmp_path / "one")
    steered = [e.config for e in manifest.files if e.config.startswith(("recoverability--", "guidability--"))]
    assert value["tasks"] == [{"id": config, "config": config, "split": "test"} for config in steered]
    for task in value["tasks"]:
        builder = datasets.load_dataset_builder(
            str(tmp_path / "one"), task["config"], cache_dir=str(tmp_path / "cache")
        )
        assert task["split"] in builder.info.splits
    assert render_registration(load_spec(tmp_path / "one" / "spec.yaml").spec, manifest) == text.decode()
    assert "eval.yaml" not in {entry.path for entry in manifest.files}


@pytest.mark.parametrize("publish", ["", "publish: {repo: org/small}\n"])
def test_no_benchmark_is_registered_unasked(spec: Path, offtraj: Run, tmp_path: Path, publish: str) -> None:
    spec.write_text(SPEC + publish)
    assert offtraj("build", spec, "--out", "set").returncode == 0
    assert not (tmp_path / "set" / "eval.yaml").exists()


def test_a_registration_that_is_no_longer_asked_for_goes(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    for publish in ("publish: {repo: org/small, eval: true}\n", "publish: {repo: org/small}\n"):
        spec.write_text(SPEC + publish)
        assert offtraj("build", spec, "--out", "set").returncode == 0
    assert not (tmp_path / "set" / "eval.yaml").exists()
