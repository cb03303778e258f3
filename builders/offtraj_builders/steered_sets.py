"""The steered sets that a spec gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from offtraj.run.row import SteeredRow
from offtraj.spec import TestName
from offtraj_builders.definition import RowBuilder
from offtraj_builders.definitions import TESTS
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.scope import Scope
from offtraj_builders.selection import SelectionCounts

__all__ = ["SteeredSet", "steered_sets"]


@dataclass(frozen=True)
class SteeredSet:
    """The rows of one test for one model, not yet composed."""

    test: TestName
    model: str
    _builder: RowBuilder

    @property
    def config(self) -> str:
        """Name of its configuration in the data set."""
        return f"{self.test}--{self.model}"

    @property
    def selection_counts(self) -> tuple[SelectionCounts, ...]:
        """What was kept and dropped; of rows, once they have been read."""
        return tuple(self._builder.counts)

    @property
    def shared(self) -> frozenset[str]:
        """Ids of the questions of the shared subset, drawn or not."""
        return self._builder.shared

    def rows(self) -> AsyncIterator[SteeredRow]:
        """The rows, composed one trajectory at a time."""
        return self._builder.rows()


def steered_sets(inputs: BuildInputs, scope: Scope) -> list[SteeredSet]:
    """One set for each selected test and model; the choices are made, the rows are composed when read.

    Raises:
        BuildError: when a model has no distractor from another question.
    """
    sets = []
    for test in TESTS:
        for model in scope.takes(inputs.spec, test.name):
            declared = getattr(inputs.spec.tests, test.name)
            sets.append(SteeredSet(test.name, model.id, test.builder(inputs, declared, model.id)))
    return sets
