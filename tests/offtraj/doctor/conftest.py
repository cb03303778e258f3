"""Models of all five templates, and specs that name one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.models import TEMPLATES, Template, make_model

from offtraj.doctor import Diagnosis, Finding
from offtraj.spec import SpecFile, load_spec

MAKE = """\
name: probe
version: 1.0.0
benchmarks: [{{id: b, source: {{file: questions.jsonl}}, columns: {{id: id, question: question, answer: answer}}}}]
engines:
  api: {{kind: openai, base_url: "{base_url}", prompts: {prompts}, max_retries: 0{engine}}}
  local: {{kind: transformers}}
models: [{{id: tiny, path: {path}, engine: api{model}}}]
guides: {guides}
sampling: {{temperature: {temperature}, max_tokens: {max_tokens}}}
tests: {tests}
"""

MakeSpec = Callable[..., SpecFile]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Template, Path]:
    """A tiny model of each template."""
    root = tmp_path_factory.mktemp("five")
    return {template: make_model(root / template, template) for template in TEMPLATES}


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    """A spec of one model; keywords are what stands in it."""

    def make(path: Path | str, **fields: Any) -> SpecFile:
        defaults = {"prompts": "ids", "engine": "", "model": "", "guides": "[]", "temperature": 0.6, "max_tokens": 2048}
        defaults |= {"base_url": "http://127.0.0.1:9/v1", "tests": "{recoverability: {}}"}
        file = tmp_path / "spec.yaml"
        file.write_text(MAKE.format(path=path, **(defaults | fields)))
        return load_spec(file)

    return make


def found(diagnosis: Diagnosis, check: str) -> Finding:
    """The finding of one check."""
    (one,) = [one for one in diagnosis.findings if one.check == check]
    return one


def states(diagnosis: Diagnosis) -> dict[str, str]:
    """States by check, of what is not exact."""
    return {one.check: one.state for one in diagnosis.findings if one.state != "exact"}
