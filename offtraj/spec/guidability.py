"""Guidability, as a spec declares it (paper, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from offtraj.spec.base import Positive
from offtraj.spec.document import Loc
from offtraj.spec.references import Problem, unknown_names
from offtraj.spec.test import Distinct, Ratio, TestSpec

if TYPE_CHECKING:
    from offtraj.spec.spec import Spec

__all__ = ["GuidabilitySpec", "GuidabilityVariant"]

GuidabilityVariant = Literal["default", "solvable", "answer-forcing"]


class GuidabilitySpec(TestSpec):
    """Whether a model reaches the right answer from the beginning of a stronger model's reasoning (paper, section 2.2)."""

    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1), Distinct] = (0.2, 0.4, 0.6, 0.8)
    """Length of the guide's steer, as a share of its trajectory's tokens."""
    max_solve_rate: Annotated[float, Field(ge=0, lt=1)] = 0.125
    """Questions of which the model solves at most this share of its solo samples."""
    trajectories_per_question: Positive = 1
    """Maximum number of correct trajectories of each guide for a question."""
    variants: Annotated[tuple[GuidabilityVariant, ...], Field(min_length=1), Distinct] = ("default",)
    """Changes of the composition."""
    guides: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Guides of this test; every guide of the spec by default."""

    @property
    def axis_values(self) -> tuple[float, ...]:
        """The ratios."""
        return self.ratios

    def problems(self, spec: Spec, loc: Loc) -> Iterator[Problem]:
        """As for every test; and guides that do not exist or are missing, and a variant without its source."""
        yield from super().problems(spec, loc)
        yield from unknown_names((*loc, "guides"), "guide", self.guides, (guide.id for guide in spec.guides))
        if not spec.guides:
            yield Problem(loc, "needs a guide: add `guides` to the spec")
        if "answer-forcing" in self.variants and "default" not in self.variants:
            yield Problem((*loc, "variants"), "answer-forcing derives from default: add `default`")
