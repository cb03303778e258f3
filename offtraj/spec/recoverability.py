"""Recoverability, as a spec declares it (paper, section 2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from offtraj.spec.base import Positive
from offtraj.spec.document import Loc
from offtraj.spec.model import ModelSpec
from offtraj.spec.references import Problem, unknown_names
from offtraj.spec.test import Distinct, Ratio, TestSpec

if TYPE_CHECKING:
    from offtraj.spec.spec import Spec

__all__ = ["RecoverabilitySpec", "RecoverabilityVariant"]

RecoverabilityVariant = Literal["default", "keep-first-paragraph", "cross-model"]
Position = Annotated[float, Field(ge=0, lt=1)]


class RecoverabilitySpec(TestSpec):
    """Whether a model returns to the right answer after a distraction (paper, section 2.1)."""

    positions: Annotated[tuple[Position, ...], Field(min_length=1), Distinct] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Length of the model's own segment, as a share of its trajectory's tokens."""
    ratio: Ratio = 0.2
    """Length of the distractor, as a share of its own trajectory's tokens."""
    trajectories: Positive = 200
    """Maximum number of trajectories, each cut at every position."""
    distractors: Positive = 50
    """Maximum number of trajectories from which distractors are taken, for each model."""
    transition: str = "Wait. Let me think"
    """The phrase between own segment and distractor; it starts on a new line."""
    variants: Annotated[tuple[RecoverabilityVariant, ...], Field(min_length=1), Distinct] = ("default",)
    """Changes of the composition."""
    cross_model: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Models whose trajectories distract in the variant `cross-model`; all other models by default."""

    @property
    def axis_values(self) -> tuple[float, ...]:
        """The positions."""
        return self.positions

    @property
    def crosses_models(self) -> bool:
        """Whether trajectories of other models distract in some variant."""
        return "cross-model" in self.variants

    def distractors_of(self, spec: Spec, model_id: str) -> tuple[ModelSpec, ...]:
        """The models whose trajectories distract `model_id` in the variant `cross-model`."""
        named = spec.models_of(self) if self.cross_model is None else spec.participants
        return tuple(m for m in named if m.id != model_id and (self.cross_model is None or m.id in self.cross_model))

    def problems(self, spec: Spec, loc: Loc) -> Iterator[Problem]:
        """As for every test; and distracting models that do not exist, are missing, or have no effect."""
        yield from super().problems(spec, loc)
        place = (*loc, "cross_model")
        yield from unknown_names(place, "model", self.cross_model, (model.id for model in spec.participants))
        if self.crosses_models:
            for model in spec.models_of(self):
                if not self.distractors_of(spec, model.id):
                    yield Problem(
                        (*loc, "variants"),
                        f"cross-model: no other model can distract {model.id!r}: add one to the test or to `cross_model`",
                    )
        elif self.cross_model is not None:
            yield Problem(place, "has no effect without the variant `cross-model`: add it to `variants`")
