"""Runs with all their numbers: what tables, CSV, JSON and LaTeX are made from, so that they say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from offtraj.errors import DataError, UsageError
from offtraj.evaluate.run_folder import read_run
from offtraj.evaluate.scored_run import ScoredRun, name_runs, score_runs
from offtraj.metrics.comparison import Comparison, compare

__all__ = ["Compared", "compare_runs", "scored_runs"]


@dataclass(frozen=True)
class Compared:
    """A run against the first one."""

    baseline: str
    name: str
    """Of the run that is compared with the baseline."""
    baseline_path: Path
    path: Path
    comparison: Comparison


def scored_runs(paths: Sequence[Path]) -> list[ScoredRun]:
    """Score runs, from their outcomes.

    Raises:
        DataError: for a folder that is no run, or none that this version reads.
    """
    return score_runs([read_run(path) for path in paths])


def compare_runs(paths: Sequence[Path]) -> list[Compared]:
    """Compare every run with the first.

    Raises:
        UsageError: for fewer than two, one that is given twice, or runs of different tests.
        DataError: for a folder that is no run, or runs that have nothing in common.
    """
    if len(paths) < 2:
        raise UsageError(f"{paths[0]}: there is nothing to compare it with: give two runs or more")
    for one, other in combinations(paths, 2):
        if one.resolve() == other.resolve():
            raise UsageError(f"{one}, {other}: the same run twice: it cannot differ from itself")
    runs = [read_run(path) for path in paths]
    names = name_runs(runs)
    outcomes = [list(run.outcomes()) for run in runs]
    tests = [list(dict.fromkeys(outcome.test for outcome in found)) for found in outcomes]
    compared = []
    for at in range(1, len(runs)):
        if not set(tests[0]) & set(tests[at]):
            have = [", ".join(tests[index]) or "no outcomes" for index in (0, at)]
            raise UsageError(f"runs of different tests: {paths[0]} has {have[0]}, {paths[at]} has {have[1]}")
        comparison = compare(outcomes[0], outcomes[at])
        if not comparison.differences:
            raise DataError(
                f"{paths[0]} and {paths[at]} have nothing in common: no row, and no question with a verdict in both "
                "for the same variant and subset: run both models on sets of the same questions"
            )
        compared.append(Compared(names[0], names[at], paths[0], paths[at], comparison))
    return compared
