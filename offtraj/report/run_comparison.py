"""Runs compared with the first of them. The differences themselves are computed in `offtraj.metrics.comparison`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from offtraj.errors import DataError, UsageError
from offtraj.evaluate.run_folder import read_run
from offtraj.evaluate.scored_run import name_runs
from offtraj.metrics.comparison import Comparison, compare

__all__ = ["RunComparison", "compare_runs"]


@dataclass(frozen=True)
class RunComparison:
    """A run compared with the baseline."""

    baseline: str
    """Name of the first run."""
    name: str
    """Name of the run that is compared with it."""
    baseline_path: Path
    path: Path
    comparison: Comparison


def compare_runs(paths: Sequence[Path]) -> list[RunComparison]:
    """Every run but the first, compared with the first.

    Raises:
        UsageError: for fewer than two runs, a run that is given twice, or runs without a common test.
        DataError: for a folder that is no run, or runs that have nothing in common.
    """
    if len(paths) < 2:
        raise UsageError(f"{paths[0]}: there is nothing to compare it with: give two runs or more")
    for one, other in combinations(paths, 2):
        if one.resolve() == other.resolve():
            raise UsageError(f"{one}, {other}: the same run twice: give each run once")
    runs = [read_run(path) for path in paths]
    names = name_runs(runs)
    outcomes = [list(run.outcomes()) for run in runs]
    tests = [list(dict.fromkeys(outcome.test for outcome in found)) for found in outcomes]
    compared = []
    for number in range(1, len(runs)):
        if not set(tests[0]) & set(tests[number]):
            have = [", ".join(tests[index]) or "no outcomes" for index in (0, number)]
            raise UsageError(f"runs of different tests: {paths[0]} has {have[0]}, {paths[number]} has {have[1]}")
        comparison = compare(outcomes[0], outcomes[number])
        if not comparison.differences:
            raise DataError(
                f"{paths[0]} and {paths[number]} have nothing in common: no row, and no question with a verdict in "
                "both for the same variant and subset: run both models on sets of the same questions"
            )
        compared.append(RunComparison(names[0], names[number], paths[0], paths[number], comparison))
    return compared
