"""A model under test, or a guide, as a spec declares it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from offtraj.spec.base import Frozen, Name

__all__ = ["DelimiterSpec", "ModelSpec"]

NonEmpty = Annotated[str, Field(min_length=1)]


class DelimiterSpec(Frozen):
    """The delimiters of a model's thinking, character for character."""

    open: NonEmpty
    """Such as `"<think>\\n"`."""
    close: NonEmpty
    """Such as `"</think>"`."""


class ModelSpec(Frozen):
    """A reasoning model (paper: M; a guide is a stronger one)."""

    id: Name
    """The name in configs, columns and reports."""
    path: str | None = None
    """Hub id, or folder with tokenizer, chat template and weights; not needed for recordings."""
    revision: str | None = None
    """Commit or tag of a Hub id."""
    engine: str
    """One of the spec's `engines`."""
    recorded_as: str | None = None
    """The model's name in a recording."""
    tokenizer: str | None = None
    """A Hub id or folder; `words` counts lengths in words. The model's own by default."""
    think: Literal["auto", "none"] | DelimiterSpec = "auto"
    """The thinking delimiters. `auto` finds them in the template and the output; `none` is for a
    model that thinks and answers in one text."""
    family: str | None = None
    """The family that reports group it under, such as `qwen3`. Descriptive: data sets do not depend on it."""
    tier: Literal["low", "medium", "high"] | None = None
    """The group of its solo score (paper, Table 1). Descriptive: data sets do not depend on it."""

    @model_validator(mode="after")
    def _is_found_somewhere(self) -> ModelSpec:
        if self.path is None and self.recorded_as is None:
            raise ValueError("needs `path` (Hub id or folder), or `recorded_as` when its engine is a recording")
        if self.path is None and self.tokenizer is None:
            raise ValueError("needs `tokenizer` when there is no `path`: a Hub id, a folder, or `words`")
        return self
