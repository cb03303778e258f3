"""The steered sets that a spec gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from offtraj.run.row import SteeredRow
from offtraj.spec import TestName
from offtraj_builders.guidability import Guidability
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.recoverability import Recoverability
from offtraj_builders.scope import Scope
from offtraj_builders.selection import SelectionCounts

__all__ = ["SteeredSet", "steered_sets"]


@dataclass(frozen=True)
class SteeredSet:
    """The rows of one test for one model, not yet composed."""

    test: TestName
    model: str
    _builder: Recoverability | Guidability

    @property
    def config(self) -> str:
        """Name of its configuration in the data set."""
        return f"{self.test}--{self.model}"

    @property
    def selection_counts(self) -> tuple[SelectionCounts, ...]:
        """What was kept and dropped; of rows, once they have been read."""
        return tuple(self._builder.selection_counts)

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
    tests = inputs.spec.tests
    sets = []
    for model in scope.takes(inputs.spec, "recoverability"):
        assert tests.recoverability is not None
        builder = Recoverability(inputs, tests.recoverability, model.id)
        sets.append(SteeredSet("recoverability", model.id, builder))
    for model in scope.takes(inputs.spec, "guidability"):
        assert tests.guidability is not None
        sets.append(SteeredSet("guidability", model.id, Guidability(inputs, tests.guidability, model.id)))
    return sets
