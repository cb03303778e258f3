"""Engines as a spec declares them: what turns token ids into completions. Opening them is left to `offtraj.engines`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, JsonValue

from offtraj.spec.base import Frozen, Positive

__all__ = ["EngineSpec", "OpenAISpec", "RecordedColumns", "RecordedSpec", "Served", "TransformersSpec", "VllmSpec"]


class TransformersSpec(Frozen):
    """The model in this process, with transformers: on a GPU where there is one, else on the CPU."""

    kind: Literal["transformers"]
    """The engine's kind."""
    batch: Positive = 32
    """Completions generated together."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; `auto` is the precision that they were saved in."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""


class Served(Frozen):
    """Options of every engine that sends requests to a server."""

    concurrency: Positive | None = None
    """Largest number of samples in flight. By default it is increased as long as throughput grows."""
    timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that one request may take."""
    max_retries: Annotated[int, Field(ge=0)] = 5
    """Number of retries, with back-off, after a time-out, a cut connection, a 5xx or a malformed answer."""
    # `patience` is its name in specs and runs of 0.1.0: it is still read, and digests keep it (see `SpecFile.digest`).
    max_wait: Annotated[
        float,
        Field(ge=0, validation_alias=AliasChoices("max_wait", "patience"), serialization_alias="patience"),
    ] = 600.0
    """Seconds that the server may refuse requests (429, 503) or be unreachable before the run gives up."""


_KEYS = {
    "model": "a model's `path`",
    "model-tag": "a model's `path`",
    "revision": "a model's `revision`",
    "tokenizer": "a model's `tokenizer`",
    "tokenizer-revision": "a model's `revision`",
    "tensor-parallel-size": "`tensor_parallel`",
    "tp": "`tensor_parallel`",
    "data-parallel-size": "`data_parallel`",
    "dp": "`data_parallel`",
    "dtype": "`dtype`",
    "max-model-len": "`max_model_len`",
}
_OURS = {
    **dict.fromkeys(("host", "port", "uds", "root-path", "grpc", "headless"), "offtraj chooses the server's address"),
    **dict.fromkeys(("ssl-keyfile", "ssl-certfile"), "offtraj asks the server on this machine, over HTTP"),
    **dict.fromkeys(("api-key", "served-model-name"), "offtraj chooses it"),
    "config": "a file could set what offtraj chooses: give its flags here",
    **dict.fromkeys(
        ("generation-config", "override-generation-config"),
        "sampling follows the spec only, not defaults from a model's folder",
    ),
    **dict.fromkeys(
        ("reasoning-parser", "reasoning-parser-plugin", "enable-reasoning"),
        "a reasoning parser removes thinking and its delimiters from the text, which must arrive as it was written",
    ),
}


def _is_option(name: str) -> str:
    """The name of a vLLM flag that a spec may set. Flags that offtraj sets are refused, as are their abbreviations.

    Raises:
        ValueError: for a flag that may not be set, with the reason.
    """
    flag = name.partition(".")[0].replace("_", "-")
    if not flag or flag.startswith("-"):
        raise ValueError(f"{name!r}: expected a flag's name without its dashes, such as gpu-memory-utilization")
    if flag in _KEYS:
        raise ValueError(f"{name!r} is no option: say {_KEYS[flag]}")
    for ours, why in _OURS.items():
        if ours.startswith(flag) or flag == f"no-{ours}":
            raise ValueError(f"{name!r} cannot be set: {why}")
    for key, instead in _KEYS.items():
        if key.startswith(flag):
            raise ValueError(f"{name!r} is no option: say {instead}")
    return name


def _is_variable(name: str) -> str:
    if name == "VLLM_API_KEY":
        raise ValueError(f"{name!r} cannot be set: each start of the server makes a new key")
    return name


def _is_value(value: JsonValue) -> JsonValue:
    if value is None:
        raise ValueError("expected a value: true for a flag that takes none")
    return value


class VllmSpec(Served):
    """A vLLM server that offtraj starts at the first request and stops when the command ends, even by a kill.

    It serves one model on this machine and ignores the model's own sampling defaults.
    """

    kind: Literal["vllm"]
    """The engine's kind."""
    tensor_parallel: Positive = 1
    """Number of GPUs for one copy of the model."""
    data_parallel: Positive = 1
    """Number of copies of the model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; `auto` is the precision that they were saved in."""
    max_model_len: Positive | None = None
    """Context length: tokens of prompt and completion together. By default `sampling.max_tokens`."""
    options: dict[Annotated[str, AfterValidator(_is_option)], Annotated[JsonValue, AfterValidator(_is_value)]] = Field(
        default_factory=dict
    )
    """Further flags of vLLM, by name: `gpu-memory-utilization: 0.95` is `--gpu-memory-utilization 0.95`, true is
    the bare flag, false is `--no-…`, a list is several values, a mapping is JSON."""
    environment: dict[Annotated[str, AfterValidator(_is_variable)], str] = Field(default_factory=dict)
    """Additional environment variables of the server."""
    python: str | None = None
    """A Python interpreter that has vLLM. By default the current one if it has, else that of
    `OFFTRAJ_VLLM_PYTHON`."""
    start_timeout: Annotated[float, Field(gt=0)] = 1800.0
    """Seconds until it must be ready, including downloads from the Hub."""


class OpenAISpec(Served):
    """An OpenAI-compatible server: vLLM, SGLang, llama.cpp, a router."""

    kind: Literal["openai"]
    """The engine's kind."""
    base_url: str
    """The API's URL, such as `http://127.0.0.1:8000/v1`; `${NAME}` is read from the environment."""
    api_key_env: str | None = None
    """Environment variable that holds the key. A spec never holds the key itself."""
    prompts: Literal["ids", "text", "chat", "auto"] = "ids"
    """The prompt mode: token `ids`, the only exact one; `text`, which the server tokenises; a prefilled `chat`
    turn, which the server renders. `auto` is the first of these that the server accepts."""


class RecordedColumns(Frozen):
    """The names of a recording's columns."""

    question_id: str = "question_id"
    """The question's id, as in its benchmark."""
    model: str = "model"
    """The model that wrote the response; compared with a model's `recorded_as`."""
    sample: str = "sample"
    """The sample's number, for models that answered a question more than once."""
    response: str = "response"
    """Everything the model wrote."""
    finish_reason: str | None = None
    """`stop` or `length`, where the recording has it."""


class RecordedSpec(Frozen):
    """Responses that were recorded earlier, by offtraj or another program."""

    kind: Literal["recorded"]
    """The engine's kind."""
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """JSON Lines or Parquet. Where several files hold the same model, question and sample number, the samples
    of later files are numbered after those of earlier ones, so that appending a file renumbers nothing."""
    columns: RecordedColumns = RecordedColumns()
    """Names of the columns, where they are not the usual ones."""


EngineSpec = Annotated[TransformersSpec | VllmSpec | OpenAISpec | RecordedSpec, Field(discriminator="kind")]
