"""The models that a server lists (`/models`), and which of them is the one under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offtraj.engines.openai.failure import Malformed

__all__ = ["ServedModel", "choose_served", "read_models"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in a server's list."""

    id: str
    """Its name at the server."""
    max_model_len: int | None
    """Tokens of prompt and completion together, where the server says so."""


def read_models(answer: dict[str, Any]) -> list[ServedModel]:
    """The models in the JSON of a server's list.

    Raises:
        Malformed: for JSON of another structure.
    """
    try:
        listed = [(str(model["id"]), model.get("max_model_len")) for model in answer["data"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(str(answer)[:80]) from error
    return [ServedModel(name, length if isinstance(length, int) else None) for name, length in listed]


def choose_served(listed: Sequence[ServedModel], names: Sequence[str]) -> ServedModel | None:
    """The first of these names that is served, or a server's only model under any name; `None` without either."""
    by_name = {model.id: model for model in listed}
    found = next((by_name[name] for name in names if name in by_name), None)
    return listed[0] if found is None and len(listed) == 1 else found
