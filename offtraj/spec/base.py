"""The base of every part of a spec: frozen, strict, without unknown keys, with a docstring under each field."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Frozen", "Name", "Positive", "Share"]


class Frozen(BaseModel):
    """A value of a spec. Strict: `"0.2"` is no number and `1` is no text; lists become tuples."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""An id that is also part of a folder's name: at most 64 letters, digits, `.`, `_` and `-`."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A share, from 0 to 1: 20 % is 0.2."""

Positive = Annotated[int, Field(ge=1)]
"""A whole number from 1."""
