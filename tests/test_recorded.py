"""`specs/recorded.yaml`, built from the real recordings: what a reader of the paper would check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.background import in_background
from support.server import serving

from offtraj_builders.sentences import SentenceEnds

SPEC = Path(__file__).parents[1] / "specs" / "recorded.yaml"


@pytest.fixture(scope="module")
def built(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    command = [sys.executable, "-m", "offtraj", "build", str(SPEC), "--out", "set"]
    environment = {**os.environ, "OFFTRAJ_DATA": str(data), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "set"


@pytest.fixture(scope="module")
def manifest(built: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((built / "offtraj.json").read_text())
    return value


@pytest.fixture(scope="module")
def thinking(built: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Every solo sample by model, question and number."""
    found = {}
    for path in built.glob("trajectories--*/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            found[row["model"], row["question_id"], row["sample"]] = row
    return found


def rows(built: Path, config: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(built / config).to_pylist()
    return found


def test_the_recordings_are_read_as_they_are_described(manifest: dict[str, Any]) -> None:
    models = manifest["models"]
    sixteenths = {rate: n for rate, n in models["r1-llama-8b"]["solve_rates"].items() if rate.endswith("/16")}
    assert sum(sixteenths.values()) == 50
    assert {"0/16", "16/16"} <= set(sixteenths)
    assert manifest["benchmarks"] == {"math500": 500, "aime25": 30, "gsm8k": 1319}
    assert manifest["dropped_questions"] == []


def test_recoverability_is_of_correct_trajectories_cut_at_sentence_ends(built: Path, thinking: dict[Any, Any]) -> None:
    found = rows(built, "recoverability--r1-llama-8b")
    assert Counter(row["variant"] for row in found).keys() == {"default", "keep-first-paragraph", "cross-model"}
    ends: dict[Any, list[int]] = {}
    for row in found:
        own, between, steer = row["segments"]
        source = thinking["r1-llama-8b", row["question_id"], own["sample"]]
        key = (row["question_id"], own["sample"])
        ends.setdefault(key, SentenceEnds(source["thinking"]).all())
        assert source["verdict"] == "correct"
        assert row["prefix"] == own["text"] + between["text"] + steer["text"]
        assert own["text"] == source["thinking"][: own["end"]]
        assert (
            between["text"] == ("\n" if own["text"] and not own["text"].endswith("\n") else "") + "Wait. Let me think\n"
        )
        other = thinking[steer["model"], steer["question_id"], steer["sample"]]
        assert steer["text"] == other["thinking"][: steer["end"]]
        assert abs(steer["tokens"] - 0.2 * other["tokens"]) <= 0.5 or steer["tokens"] == 1
        assert steer["question_id"] != row["question_id"]
        assert (steer["model"] == "r1-llama-8b") == (row["variant"] != "cross-model")
        if row["variant"] != "keep-first-paragraph":
            assert own["end"] in {0, *ends[key]}
            assert (own["end"] == 0) == (row["position"] == 0)
            assert row["position"] == 0 or abs(own["tokens"] / source["tokens"] - row["position"]) < 0.5
        assert not row["prefix"].startswith(("<think>", "\n"))
        assert "</think>" not in row["prefix"]
    assert len({row["id"] for row in found}) == len(found)


def test_guidability_is_of_correct_guides_on_unsolved_questions(built: Path, thinking: dict[Any, Any]) -> None:
    guides: Counter[str] = Counter()
    for model in ("r1-llama-8b", "r1-qwen-1.5b", "r1-qwen-7b", "r1-qwen-32b", "s1.1-32b"):
        for row in rows(built, f"guidability--{model}"):
            steer, *closing = row["segments"]
            source = thinking[steer["model"], row["question_id"], steer["sample"]]
            guides[steer["model"]] += 1
            assert (source["verdict"], steer["role"], row["position"]) == ("correct", "steer", None)
            assert steer["text"] == source["thinking"][: steer["end"]]
            assert [segment["text"] for segment in closing] == (
                ["</think>"] if row["variant"] == "answer-forcing" else []
            )
            if row["variant"] == "solvable":
                assert row["solved"] == row["sampled"]
            else:
                assert row["solved"] <= 0.125 * row["sampled"]
            assert row["benchmark"] in ("aime25", "gsm8k")
    assert set(guides) == {"qwq-32b", "deepseek-r1"}


def test_guides_reveal_more_the_longer_they_go_on(built: Path) -> None:
    found = [row for row in rows(built, "guidability--r1-qwen-32b") if row["variant"] == "solvable"]
    shares = []
    for ratio in (0.2, 0.4, 0.6, 0.8):
        at = [row["reveals_answer"] for row in found if abs(row["ratio"] - ratio) < 1e-6]
        shares.append(sum(at) / len(at))
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] > 0.6


def test_every_think_style_is_split_and_put_together_again(thinking: dict[Any, Any], data: Path) -> None:
    openings = Counter(row["opening"] for row in thinking.values())
    assert openings.keys() == {"", "<think>\n", "\n", "think\n", "<|begin_of_thought|>\n\n"}
    closings = Counter(row["closing"] for row in thinking.values())
    assert closings.keys() == {"", "</think>", "\nanswer\n", "<|end_of_thought|>"}


def test_a_model_is_scored_on_it_end_to_end(built: Path, r1: Path, tmp_path: Path) -> None:
    what = ["run", str(built), "--model", str(r1), "--on", "r1-llama-8b", "--limit", "6"]
    command = [sys.executable, "-m", "offtraj", *what]
    with in_background(
        lambda: serving(lambda ids, seed: f"So it is {len(ids)}.</think>\\boxed{{{seed % 10}}}")
    ) as server:
        done, again = (
            subprocess.run(
                [*command, "--engine", server.base_url, "--out", "run"],
                cwd=tmp_path,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            for _ in range(2)
        )
    assert done.returncode == 0, done.stderr
    outcomes = pq.read_table(tmp_path / "run" / "outcomes.parquet").to_pylist()
    assert len(outcomes) == len(server.requests) == 12
    assert {o["exactness"] for o in outcomes} == {"ids"}
    assert again.stdout == done.stdout
