"""What turns token ids into completions, as a spec declares it. Nothing here opens or starts anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from offtraj.spec.base import Frozen, Positive

__all__ = ["EngineSpec", "OpenAISpec", "RecordedColumns", "RecordedSpec", "TransformersSpec", "VllmSpec"]


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


class VllmSpec(Frozen):
    """A vLLM server that we start and stop."""

    kind: Literal["vllm"]
    """The engine's kind."""
    tensor_parallel: Positive = 1
    """GPUs that share one copy of the model."""
    data_parallel: Positive = 1
    """Copies of the model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights."""


class OpenAISpec(Frozen):
    """An OpenAI-compatible server that takes token ids on `/v1/completions` (vLLM, SGLang)."""

    kind: Literal["openai"]
    """The engine's kind."""
    base_url: str
    """Such as `http://127.0.0.1:8000/v1`; `${NAME}` is read from the environment."""
    api_key_env: str | None = None
    """Environment variable that holds the key. The key itself never stands in a spec."""
    concurrency: Positive = 64
    """Requests in flight at once."""
    timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that one request may take."""
    max_retries: Annotated[int, Field(ge=0)] = 5
    """How often a request that met a time-out, a 429 or a 5xx is sent again, with back-off."""


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
