"""A few steps of real training: the folder loads, an interruption changes nothing, wrong input is told."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from offtraj._util.progress import OnProgress
from offtraj.errors import OutputError, UsageError
from offtraj.studies.pocket import training
from offtraj.studies.pocket.card import write_card
from offtraj.studies.pocket.family import choose, train_family
from offtraj.studies.pocket.recipe import FAMILY
from offtraj.studies.pocket.training import RECORD, train

TINY = replace(FAMILY["sturdy"], name="tiny", hidden=64, layers=1, steps=40)


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    """Training wants one thread and repeatable kernels; other tests do not."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_few_steps_make_a_folder_that_loads_and_a_loss_that_falls(tmp_path: Path) -> None:
    told: list[int] = []
    folder = train(TINY, tmp_path / "tiny", told.append)
    assert sum(told) == 40
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert model.config.vocab_size == len(tokenizer)
    record = json.loads((folder / RECORD).read_text())
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["sha256"]["model.safetensors"] == weights(folder)
    rows = (folder / "training" / "loss.csv").read_text().splitlines()[1:]
    losses = [float(row.partition(",")[2]) for row in rows]
    assert losses[-1] < losses[0] - 0.5
    assert "<svg" in (folder / "training" / "loss.svg").read_text()
    assert not list(tmp_path.glob(".tiny*"))


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    recipe = replace(TINY, steps=6)
    one, two = train(recipe, tmp_path / "one"), train(recipe, tmp_path / "two")
    three = train(replace(recipe, seed=1), tmp_path / "three")
    assert weights(one) == weights(two) != weights(three)


def test_what_was_interrupted_goes_on_and_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_KEEP_EVERY", 4)
    recipe = replace(TINY, steps=12)
    whole = train(recipe, tmp_path / "whole")
    steps: list[int] = []

    def stop(count: int) -> None:
        steps.append(count)
        if sum(steps) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "again", stop)
    assert not (tmp_path / "again").exists()
    again: list[int] = []
    train(recipe, tmp_path / "again", again.append)
    assert again[0] == 4  # from the last state that was kept
    assert weights(tmp_path / "again") == weights(whole)
    assert (tmp_path / "again" / "training" / "loss.csv").read_bytes() == (whole / "training" / "loss.csv").read_bytes()


@pytest.mark.parametrize(
    ("kept", "message"), [("other", "of another recipe"), ("garbage", "not a saved training state")]
)
def test_another_trainings_state_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, message: str
) -> None:
    monkeypatch.setattr(training, "_KEEP_EVERY", 1)
    if kept == "garbage":
        (tmp_path / ".tiny.state").write_bytes(b"x")
    else:

        def stop(_count: int) -> None:
            if (tmp_path / ".tiny.state").exists():
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(TINY, tmp_path / "tiny", stop)
    with pytest.raises(UsageError, match=message):
        train(replace(TINY, slips=0.0), tmp_path / "tiny")


def test_a_family_is_trained_side_by_side_and_once(tmp_path: Path) -> None:
    recipes = [replace(TINY, name=name, steps=3) for name in ("a", "b", "c")]
    shown: dict[str, list[int]] = {}

    class Shown:
        def __call__(self, name: str, total: int, /) -> OnProgress:
            assert total == 3
            return shown.setdefault(name, []).append

        def wait(self, _what: str, /) -> None:
            raise AssertionError("training waits for nothing")

    folders = train_family(recipes, tmp_path / "out", jobs=2, progress=Shown())
    assert [folder.name for folder in folders] == ["a", "b", "c"]
    assert {name: sum(steps) for name, steps in shown.items()} == {"train a": 3, "train b": 3, "train c": 3}
    before = [(folder / RECORD).stat().st_mtime_ns for folder in folders]
    assert train_family(recipes, tmp_path / "out", jobs=2) == folders
    assert [(folder / RECORD).stat().st_mtime_ns for folder in folders] == before
    with pytest.raises(OutputError, match="by another recipe"):
        train_family([replace(recipes[0], seed=9)], tmp_path / "out", jobs=1)
    (tmp_path / "out" / "tiny").mkdir()
    (tmp_path / "out" / "tiny" / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="is not a pocket model"):
        train_family([TINY], tmp_path / "out", jobs=1)


def test_members_are_chosen_by_name() -> None:
    assert [recipe.name for recipe in choose([], seed=None)] == list(FAMILY)
    assert choose(["weak", "weak"], seed=3) == [replace(FAMILY["weak"], seed=3)]
    with pytest.raises(UsageError, match="'nobody': there is no pocket model of this name: choose from sturdy"):
        choose(["nobody"], seed=None)


def test_doses_differ_in_the_dose_alone() -> None:
    series = [FAMILY[name] for name in ("fragile", "dose-low", "dose-middle", "sturdy")]
    assert sorted(recipe.slips for recipe in series) == [recipe.slips for recipe in series]
    assert series[0].slips == 0
    assert len({replace(recipe, name="", says="", slips=0.0) for recipe in series}) == 1


def test_a_card_says_how_it_was_trained(tmp_path: Path) -> None:
    folder = train(replace(TINY, steps=2), tmp_path / "tiny")
    write_card(folder, None)
    card = (folder / "README.md").read_text()
    assert "Not measured yet." in card
    assert f"| `model.safetensors` | `{weights(folder)}` |" in card


def test_an_interrupted_command_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "offtraj", "train", "narrow", "--out", "models", "--jobs", "1"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert "train narrow: " in process.stderr.readline()  # at work
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted: run the same command again" in stderr
    assert "Traceback" not in stderr
