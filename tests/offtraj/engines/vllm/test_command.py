"""How a vLLM server is called, and what its log is read for."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from support.factories import make_spec

from offtraj.engines.vllm.command import VllmCommand, vllm_command
from offtraj.engines.vllm.log import VllmLog
from offtraj.errors import EngineError, MissingExtraError, SpecError
from offtraj.model.model import Model, model_at
from offtraj.spec import SpecFile, VllmSpec

SPEC = """\
name: small
version: 1.0.0
benchmarks: [{id: sums, source: {file: questions.jsonl}}]
engines:
  gpu:
    kind: vllm
    python: bin/python
MORE
models: [{id: tiny, path: org/tiny, engine: gpu}]
sampling: {max_tokens: 4096}
tests: {recoverability: {}}
"""


@pytest.fixture(scope="module")
def model(qwen3: Path) -> Model:
    return model_at(str(qwen3), model_id="tiny")


def make_file(folder: Path, more: str = "    dtype: auto") -> SpecFile:
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    if not python.exists():
        python.symlink_to(sys.executable)
    return make_spec(SPEC.replace("MORE", more), folder)


def command(file: SpecFile, model: Model) -> VllmCommand:
    spec = file.spec.engines["gpu"]
    assert isinstance(spec, VllmSpec)
    return vllm_command(spec, model, file)


def test_a_model_is_served_under_its_id_with_room_for_the_sampling(model: Model, tmp_path: Path) -> None:
    made = command(make_file(tmp_path), model)
    line = " ".join(made.line(1234))
    assert line.startswith(f"{tmp_path}/bin/python -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port 1234 ")
    assert f" --model {model.path} --served-model-name tiny " in line
    assert "--revision" not in line
    assert " --max-model-len 4096 " in line
    assert " --generation-config vllm " in line
    more = command(make_file(tmp_path, "    max_model_len: 8192"), model)
    assert " --max-model-len 8192 " in " ".join(more.line(1))


def test_a_model_of_the_hub_is_pinned(model: Model, tmp_path: Path) -> None:
    pinned = dataclasses.replace(model, path="org/tiny", revision="a" * 40)
    line = " ".join(command(make_file(tmp_path), pinned).line(1))
    assert f" --revision {'a' * 40} --tokenizer {model.path} " in line


def test_options_are_flags_and_come_last(model: Model, tmp_path: Path) -> None:
    options = """\
    options:
      gpu_memory_utilization: 0.95
      enforce-eager: true
      enable-prefix-caching: false
      max-log-len: -1
      allowed-origins: [a, b]
      compilation-config: {mode: 3, sizes: [1, 2]}
      compilation-config.cache_dir: x"""
    arguments = command(make_file(tmp_path, options), model).arguments
    assert arguments[arguments.index("--disable-uvicorn-access-log") + 1 :] == (
        "--gpu-memory-utilization=0.95",
        "--enforce-eager",
        "--no-enable-prefix-caching",
        "--max-log-len=-1",
        "--allowed-origins",
        "a",
        "b",
        "--compilation-config",
        '{"mode": 3, "sizes": [1, 2]}',
        "--compilation-config.cache_dir=x",
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("model", "is no option: say a model's `path`"),
        ("served_model_name", "cannot be set: offtraj chooses it"),
        ("api-key", "cannot be set: offtraj chooses it"),
        ("port", "cannot be set: offtraj chooses the server's address"),
        ("reasoning-parser", "cannot be set: a reasoning parser removes thinking and its delimiters from the text"),
        ("reasoning", "cannot be set: a reasoning parser"),  # vLLM takes abbreviations
        ("generation-config", "cannot be set: sampling follows the spec only"),
        ("tensor-parallel-size", "is no option: say `tensor_parallel`"),
        ("max-model-len", "is no option: say `max_model_len`"),
        ("--seed", "expected a flag's name without its dashes"),
    ],
)
def test_flags_that_are_not_the_users_are_refused_where_they_stand(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        make_file(tmp_path, f"    options:\n      seed: 1\n      {name}: 1")
    assert f"spec.yaml:10:7: engines.gpu.options.{name}: {name!r}" in str(error.value)
    assert why in str(error.value)


def test_the_environment_is_set_and_the_key_is_not_the_specs(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARD", "3")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    made = command(make_file(tmp_path, '    environment: {CUDA_VISIBLE_DEVICES: "${CARD}"}'), model)
    variables = made.variables("key")
    assert variables["CUDA_VISIBLE_DEVICES"] == "3"
    assert variables["VLLM_API_KEY"] == "key"
    assert "PYTHONPATH" not in variables  # of another interpreter
    with pytest.raises(SpecError, match="each start of the server makes a new key"):
        make_file(tmp_path, "    environment: {VLLM_API_KEY: x}")


def test_an_interpreter_is_found_or_its_absence_said(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = VllmSpec(kind="vllm")
    monkeypatch.delenv("OFFTRAJ_VLLM_PYTHON", raising=False)
    monkeypatch.setattr("offtraj.engines.vllm.command.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'offtraj\[vllm\]', or name an interpreter"):
        vllm_command(spec, model)
    monkeypatch.setenv("OFFTRAJ_VLLM_PYTHON", "/nowhere/python")
    with pytest.raises(EngineError, match="OFFTRAJ_VLLM_PYTHON: '/nowhere/python': there is no such interpreter"):
        vllm_command(spec, model)
    monkeypatch.setenv("OFFTRAJ_VLLM_PYTHON", sys.executable)
    assert vllm_command(spec, model).python == sys.executable
    file = make_file(tmp_path)
    (tmp_path / "bin" / "python").unlink()
    with pytest.raises(EngineError, match="`python` of the engine: 'bin/python': there is no such interpreter"):
        command(file, model)


# As vLLM 0.32 wrote them, without what does not matter.
FAILURES = """\
api_server.py: error: unrecognized arguments: --x=3 | see the engine's `options`
  Value error, User-specified max_model_len (32768) is greater than the derived max_model_len (x=1024) | lower `sampling.max_tokens`
(EngineCore pid=1) ERROR 11-21 08:00:00 [core.py:1] ValueError: Available memory (9.54/11.96 GiB) on kv cache allocation is less than requested memory for kv (1000.0 GiB). | memory does not suffice
(Worker pid=1) ERROR 11-21 08:00:00 [x.py:1] torch.OutOfMemoryError: CUDA out of memory. | memory does not suffice
RuntimeError: Cannot find any model weights with `/tmp/x` | see its `path` and `revision`
/usr/bin/python: Error while finding module specification for 'vllm.x' (ModuleNotFoundError: No module named 'vllm') | that interpreter has no vLLM
OSError: [Errno 98] Address already in use | run the same command again
"""
CONSEQUENCE = "RuntimeError: Engine core initialization failed. See root cause above."


@pytest.mark.parametrize("failure", FAILURES.splitlines())
def test_a_failure_is_told_by_the_line_that_says_it_and_its_remedy(failure: str, tmp_path: Path) -> None:
    line, _, remedy = failure.rpartition(" | ")
    log = VllmLog(tmp_path / "log")
    log.path.write_text(f"{line}\nTraceback (most recent call last):\n{CONSEQUENCE}\n")
    why, found = log.why()
    assert why and why in line
    assert remedy in found
    log.begin()
    assert log.why() == ("", "")  # what was said is of another start
    with log.path.open("a") as file:
        file.write(f"(EngineCore pid=1) ERROR 11-21 08:00:00 [core.py:1] ZeroDivisionError: oops: 3\n{CONSEQUENCE}\n")
    assert log.why() == ("ZeroDivisionError: oops: 3", "")


# What is appended to the log, and what the server is then said to be doing.
STAGES = (
    ("Triton is installed, but doesn't include CPU backend. Disabling Triton.\n", ""),
    (
        "(Core pid=6) INFO 11-21 07:53:49 [x.py:1] Initializing an engine with config: model='x'\n",
        "Initializing an engine",
    ),
    (
        "\rLoading shards:   0% | 0/2 [00:00<?, ?it/s]\rLoading shards:  50% | 1/2 [00:01<00:01]",
        "Loading shards:  50% | 1/2 [00:01<00:01]",
    ),
    (
        "\n(Worker pid=1) INFO 11-21 07:53:56 [x.py:87] Warming up model for the compilation...\n",
        "Warming up model for the compilation...",
    ),
    ("(Worker pid=1) WARNING 11-21 07:53:56 [x.py:1] loading is slow\n", "Warming up model for the compilation..."),
)


def test_what_it_is_doing_is_read_from_its_log(tmp_path: Path) -> None:
    log = VllmLog(tmp_path / "log")
    assert log.doing() == ""
    for line, doing in STAGES:
        with log.path.open("a") as file:
            file.write(line)
        assert log.doing() == doing
