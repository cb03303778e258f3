"""The command that starts a vLLM server: interpreter, flags and environment. Starting it is left to `server`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from offtraj.errors import EngineError, MissingExtraError
from offtraj.model.model import Model
from offtraj.spec import SpecFile, VllmSpec

__all__ = ["VllmCommand", "vllm_command"]

_PYTHON = "OFFTRAJ_VLLM_PYTHON"
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "PYTHONUNBUFFERED": "1"}


class VllmCommand(NamedTuple):
    """The command, except for address and key."""

    python: str
    """The interpreter that has vLLM."""
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    """Variables in addition to those of this process."""
    served: str
    """The model's name at the server."""

    def line(self, port: int) -> list[str]:
        """The command line, without the key."""
        module = "vllm.entrypoints.openai.api_server"
        return [self.python, "-m", module, "--host", "127.0.0.1", "--port", str(port), *self.arguments]

    def variables(self, key: str) -> dict[str, str]:
        """The complete environment, with the key."""
        # Python must not import a folder of the name vllm in the working directory.
        ours = {**os.environ, "PYTHONSAFEPATH": "1"}
        if self.python != sys.executable:  # it has an environment of its own
            for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
                ours.pop(name, None)
        return {**_QUIET, **ours, **self.environment, "VLLM_API_KEY": key}


def vllm_command(spec: VllmSpec, model: Model, file: SpecFile | None = None) -> VllmCommand:
    """The command that serves a model.

    Args:
        spec: The engine's declaration.
        model: The model.
        file: Where the declaration stands; none for one given by hand.

    Raises:
        SpecError: for a variable that is not set.
        EngineError: for an interpreter that does not exist.
        MissingExtraError: where vLLM is not installed.
    """
    engines = {} if file is None else file.spec.engines
    name = next((name for name, engine in engines.items() if engine is spec), "")

    def expanded(value: str, *loc: str) -> str:
        return value if file is None else file.expand(value, "engines", name, *loc)

    folder = Path() if file is None else file.path.parent
    python = _python(expanded(spec.python or "", "python"), folder)
    context = spec.max_model_len or (None if file is None else file.spec.sampling.max_tokens)
    environment = {key: expanded(value, "environment", key) for key, value in spec.environment.items()}
    return VllmCommand(python, tuple(_arguments(spec, model, context)), environment, model.id)


def _arguments(spec: VllmSpec, model: Model, context: int | None) -> Iterator[str]:
    assert model.path is not None and model.format is not None  # only recordings have none
    yield from ("--model", model.path, "--served-model-name", model.id)
    if not model.in_folder and model.revision is not None:
        yield from ("--revision", model.revision)
    if (tokenizer := model.format.tokenizer.name_or_path) != model.path:
        yield from ("--tokenizer", tokenizer)
    elif not model.in_folder and model.revision is not None:
        yield from ("--tokenizer-revision", model.revision)
    yield from ("--tensor-parallel-size", str(spec.tensor_parallel))
    yield from ("--data-parallel-size", str(spec.data_parallel))
    yield from ("--dtype", spec.dtype)
    if context is not None:
        yield from ("--max-model-len", str(context))
    # A model's own top-k or repetition penalty must not leak into the test.
    yield from ("--generation-config", "vllm", "--enable-prefix-caching", "--disable-uvicorn-access-log")
    for name, value in spec.options.items():
        yield from _option(name, value)


def _option(name: str, value: object) -> Iterator[str]:
    first, dot, rest = name.partition(".")
    flag = f"--{first.replace('_', '-')}{dot}{rest}"
    if isinstance(value, bool):
        yield flag if value else f"--no-{flag.removeprefix('--')}"
    elif isinstance(value, list):
        yield from (flag, *map(_plain, value))
    elif isinstance(value, dict):
        yield from (flag, json.dumps(value))
    else:
        yield f"{flag}={_plain(value)}"  # one argument, so that a value may begin with a dash


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _python(named: str, folder: Path) -> str:
    """The interpreter: the spec's, else this one if it has vLLM, else that of `OFFTRAJ_VLLM_PYTHON`."""
    if not named and (found := find_spec("vllm")) is not None and found.origin is not None:
        return sys.executable
    where = "`python` of the engine" if named else _PYTHON
    named = named or os.environ.get(_PYTHON, "")
    if not named:
        raise MissingExtraError(
            "an engine of kind vllm needs vLLM, which is not installed here: pip install 'offtraj[vllm]', or name an "
            f"interpreter that has it in an environment of its own, as the engine's `python` or in {_PYTHON}"
        )
    # Links are not resolved: an interpreter finds its environment by the path that it was called by.
    path = os.path.abspath(folder / Path(named).expanduser()) if "/" in named else shutil.which(named)
    if path is None or not os.access(path, os.X_OK) or Path(path).is_dir():
        raise EngineError(f"{where}: {named!r}: there is no such interpreter: give the path of one that has vLLM")
    return path
