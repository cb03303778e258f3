"""The steered sets that a spec gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from offtraj.run.row import SteeredRow
from offtraj.spec import TestName
from offtraj_builders.definition import RowBuilder
from offtraj_builders.definitions import SetName, definition
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.scope import Scope
from offtraj_builders.selection import SelectionCounts

__all__ = ["SteeredSet", "steered_sets"]


@dataclass(frozen=True)
class SteeredSet:
    """The rows of one test for one model, not yet composed."""

    test: TestName
    model: str
    config: str
    """Name of its configuration in the data set."""
    _builder: RowBuilder

    @property
    def selection_counts(self) -> tuple[SelectionCounts, ...]:
        """What the selections kept and dropped; complete for rows once they have been read."""
        return tuple(self._builder.selection_counts)

    @property
    def shared(self) -> frozenset[str]:
        """Ids of the questions of the shared subset, drawn or not."""
        return self._builder.shared

    def rows(self) -> AsyncIterator[SteeredRow]:
        """The rows, composed one trajectory at a time."""
        return self._builder.rows()


def steered_sets(inputs: BuildInputs, scope: Scope) -> list[SteeredSet]:
    """A set for each selected test and model. Trajectories are selected now, rows are composed when they are read.

    Raises:
        BuildError: as the tests' builders do, when a set cannot be made.
    """
    declared = inputs.spec.tests.declared()
    return [
        SteeredSet(
            test.name, model.id, str(SetName(test, model.id)), test.builder(inputs, declared[test.name], model.id)
        )
        for test in map(definition, scope.tests)
        for model in scope.takes(inputs.spec, test.name)
    ]
