"""A real model in this process."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from offtraj.engines.sampler import request_key
from offtraj.engines.transformers import LocalEngine
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Reply, Request, SamplingParams
from offtraj.model.model import Model, model_at


@pytest.fixture(scope="module")
def model(qwen3: Path) -> Model:
    return model_at(str(qwen3))


def make_request(model: Model, question: str, samples: int = 1, **params: Any) -> Request:
    assert model.format is not None
    prompt = model.format.solo(question)
    defaults = SamplingParams(temperature=0.6, top_p=0.95, max_tokens=len(prompt.ids) + 12, seed=0)
    values = replace(defaults, **params)
    return Request(request_key("m", question, prompt, values), question, prompt, tuple(range(samples)), values)


async def generate(engine: LocalEngine, requests: list[Request]) -> dict[tuple[str, int], Completion]:
    found = {}
    async for reply in engine.replies(requests):
        assert isinstance(reply.result, Completion)
        found[reply.request.subject, reply.sample] = reply.result
    return found


async def test_every_sample_gets_a_completion_within_its_budget(model: Model) -> None:
    requests = [make_request(model, f"What is {n} + {n}?" + " Hm." * n, samples=2) for n in range(5)]
    found = await generate(LocalEngine(model, batch=3), requests)
    assert set(found) == {(request.subject, n) for request in requests for n in range(2)}
    for completion in found.values():
        assert completion.tokens is not None
        assert completion.tokens <= 12
        assert (completion.finish_reason == "length") == (
            completion.tokens == 12 and completion.finish_reason != "stop"
        )


async def test_a_sample_depends_on_its_prompt_and_seed_and_not_on_its_batch(model: Model) -> None:
    requests = [make_request(model, f"What is {n}?" + " Hm." * n, samples=3) for n in range(4)]
    together = await generate(LocalEngine(model, batch=12), requests)
    alone = await generate(LocalEngine(model, batch=1), list(reversed(requests)))
    assert together == alone


async def test_samples_and_seeds_differ(model: Model) -> None:
    found = await generate(LocalEngine(model, batch=8), [make_request(model, "x", samples=8)])
    assert len({completion.text for completion in found.values()}) > 4
    other = await generate(LocalEngine(model, batch=8), [make_request(model, "x", samples=8, seed=1)])
    assert found != other


async def test_temperature_0_is_greedy(model: Model) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    request = make_request(model, "What is 3 + 4?", samples=2, temperature=0)
    found = await generate(LocalEngine(model, batch=2), [request])
    assert model.path is not None
    weights = AutoModelForCausalLM.from_pretrained(model.path)
    assert request.prompt is not None and model.format is not None
    ids = list(request.prompt.ids)
    with torch.inference_mode():
        for _ in range(12):
            ids.append(int(weights(torch.tensor([ids])).logits[0, -1].argmax()))
    written = ids[len(request.prompt.ids) :]
    expected = model.format.tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert {completion.text for completion in found.values()} == {expected}


async def test_samples_follow_the_models_own_distribution(model: Model) -> None:
    """Nothing of the model's generation defaults (top-k 20, repetition penalty 1.3) leaks into the test."""
    import torch
    from transformers import AutoModelForCausalLM

    assert model.format is not None
    prompt = model.format.solo("x")
    draws = 3000
    request = make_request(model, "x", samples=draws, temperature=1, top_p=0.8, max_tokens=len(prompt.ids) + 1)
    found = await generate(LocalEngine(model, batch=1000), [request])
    assert model.path is not None
    weights = AutoModelForCausalLM.from_pretrained(model.path)
    with torch.inference_mode():
        chances = torch.softmax(weights(torch.tensor([list(prompt.ids)])).logits[0, -1].double(), -1).numpy()
    order = np.argsort(-chances)
    inside = order[np.cumsum(chances[order]) - chances[order] < 0.8]
    nucleus = chances[inside] / chances[inside].sum()
    tokenizer = model.format.tokenizer
    end = tokenizer.eos_token_id  # is left out of the text
    texts = ["" if token == end else str(tokenizer.decode([int(token)], skip_special_tokens=False)) for token in inside]
    counts = Counter(completion.text for completion in found.values())
    expected = Counter[str]()
    for text, share in zip(texts, nucleus, strict=True):
        expected[text] += draws * share
    assert set(counts) <= set(expected)
    keys = sorted(expected)
    assert stats.chisquare([counts[k] for k in keys], [expected[k] for k in keys]).pvalue > 1e-4


async def test_a_prompt_that_takes_the_whole_budget_is_truncated(model: Model) -> None:
    found = await generate(LocalEngine(model, batch=2), [make_request(model, "x", max_tokens=3)])
    assert [(c.text, c.finish_reason, c.tokens) for c in found.values()] == [("", "length", 0)]


async def test_a_context_that_is_too_short_is_refused_or_where_asked_for_the_limit(model: Model) -> None:
    long = make_request(model, "Hm. " * 1005, max_tokens=100_000)
    assert long.prompt is not None
    with pytest.raises(
        EngineError, match=r"its context is 2048 tokens .* `sampling.max_tokens` is 100000: lower max_tokens"
    ):
        await generate(LocalEngine(model, batch=2), [long])
    assert 2000 < len(long.prompt.ids) < 2048
    (found,) = (await generate(LocalEngine(model, batch=1, clip=True), [long])).values()
    assert found.tokens is not None
    assert found.tokens <= 2048 - len(long.prompt.ids)


async def test_special_tokens_stay_in_the_text(model: Model) -> None:
    """The delimiters are special tokens of the vocabulary; only the end token is left out."""
    request = make_request(model, "x", samples=400, temperature=2, top_p=1)
    found = await generate(LocalEngine(model, batch=200), [request])
    texts = [completion.text for completion in found.values()]
    assert any("<think>" in text for text in texts)
    assert any(completion.finish_reason == "stop" for completion in found.values())
    assert not any(text.endswith("<|im_end|>") for text in texts)


async def test_nothing_is_loaded_before_the_first_request(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", refuse)
    engine = LocalEngine(model, batch=1)
    assert await generate(engine, []) == {}
    await engine.close()


async def test_weights_that_cannot_be_loaded_are_said(model: Model, tmp_path: Path, qwen3: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in qwen3.iterdir():
        (broken / file.name).write_bytes(b"x" if file.name == "model.safetensors" else file.read_bytes())
    other = model_at(str(broken))
    assert other.revision != model.revision
    with pytest.raises(EngineError, match="cannot be loaded"):
        await generate(LocalEngine(other, batch=1), [make_request(other, "x")])


async def test_a_cancelled_generation_stops_its_thread(model: Model) -> None:
    request = make_request(model, "x", samples=8, max_tokens=2000, top_p=1, temperature=2)
    engine = LocalEngine(model, batch=8)

    async def consume() -> list[Reply]:
        return [reply async for reply in engine.replies([request])]

    task = asyncio.create_task(consume())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_folders_identity_is_its_content(qwen3: Path, r1: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for file in qwen3.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert model_at(str(copy)).identity == model_at(str(qwen3)).identity != model_at(str(r1)).identity
    (copy / "config.json").write_text((copy / "config.json").read_text().replace("2048", "2047"))
    assert model_at(str(copy)).identity != model_at(str(qwen3)).identity


def test_a_folder_without_a_tokenizer_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the tokenizer of .* cannot be loaded"):
        model_at(str(tmp_path))
