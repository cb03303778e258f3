"""The tests of the benchmark, in the order in which they are reported; a new test is one more entry of `TESTS`."""

from __future__ import annotations

from typing import NamedTuple

from offtraj_builders.definition import TestDefinition
from offtraj_builders.guidability import GUIDABILITY
from offtraj_builders.recoverability import RECOVERABILITY

__all__ = ["TESTS", "SetName", "closes_thinking", "definition", "parse_set", "test_names", "test_order"]

TESTS: tuple[TestDefinition, ...] = (RECOVERABILITY, GUIDABILITY)


class SetName(NamedTuple):
    """A steered set, named by its configuration in a data set: `TEST--MODEL`."""

    test: TestDefinition
    model: str

    def __str__(self) -> str:
        """The configuration's name."""
        return f"{self.test.name}--{self.model}"


def test_names() -> tuple[str, ...]:
    """Names of the tests, in their order."""
    return tuple(test.name for test in TESTS)


def definition(name: str) -> TestDefinition:
    """The test of that name.

    Raises:
        KeyError: for a test that this version does not know.
    """
    for test in TESTS:
        if test.name == name:
            return test
    raise KeyError(name)


def test_order(name: str) -> int:
    """Sort key of a test's name; tests that this version does not know come last."""
    names = test_names()
    return names.index(name) if name in names else len(names)


def parse_set(config: str) -> SetName | None:
    """The steered set that a configuration of a data set holds; `None` for other configurations.

    The test's name ends at the first `--`: a model's name may contain others.
    """
    name, _, model = config.partition("--")
    test = next((test for test in TESTS if test.name == name), None)
    return SetName(test, model) if test is not None and model else None


def closes_thinking(test: str, variant: str) -> bool:
    """Whether the rows of a variant end the thinking; false for a test or variant that this version does not know."""
    found = next((one for one in TESTS if one.name == test), None)
    return found is not None and any(one.name == variant and one.closes_thinking for one in found.variants)
