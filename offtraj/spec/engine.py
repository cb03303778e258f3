"""What turns token ids into completions, as a spec declares it. Nothing here opens or starts anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, JsonValue

from offtraj.spec.base import Frozen, Positive

__all__ = ["EngineSpec", "OpenAISpec", "RecordedColumns", "RecordedSpec", "Served", "TransformersSpec", "VllmSpec"]


class TransformersSpec(Frozen):
    """In process, with transformers: on a GPU where there is one, else on the CPU."""

    kind: Literal["transformers"]
    """The engine's kind."""
    batch: Positive = 32
    """Completions generated together."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; `auto` is what the model was saved in."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""


class Served(Frozen):
    """How a server is asked."""

    concurrency: Positive | None = None
    """Samples in flight at most. By default as many as make the server faster."""
    timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that one request may take."""
    max_retries: Annotated[int, Field(ge=0)] = 5
    """How often a request that met a time-out, a cut connection, a 5xx or garbage is sent again, with back-off."""
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
    **dict.fromkeys(("host", "port", "uds", "root-path", "grpc", "headless"), "the server's address is ours to choose"),
    **dict.fromkeys(("ssl-keyfile", "ssl-certfile"), "the server is asked on this machine, over HTTP"),
    **dict.fromkeys(("api-key", "served-model-name"), "it is ours to choose"),
    "config": "a file could set what is ours to choose: give its flags here",
    **dict.fromkeys(
        ("generation-config", "override-generation-config"),
        "sampling is what the spec says, and nothing that a model's folder adds to it",
    ),
    **dict.fromkeys(
        ("reasoning-parser", "reasoning-parser-plugin", "enable-reasoning"),
        "a reasoning parser takes thinking and its delimiters out of the text, which must come back as it was written",
    ),
}


def _is_option(name: str) -> str:
    """One of vLLM's flags that is nobody else's business; abbreviations of others are refused with them.

    Raises:
        ValueError: saying why not.
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
        raise ValueError(f"{name!r} cannot be set: the server's key is made anew for each start")
    return name


def _is_value(value: JsonValue) -> JsonValue:
    if value is None:
        raise ValueError("expected a value: true for a flag that takes none")
    return value


class VllmSpec(Served):
    """A vLLM server that we start at the first request and stop at the end, whatever the end is.

    It serves one model, on this machine, with the model's own defaults of sampling left out.
    """

    kind: Literal["vllm"]
    """The engine's kind."""
    tensor_parallel: Positive = 1
    """GPUs that share one copy of the model."""
    data_parallel: Positive = 1
    """Copies of the model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; `auto` is what the model was saved in."""
    max_model_len: Positive | None = None
    """Tokens of prompt and completion together that it has room for; by default as many as the sampling asks for."""
    options: dict[Annotated[str, AfterValidator(_is_option)], Annotated[JsonValue, AfterValidator(_is_value)]] = Field(
        default_factory=dict
    )
    """Further flags of vLLM, by name: `gpu-memory-utilization: 0.95` is `--gpu-memory-utilization 0.95`, true is
    the flag alone, false is `--no-…`, a list is several values, a mapping is JSON."""
    environment: dict[Annotated[str, AfterValidator(_is_variable)], str] = Field(default_factory=dict)
    """Environment variables of the server, beside those that are set anyway."""
    python: str | None = None
    """An interpreter that has vLLM in an environment of its own; by default the one that runs this, or else
    `OFFTRAJ_VLLM_PYTHON`."""
    start_timeout: Annotated[float, Field(gt=0)] = 1800.0
    """Seconds until it must be ready; a download from the Hub counts."""


class OpenAISpec(Served):
    """An OpenAI-compatible server: vLLM, SGLang, llama.cpp, a router."""

    kind: Literal["openai"]
    """The engine's kind."""
    base_url: str
    """Such as `http://127.0.0.1:8000/v1`; `${NAME}` is read from the environment."""
    api_key_env: str | None = None
    """Environment variable that holds the key. The key itself never stands in a spec."""
    prompts: Literal["ids", "text", "chat", "auto"] = "ids"
    """How prompts are sent: as token `ids`, which alone is exact; as `text`, which the server tokenises; as a
    prefilled `chat` turn, which it renders. `auto` takes the first of these that the server accepts."""


class RecordedColumns(Frozen):
    """Which column of a recording holds what."""

    question_id: str = "question_id"
    """The question's id, as in its benchmark."""
    model: str = "model"
    """Who wrote it; compared with a model's `recorded_as`."""
    sample: str = "sample"
    """The sample's number, where a model answered more than once."""
    response: str = "response"
    """Everything the model wrote."""
    finish_reason: str | None = None
    """`stop` or `length`, where the recording says it."""


class RecordedSpec(Frozen):
    """Responses that were recorded earlier, by whomever."""

    kind: Literal["recorded"]
    """The engine's kind."""
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """JSON Lines or Parquet. Where several hold the same model, question and sample number, the later
    file's samples are numbered on after the earlier one's: append files, and nothing is renumbered."""
    columns: RecordedColumns = RecordedColumns()
    """Names of the columns, where they are not the usual ones."""


EngineSpec = Annotated[TransformersSpec | VllmSpec | OpenAISpec | RecordedSpec, Field(discriminator="kind")]
