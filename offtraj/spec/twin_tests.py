"""The two tests and their variants, as a spec declares them (paper, section 2)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from offtraj.spec.base import Frozen, Positive

__all__ = [
    "GuidabilitySpec",
    "GuidabilityVariant",
    "RecoverabilitySpec",
    "RecoverabilityVariant",
    "Subset",
    "TestName",
    "TestsSpec",
]

TestName = str
"""A test's key under `tests`; the tests themselves are defined in `offtraj_builders`."""
Subset = Literal["individual", "shared"]
RecoverabilityVariant = Literal["default", "keep-first-paragraph", "cross-model"]
GuidabilityVariant = Literal["default", "solvable", "answer-forcing"]


def _distinct(values: tuple[object, ...]) -> tuple[object, ...]:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands there twice")
    return values


Distinct = AfterValidator(_distinct)
Position = Annotated[float, Field(ge=0, lt=1)]
Ratio = Annotated[float, Field(gt=0, le=1)]


class _TestSpec(Frozen):
    """What both tests share."""

    models: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Models that take this test; every model of the spec by default."""
    benchmarks: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Benchmarks whose questions it uses; every one by default."""
    subsets: Annotated[tuple[Subset, ...], Field(min_length=1), Distinct] = ("individual", "shared")
    """`individual` is drawn for each model, `shared` from questions that every model of the test
    qualifies for (paper, section 3.1)."""
    samples: Positive = 1
    """Completions for each steered trajectory."""


class RecoverabilitySpec(_TestSpec):
    """Does the model come back after a distraction (paper, section 2.1)?"""

    positions: Annotated[tuple[Position, ...], Field(min_length=1), Distinct] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Length of the model's own segment, as a share of its trajectory's tokens."""
    ratio: Ratio = 0.2
    """Length of the distractor, as a share of its own trajectory's tokens."""
    trajectories: Positive = 200
    """At most so many trajectories, each cut at every position."""
    distractors: Positive = 50
    """At most so many trajectories from which distractors are taken, for each model."""
    transition: str = "Wait. Let me think"
    """The phrase between own segment and distractor; it starts on a new line."""
    variants: Annotated[tuple[RecoverabilityVariant, ...], Field(min_length=1), Distinct] = ("default",)
    """Changes of the composition."""
    cross_model: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Whose trajectories distract in the variant `cross-model`; all other models by default."""


class GuidabilitySpec(_TestSpec):
    """Does the model get there with a stronger model's start (paper, section 2.2)?"""

    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1), Distinct] = (0.2, 0.4, 0.6, 0.8)
    """Length of the guide's steer, as a share of its trajectory's tokens."""
    max_solve_rate: Annotated[float, Field(ge=0, lt=1)] = 0.125
    """Questions of which the model solves at most this share of its solo samples."""
    trajectories_per_question: Positive = 1
    """At most so many correct trajectories of each guide for a question."""
    variants: Annotated[tuple[GuidabilityVariant, ...], Field(min_length=1), Distinct] = ("default",)
    """Changes of the composition."""
    guides: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Guides of this test; every guide of the spec by default."""


class TestsSpec(Frozen):
    """The tests that a spec asks for; at least one."""

    __test__ = False  # no test case, whatever pytest makes of the name

    recoverability: RecoverabilitySpec | None = None
    """Recovery from distraction."""
    guidability: GuidabilitySpec | None = None
    """Use of guidance."""
