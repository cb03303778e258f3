"""The tests that a spec declares. Each one's own keys are in the module of its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from offtraj.spec.base import Frozen
from offtraj.spec.guidability import GuidabilitySpec
from offtraj.spec.recoverability import RecoverabilitySpec
from offtraj.spec.references import Problem
from offtraj.spec.test import TestName, TestSpec

if TYPE_CHECKING:
    from offtraj.spec.spec import Spec

__all__ = ["TestsSpec"]


class TestsSpec(Frozen):
    """The tests that a spec asks for; at least one."""

    __test__ = False  # pytest takes classes of this name for test cases

    recoverability: RecoverabilitySpec | None = None
    """Recovery from distraction."""
    guidability: GuidabilitySpec | None = None
    """Use of guidance."""

    def declared(self) -> Mapping[TestName, TestSpec]:
        """The tests that the spec asks for, by name, in the order in which they are reported."""
        return {name: test for name in type(self).model_fields if (test := getattr(self, name)) is not None}

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """References to nothing and combinations that cannot work, in all tests."""
        if not self.declared():
            known = ", ".join(type(self).model_fields)
            yield Problem(("tests",), f"asks for no test: expected at least one of {known}")
        for name, test in self.declared().items():
            yield from test.problems(spec, ("tests", name))
