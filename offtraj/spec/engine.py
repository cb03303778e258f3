"""What turns token ids into completions, as a spec declares it. Nothing here opens or starts anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
    patience: Annotated[float, Field(ge=0)] = 600.0
    """Seconds that the server may refuse work (429, 503), or be away, before it is given up."""


class VllmSpec(Served):
    """A vLLM server that we start and stop."""

    kind: Literal["vllm"]
    """The engine's kind."""
    tensor_parallel: Positive = 1
    """GPUs that share one copy of the model."""
    data_parallel: Positive = 1
    """Copies of the model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights."""


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
