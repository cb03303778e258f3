"""Every kind of engine: its declaration in a spec, and how it is opened. A new kind is a new entry here.

What the doctor asks of each kind is in `offtraj.doctor.kinds`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from offtraj._util.progress import Progress, no_progress
from offtraj.engines.engine import Engine, Opening
from offtraj.engines.openai.engine import open_openai
from offtraj.engines.recorded import open_recorded
from offtraj.engines.transformers import open_transformers
from offtraj.engines.vllm.server import open_vllm
from offtraj.model.model import Model
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, SpecFile, TransformersSpec, VllmSpec

__all__ = ["KINDS", "EngineKind", "kind_of", "open_engine"]


@dataclass(frozen=True)
class EngineKind:
    """One kind of engine."""

    spec: type[EngineSpec]
    """Its declaration, which has the kind's name."""
    open: Callable[[Any, Opening], Awaitable[Engine]]
    """Opens what a declaration of that type describes."""


KINDS = (
    EngineKind(TransformersSpec, open_transformers),
    EngineKind(VllmSpec, open_vllm),
    EngineKind(OpenAISpec, open_openai),
    EngineKind(RecordedSpec, open_recorded),
)


def kind_of(spec: EngineSpec) -> EngineKind:
    """The kind of a declaration."""
    return next(kind for kind in KINDS if isinstance(spec, kind.spec))


async def open_engine(
    spec: EngineSpec,
    model: Model,
    *,
    file: SpecFile | None = None,
    declared: ModelSpec | None = None,
    progress: Progress = no_progress,
) -> Engine:
    """The engine that a declaration describes, for one model. Arguments are those of `Opening`.

    Raises:
        SpecError: for a missing file or variable.
        EngineError: for a model that cannot be loaded, or a server that cannot be asked how it takes prompts.
    """
    return await kind_of(spec).open(spec, Opening(model, file, declared, progress))
