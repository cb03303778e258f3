"""What a test is: its name, its part of a spec, the axis of its scores, its variants, and how its rows are made.

A test is one value of `TestDefinition`, written in the module that makes its rows and listed in `definitions`.
No other module spells its name or those of its variants.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from offtraj.run.row import SteeredRow
from offtraj.spec import ModelSpec, Spec, TestSpec
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.selection import SelectionCounts

__all__ = ["Axis", "RowBuilder", "TestDefinition", "Variant"]


class RowBuilder(Protocol):
    """The rows of one test for one model: selected when it is constructed, composed when they are read."""

    selection_counts: list[SelectionCounts]
    """What each selection kept and dropped; complete for rows once they have been read."""
    shared: frozenset[str]
    """Ids of the questions of the shared subset, drawn or not."""

    def rows(self) -> AsyncIterator[SteeredRow]:
        """The rows, in a fixed order."""


@dataclass(frozen=True)
class Axis:
    """What varies along a curve of scores; a share between 0 and 1."""

    name: Literal["position", "ratio"]
    """The row's column that holds the value."""
    plural: str
    label: str
    """What it means, for the axis of a figure; its values are shown in percent."""


@dataclass(frozen=True)
class Variant:
    """A named change of the default composition."""

    name: str
    closes_thinking: bool = False
    """Whether the prefix ends the thinking, so that the model answers at once."""


@dataclass(frozen=True)
class TestDefinition:
    """One test of the benchmark.

    The functions take the test's part of a spec as `Any`: each definition's own take its `spec` type.
    """

    __test__ = False  # pytest takes classes of this name for test cases

    name: str
    """Its key under `tests` in a spec, the `test` column, and the first part of its configurations' names."""
    spec: type[TestSpec]
    """Its part of a spec: the type of `TestsSpec`'s field of that name."""
    axis: Axis
    variants: tuple[Variant, ...]
    """The first is the default."""
    guided: bool
    """Whether another model's reasoning about the same question steers: rows then name their guide."""
    builder: Callable[[BuildInputs, Any, str], RowBuilder]
    """Selects trajectories for one model: called with the inputs, the test's part of the spec, and the model's id."""
    rows_at_most: Callable[[Spec, Any, int], int]
    """An upper bound of the rows of one model: called with the spec, the test's part of it, and a number of
    questions."""
    sources: Callable[[Spec, Any, Sequence[ModelSpec]], tuple[ModelSpec, ...]]
    """The models whose trajectories the rows of some tested models contain, in addition to their own."""
    source_questions: Callable[[BuildInputs, Any, Sequence[ModelSpec]], frozenset[str]] | None = None
    """Ids of the questions on which the sources are sampled, given the tested models' solo samples; where this is
    `None`, they are sampled on every question of the test's benchmarks."""

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            KeyError: for a name that the test does not have.
        """
        return self._by_name[name]

    @property
    def _by_name(self) -> Mapping[str, Variant]:
        return {variant.name: variant for variant in self.variants}
