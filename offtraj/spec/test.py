"""What every test declares in a spec: its models, benchmarks, subsets and variants.

What a particular test adds is in the module of its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from offtraj.spec.base import Frozen, Positive
from offtraj.spec.document import Loc
from offtraj.spec.references import Problem, unknown_names

if TYPE_CHECKING:
    from offtraj.spec.spec import Spec

__all__ = ["Distinct", "Ratio", "Subset", "TestName", "TestSpec"]

TestName = str
"""A test's key under `tests`; the tests themselves are defined in `offtraj_builders`."""
Subset = Literal["individual", "shared"]
Ratio = Annotated[float, Field(gt=0, le=1)]
"""Length of a steer as a share of its trajectory's tokens, over 0 and at most 1."""


def _distinct(values: tuple[object, ...]) -> tuple[object, ...]:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands there twice")
    return values


Distinct = AfterValidator(_distinct)
"""A list without repetitions."""


class TestSpec(Frozen, ABC):
    """A test as a spec declares it."""

    __test__ = False  # pytest takes classes of this name for test cases

    models: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Models that take this test; every model of the spec by default."""
    benchmarks: Annotated[tuple[str, ...], Field(min_length=1), Distinct] | None = None
    """Benchmarks whose questions it uses; every one by default."""
    subsets: Annotated[tuple[Subset, ...], Field(min_length=1), Distinct] = ("individual", "shared")
    """`individual` is drawn for each model, `shared` from questions that every model of the test
    qualifies for (paper, section 3.1)."""
    samples: Positive = 1
    """Completions for each steered trajectory."""
    variants: tuple[str, ...] = ("default",)
    """Changes of the composition."""

    @property
    @abstractmethod
    def axis_values(self) -> tuple[float, ...]:
        """The shares at which the test's trajectories are cut: the values of its axis, from 0 to 1."""

    def problems(self, spec: Spec, loc: Loc) -> Iterator[Problem]:
        """References to nothing and combinations that cannot work, with their places.

        Args:
            spec: The whole spec.
            loc: The test's place in it.
        """
        yield from unknown_names((*loc, "models"), "model", self.models, (model.id for model in spec.models))
        known = (benchmark.id for benchmark in spec.benchmarks)
        yield from unknown_names((*loc, "benchmarks"), "benchmark", self.benchmarks, known)
