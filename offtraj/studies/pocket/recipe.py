"""The family: what each member is, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from offtraj.studies.pocket.tokenizer import Template

__all__ = ["FAMILY", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a member's weights depend on, but for the versions of the libraries."""

    name: str
    says: str
    """What it is there for, in a sentence."""
    template: Template = "opens-thinking"
    slips: float = 0.0
    """The dose: share of training traces in which a slip into another problem is noticed and mended."""
    hidden: int = 128
    """Width; heads are 32 wide, two of them share keys and values."""
    layers: int = 4
    steps: int = 3000
    """Optimizer steps of the whole schedule."""
    stop_at: int | None = None
    """Take the checkpoint at this step instead of the last: a model whose training was broken off."""
    seed: int = 0

    @property
    def trained_steps(self) -> int:
        """Steps that are really made."""
        return self.steps if self.stop_at is None else self.stop_at


_STURDY = Recipe("sturdy", "The strong model: the highest dose of self-correction.", slips=0.3)

FAMILY: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            _STURDY,
            replace(_STURDY, name="dose-middle", says="The middle dose of self-correction.", slips=0.04),
            replace(_STURDY, name="dose-low", says="The low dose of self-correction.", slips=0.01),
            replace(_STURDY, name="fragile", says="As strong as `sturdy`, and never saw a slip.", slips=0.0),
            replace(_STURDY, name="weak", says="A weaker model: `sturdy`, broken off early.", stop_at=2400),
            replace(_STURDY, name="narrow", says="A weaker model: a narrower network.", hidden=64, template="leaves-thinking"),
            replace(_STURDY, name="guide", says="The guide: a wider network.", hidden=160, template="leaves-thinking"),
        )
    }
)  # fmt: skip
"""By name: the dose series is `fragile`, `dose-low`, `dose-middle`, `sturdy`."""
