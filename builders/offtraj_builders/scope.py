"""What of a spec is to be built: which tests, for which models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from offtraj.errors import UsageError
from offtraj.spec import ModelSpec, Spec, TestName

__all__ = ["Scope", "select"]


@dataclass(frozen=True)
class Scope:
    """Which tests of which models are to be built."""

    tests: tuple[TestName, ...]
    models: frozenset[str]

    def takes(self, spec: Spec, test: TestName) -> tuple[ModelSpec, ...]:
        """The selected models that take a test."""
        declared = getattr(spec.tests, test)
        if declared is None or test not in self.tests:
            return ()
        return tuple(model for model in spec.models_of(declared) if model.id in self.models)


def select(spec: Spec, *, models: Collection[str] = (), tests: Collection[str] = ()) -> Scope:
    """All of a spec, or the named models and tests.

    Raises:
        UsageError: for a name that the spec does not know, or a choice of which nothing is left.
    """
    known_tests: list[TestName] = [t for t in ("recoverability", "guidability") if getattr(spec.tests, t) is not None]
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
