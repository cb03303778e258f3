"""A real vLLM sees a hundred real prompts of each template as they are, and the doctor says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.echo import echoed, hundred_prompts
from support.models import TEMPLATES, Template, make_model, make_tokenizer
from support.vllm import ENGINE, vllm_python

from offtraj.doctor import Diagnosis, examine
from offtraj.engines.vllm.command import vllm_command
from offtraj.engines.vllm.server import VllmServer
from offtraj.model.model import model_at
from offtraj.model.prompt import ChatFormat
from offtraj.model.trajectory import THINK
from offtraj.spec import SpecFile, VllmSpec, load_spec

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow, pytest.mark.xdist_group("vllm")]

SPEC = """\
name: exact
version: 1.0.0
benchmarks: [{id: b, source: {file: questions.jsonl}, columns: {id: id, question: question, answer: answer}}]
engines:
  gpu: ENGINE
  text: {kind: openai, base_url: "${BASE_URL:-http://127.0.0.1:9/v1}", api_key_env: EXACT_KEY, prompts: text}
  chat: {kind: openai, base_url: "${BASE_URL:-http://127.0.0.1:9/v1}", api_key_env: EXACT_KEY, prompts: chat}
models: [{id: r1, path: r1, engine: gpu}]
sampling: {max_tokens: 2048}
tests: {recoverability: {}}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> SpecFile:
    python = vllm_python()
    if python is None:
        pytest.skip("no vLLM: `make vllm`, or name an interpreter that has it in OFFTRAJ_VLLM_PYTHON")
    folder = tmp_path_factory.mktemp("exact")
    make_model(folder / "r1", "r1")
    (folder / "spec.yaml").write_text(SPEC.replace("ENGINE", ENGINE).replace("PYTHON", str(python)))
    return load_spec(folder / "spec.yaml")


@pytest.fixture(scope="module")
def server(file: SpecFile) -> Iterator[VllmServer]:
    spec = file.spec.engines["gpu"]
    assert isinstance(spec, VllmSpec)
    model = model_at(str(file.path.parent / "r1"))
    server = VllmServer(vllm_command(spec, model, file), start_timeout=300)
    asyncio.run(server.start())
    try:
        yield server
    finally:
        asyncio.run(server.close())


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_hundred_real_prompts_arrive_as_they_are(server: VllmServer, data: Path, template: Template) -> None:
    prompts = hundred_prompts(ChatFormat(make_tokenizer(template), THINK, name=template), data)
    assert asyncio.run(echoed(server.base_url, prompts, key=server.key)) == [prompt.ids for prompt in prompts]


@pytest.mark.parametrize("engine", ["text", "chat"])
def test_the_doctor_finds_it_exact(
    server: VllmServer, file: SpecFile, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", server.base_url)
    monkeypatch.setenv("EXACT_KEY", server.key)
    diagnosis = asyncio.run(examine(file, "r1", engine))
    assert not diagnosis.ailing
    told = _told(diagnosis)
    for mode in ("ids", "text", "chat"):  # R1's template keeps a turn as it is, and the BOS is not doubled
        assert told[f"prompts: {mode}"] == "taken: the same ids for each of 8 texts"
    assert told["echo"] == "the server reports the ids that it saw, and a run compares them"
    assert told["n"] == "two choices for two requested"
    assert told["stop"].startswith(("completions end with 1 '<|end|>'", "no completion ended"))
    if engine == "text":
        assert told["seed"].startswith("the same seed gives the same 32 tokens")
        assert told["sampling settings"] == "only those of the request"  # a server of ours has no defaults of its own


def _told(diagnosis: Diagnosis) -> dict[str, str]:
    return {one.check: one.found for one in diagnosis.findings}
