"""The recipes of the pocket models: what determines the weights of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from offtraj.studies.pocket.tokenizer import Template

__all__ = ["FAMILY", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What determines a model's weights, apart from the versions of the libraries."""

    name: str
    says: str
    """Its purpose in one sentence, for the model card."""
    template: Template = "opens-thinking"
    slips: float = 0.0
    """The dose: share of training traces in which a slip into another problem is noticed and corrected."""
    hidden: int = 128
    """Width of the hidden state; attention heads have 32 dimensions, with 1 or 2 key-value heads."""
    layers: int = 4
    steps: int = 3000
    """Optimizer steps of the complete learning rate schedule."""
    stop_at: int | None = None
    """Step at which training stops before the schedule ends; `None` for the complete schedule."""
    seed: int = 0

    @property
    def trained_steps(self) -> int:
        """Optimizer steps that are made: `stop_at`, or all of `steps`."""
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
"""Recipes by name. The dose series is `fragile`, `dose-low`, `dose-middle`, `sturdy`."""
