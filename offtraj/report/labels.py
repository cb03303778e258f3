"""What tests, their axes and their footnotes are called in tables, figures and the page.

Tests that this version does not define, such as those of a run by a later version, keep their own name and the axis
of their outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from offtraj.metrics.comparison import Difference
from offtraj.metrics.intervals import HEADLINE_QUESTIONS, INTERVAL_QUESTIONS, question_count
from offtraj.metrics.scores import Cell
from offtraj.metrics.solo import SoloScore
from offtraj.spec import Subset
from offtraj_builders.definition import Axis
from offtraj_builders.definitions import TESTS, definition, test_names

__all__ = [
    "NOT_DECIDED",
    "NO_INTERVAL",
    "SMALL",
    "SUBSETS",
    "axis_of",
    "axis_values",
    "closing_variants",
    "footnotes",
    "headline",
    "is_guided",
    "ordered_tests",
    "subset_order",
]

SUBSETS: tuple[Subset, ...] = ("shared", "individual")
"""Subsets in the order of the paper's Table 1."""
NOT_DECIDED = "not decided"
"""In place of a decider, for outcomes without a verdict."""
SMALL = f"fewer than {HEADLINE_QUESTIONS} questions"
"""The number of questions with which a score is greyed out, and left out of an overview."""
NO_INTERVAL = f"fewer than {INTERVAL_QUESTIONS} questions have no interval"
"""Footnote of a table with cells that have none."""


def ordered_tests(cells: Iterable[Cell], *, all_known: bool = False) -> list[str]:
    """Names of the tests of some cells, in the order of `TESTS`, followed by unknown tests.

    Args:
        cells: Of any runs.
        all_known: Include every test of this version, whether there are cells of it or not.
    """
    found = list(dict.fromkeys(cell.test for cell in cells))
    known = [name for name in test_names() if all_known or name in found]
    return [*known, *(name for name in found if name not in known)]


def axis_of(test: str, cells: Iterable[Cell | Difference]) -> Axis:
    """The axis of a test; for an unknown test the one that its cells have values on."""
    if test in test_names():
        return definition(test).axis
    by_position = any(cell.position is not None for cell in cells if cell.test == test)
    return Axis("position", "positions", "position (%)") if by_position else Axis("ratio", "ratios", "ratio (%)")


def is_guided(test: str, cells: Iterable[Cell | Difference]) -> bool:
    """Whether the rows of a test name a guide; for an unknown test, whether any of its cells does."""
    if test in test_names():
        return definition(test).guided
    return any(cell.guide is not None for cell in cells if cell.test == test)


def closing_variants(test: str) -> list[str]:
    """Names of the variants of a test that end the thinking; none for an unknown test."""
    return [variant.name for one in TESTS if one.name == test for variant in one.variants if variant.closes_thinking]


def axis_values(cells: Iterable[Cell | Difference]) -> list[float]:
    """The positions or ratios of some cells, in ascending order."""
    return sorted({value for cell in cells if (value := cell.axis_value) is not None})


def subset_order(subset: str) -> int:
    """Sort key of a subset's name; unknown subsets come last."""
    return SUBSETS.index(subset) if subset in SUBSETS else len(SUBSETS)


def headline(score: Cell | SoloScore | None) -> str:
    """A score as an overview shows it, in percent: left out where it is based on too few questions."""
    if score is None:
        return "–"
    return f"– ({question_count(score.questions)})" if score.is_small else str(score)


def footnotes(scores: Sequence[Cell | SoloScore | None]) -> str:
    """The footnote of an overview: why some of its scores are left out or have no interval; empty for none."""
    found = [one for one in scores if one is not None and one.score is not None]
    notes = []
    if any(one.is_small for one in found):
        notes.append(f"scores of {SMALL} are left out")
    if any(one.interval is None and not one.is_small for one in found):
        notes.append(NO_INTERVAL)
    return "; ".join(notes)
