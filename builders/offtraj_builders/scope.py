"""The tests and models of a spec that a build is limited to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from offtraj.errors import UsageError
from offtraj.spec import ModelSpec, Spec, TestName

__all__ = ["Scope", "select"]


@dataclass(frozen=True)
class Scope:
    """The tests and models to build."""

    tests: tuple[TestName, ...]
    models: frozenset[str]

    def takes(self, spec: Spec, test: TestName) -> tuple[ModelSpec, ...]:
        """The selected models that take a test."""
        declared = spec.tests.declared().get(test)
        if declared is None or test not in self.tests:
            return ()
        return tuple(model for model in spec.models_of(declared) if model.id in self.models)


def select(spec: Spec, *, models: Collection[str] = (), tests: Collection[str] = ()) -> Scope:
    """The named models and tests of a spec; all of them where none are named.

    Raises:
        UsageError: for a name that the spec does not declare, and where no named model takes a named test.
    """
    known_tests = list(spec.tests.declared())
    known_models = [model.id for model in spec.models]
    for what, names, known in (("model", models, known_models), ("test", tests, known_tests)):
        for name in names:
            if name not in known:
                raise UsageError(f"--{what} {name!r}: the spec has no such {what}: {', '.join(known)}")
    chosen = Scope(
        tests=tuple(test for test in known_tests if not tests or test in tests),
        models=frozenset(models or known_models),
    )
    if not any(chosen.takes(spec, test) for test in chosen.tests):
        raise UsageError(f"--model {', '.join(models)}: takes none of the tests {', '.join(chosen.tests)}")
    return chosen
