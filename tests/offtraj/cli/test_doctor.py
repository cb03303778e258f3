"""`offtraj doctor`, as a user would run it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.background import in_background
from support.chat_server import chatting

Run = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
name: probe
version: 1.0.0
benchmarks: [{{id: b, source: {{file: questions.jsonl}}, columns: {{id: id, question: question, answer: answer}}}}]
engines: {{api: {{kind: openai, base_url: "{base_url}", max_retries: 0}}}}
models: [{{id: tiny, path: {path}, engine: api}}]
sampling: {{max_tokens: 2048}}
tests: {{recoverability: {{}}}}
"""


def test_an_exact_model_and_what_is_not(offtraj: Run, tmp_path: Path, qwen3: Path) -> None:
    with in_background(lambda: chatting(qwen3)) as server:
        (tmp_path / "spec.yaml").write_text(SPEC.format(base_url=server.base_url, path=qwen3))
        done = offtraj("doctor", "spec.yaml", "--model", "tiny")
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[-1] == "tiny with api: exact"
    assert any(
        line.startswith("thinking ") and "the model opens it itself: '<think>\\n' … '</think>'" in line
        for line in lines
    )
    assert any(line.startswith("chat prefill ") and "(inexact)" in line for line in lines)
    with in_background(lambda: chatting(qwen3, context=512)) as server:
        url = ("--engine", server.base_url)
        done = offtraj("doctor", "spec.yaml", "--model", "tiny", *url)
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == f"tiny with {server.base_url}: not exact as it is: served context"
        done = offtraj("doctor", "spec.yaml", "--model", "tiny", *url, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["exact"] is False
    assert {"check", "state", "found", "remedy", "needed"} == set(told["findings"][0])
    assert [one["check"] for one in told["findings"] if one["needed"] and one["state"] != "exact"] == ["served context"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("spec.yaml", "--model", "none"), 2, "offtraj: --model 'none': "),
        (("spec.yaml", "--model", "tiny", "--engine", "none"), 2, "offtraj: --engine 'none': expected one of api, "),
        (("no.yaml", "--model", "tiny"), 2, "offtraj: no.yaml"),
        (("spec.yaml",), 2, "--model"),
    ],
)
def test_wrong_names_are_wrong_usage(
    offtraj: Run, tmp_path: Path, qwen3: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.format(base_url="http://127.0.0.1:9/v1", path=qwen3))
    done = offtraj("doctor", *arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stdout == ""
