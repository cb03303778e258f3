"""What a doctor tells of models in this process, and of recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.models import Template

from offtraj.doctor import examine, kinds
from offtraj.errors import EngineError, UsageError
from offtraj.spec import load_spec

from .conftest import MakeSpec, found, states


async def test_a_model_in_this_process_sees_the_ids_that_are_made(
    folders: Mapping[Template, Path], make_spec: MakeSpec
) -> None:
    diagnosis = await examine(make_spec(folders["qwen3"], max_tokens=256), "tiny", "local")
    assert not diagnosis.ailing
    assert found(diagnosis, "prompts: ids").found.startswith("in this process")
    assert found(diagnosis, "seed").state == "exact"
    assert found(diagnosis, "end tokens").found == "1 '<|im_end|>' (tokenizer, config, generation_config)"
    assert "top_k 20, repetition_penalty 1.3" in found(diagnosis, "generation defaults").found
    assert states(diagnosis)["solo sample"] == "unsupported"  # its weights are random


async def test_an_engine_that_the_doctor_does_not_know_is_not_exact(
    folders: Mapping[Template, Path], make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PROBES", ())
    diagnosis = await examine(make_spec(folders["qwen3"], max_tokens=256), "tiny", "local")
    assert [one.check for one in diagnosis.ailing] == ["engine"]
    assert "no questions for an engine of kind 'transformers'" in found(diagnosis, "engine").found


async def test_too_small_a_model_is_seen(folders: Mapping[Template, Path], make_spec: MakeSpec) -> None:
    diagnosis = await examine(make_spec(folders["r1"], max_tokens=4096), "tiny", "local")
    assert [one.check for one in diagnosis.ailing] == ["context"]
    assert found(diagnosis, "context").found == "the model holds 2,048 tokens, the spec samples up to 4,096"
    assert found(diagnosis, "context").remedy == "set sampling.max_tokens to 2048"


async def test_weights_that_are_not_there_are_a_finding(
    folders: Mapping[Template, Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (bare / name).write_bytes((folders["qwen3"] / name).read_bytes())
    diagnosis = await examine(make_spec(bare), "tiny", "local")
    assert [one.check for one in diagnosis.ailing] == ["model"]
    assert "cannot be loaded" in found(diagnosis, "model").found
    assert states(diagnosis)["context"] == "unsupported"


async def test_a_recording_shows_its_delimiters_and_can_be_asked_nothing(tmp_path: Path, data: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        f"""\
name: probe
version: 1.0.0
benchmarks: [{{id: b, source: {{file: questions.jsonl}}, columns: {{id: id, question: question, answer: answer}}}}]
engines: {{tape: {{kind: recorded, files: [{data}/traces/aime25_r1probe.jsonl.gz]}}}}
models:
  - {{id: r1, engine: tape, recorded_as: deepseek-ai/DeepSeek-R1-Distill-Llama-8B, tokenizer: words}}
  - {{id: nobody, engine: tape, recorded_as: nobody, tokenizer: words}}
tests: {{recoverability: {{}}}}
"""
    )
    file = load_spec(tmp_path / "spec.yaml")
    diagnosis = await examine(file, "r1")
    assert not diagnosis.ailing
    assert found(diagnosis, "recording").found == (
        "15 recorded responses, which cannot be sampled; their delimiters, found in each response: "
        "<think> … </think>: 15"
    )
    missing = await examine(file, "nobody")
    told = found(missing, "recording")
    assert told.state == "unsupported"
    assert "'deepseek-ai/DeepSeek-R1-Distill-Llama-8B'" in told.found
    with pytest.raises(UsageError, match="has no weights"):
        await examine(file, "r1", "http://127.0.0.1:9/v1")


async def test_a_recorded_model_with_weights_can_be_examined_with_them(
    folders: Mapping[Template, Path], tmp_path: Path
) -> None:
    (tmp_path / "spec.yaml").write_text(
        f"""\
name: probe
version: 1.0.0
benchmarks: [{{id: b, source: {{file: questions.jsonl}}, columns: {{id: id, question: question, answer: answer}}}}]
engines: {{tape: {{kind: recorded, files: [tape.jsonl]}}}}
models: [{{id: r1, engine: tape, recorded_as: r1, tokenizer: words, path: {folders["r1"]}}}]
sampling: {{max_tokens: 128}}
tests: {{recoverability: {{}}}}
"""
    )
    diagnosis = await examine(load_spec(tmp_path / "spec.yaml"), "r1", "transformers")
    assert not diagnosis.ailing
    assert found(diagnosis, "thinking").state == "exact"


async def test_what_cannot_be_examined_is_said(
    folders: Mapping[Template, Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"--model 'other': .*spec.yaml has no such model or guide, but tiny"):
        await examine(make_spec(folders["r1"]), "other")
    with pytest.raises(UsageError, match="--engine 'gpu': expected one of api, local, transformers, an http:// or"):
        await examine(make_spec(folders["r1"]), "tiny", "gpu")
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "ByT5Tokenizer"}))
    with pytest.raises(EngineError, match="slow: its tokenizer is a slow one"):
        await examine(make_spec(slow), "tiny")
    untold = tmp_path / "untold"
    untold.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (untold / name).write_bytes((folders["qwen3"] / name).read_bytes())
    with pytest.raises(EngineError, match="untold: its tokenizer has no chat template"):
        await examine(make_spec(untold), "tiny")
    with pytest.raises(EngineError, match="the tokenizer of .*empty.* cannot be loaded"):
        (tmp_path / "empty").mkdir()
        await examine(make_spec(tmp_path / "empty"), "tiny")
