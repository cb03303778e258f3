"""All numbers that are computed from a run's outcomes, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from offtraj.metrics.scores import Cell, CellGroups, VerdictCount, VerdictCounter
from offtraj.metrics.summary import RunCounter, RunSummary
from offtraj.metrics.usage import OutcomeTokens
from offtraj.run.outcome import Outcome

__all__ = ["RunScores", "score_outcomes"]


class RunScores(NamedTuple):
    """The numbers of one run."""

    cells: tuple[Cell, ...]
    """Scores by test, variant, subset, guide and position or ratio, as `summarise` returns them."""
    strata: tuple[Cell, ...]
    """Scores by benchmark and by solve rate, as `stratify` returns them."""
    verdicts: tuple[VerdictCount, ...]
    """Number of outcomes by decider, verdict and reason."""
    summary: RunSummary
    """How prompts were sent, token usage, and what is unscored."""


def score_outcomes(outcomes: Iterable[Outcome]) -> RunScores:
    """The numbers of a run. Outcomes are read once; memory grows by a few words an outcome."""
    groups, verdicts, counts = CellGroups(), VerdictCounter(), RunCounter()
    for outcome in outcomes:
        tokens = OutcomeTokens.of(outcome)
        groups.add(outcome, tokens)
        verdicts.add(outcome)
        counts.add(outcome, tokens)
    return RunScores(tuple(groups.cells()), tuple(groups.strata()), tuple(verdicts.counts()), counts.summary())
