"""Runs with all their numbers: what tables, CSV, JSON and LaTeX are made from, so that they say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from offtraj.errors import DataError, UsageError
from offtraj.evaluate.run_folder import RunFolder, read_run
from offtraj.metrics.comparison import Comparison, compare
from offtraj.metrics.scores import Cell
from offtraj.metrics.solo import SoloScore
from offtraj.metrics.summary import RunSummary

__all__ = ["Compared", "ScoredRun", "compare_runs", "scored_runs"]


@dataclass(frozen=True)
class ScoredRun:
    """A run and its scores."""

    name: str
    """Its model; with the run's folder where another of the runs is of a model of that name."""
    run: RunFolder
    cells: Sequence[Cell]
    strata: Sequence[Cell]
    """By benchmark and by solve rate."""
    solo: SoloScore | None
    """Alone, where it is known."""
    summary: RunSummary
    """How prompts were sent, what ran out of tokens, and what is unscored."""

    @property
    def marked(self) -> str:
        """Its name, marked where not all of its prompts were sent as token ids."""
        return self.summary.marked(self.name)

    def whole(self, *, test: str, subset: str, variant: str = "default") -> Cell | None:
        """The cell over all positions or ratios, and all guides; none where that was not run."""
        for cell in self.cells:
            if (cell.test, cell.subset, cell.variant, cell.guide, cell.axis_value) == (
                test,
                subset,
                variant,
                None,
                None,
            ):
                return cell
        return None


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
    runs = [read_run(path) for path in paths]
    names = _names(runs)
    return [
        ScoredRun(name, run, run.cells(), run.strata(), run.solo(), run.summary())
        for name, run in zip(names, runs, strict=True)
    ]


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
    names = _names(runs)
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


def _names(runs: Sequence[RunFolder]) -> list[str]:
    often = Counter(run.model for run in runs)
    return [run.model if often[run.model] == 1 else f"{run.model} ({run.path})" for run in runs]
