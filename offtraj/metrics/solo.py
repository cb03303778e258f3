"""Solo score of a model: average Pass@1 with its interval. Sampling is left to `offtraj.run.solo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from offtraj.metrics.intervals import HEADLINE_QUESTIONS, Interval, clustered_interval, percent_or_count
from offtraj.run.solo import SolveRates, rate_order

__all__ = ["SoloScore", "score_solo"]


@dataclass(frozen=True, slots=True)
class SoloScore:
    """Average Pass@1 of solo samples. Shares, not percent."""

    score: float
    """Mean over benchmarks of the share of correct samples (paper, Tables 1, 4 and 5)."""
    interval: Interval | None
    """95 %, clustered by question; none for fewer than `INTERVAL_QUESTIONS` questions."""
    questions: int
    samples: int
    benchmarks: Mapping[str, float]
    """The share of correct samples of each benchmark."""

    @property
    def is_small(self) -> bool:
        """Whether the questions are fewer than `HEADLINE_QUESTIONS`."""
        return self.questions < HEADLINE_QUESTIONS

    def __str__(self) -> str:
        """The score in percent, with its interval or the number of its questions."""
        return percent_or_count(self.score, self.interval, self.questions)


def score_solo(rates: SolveRates) -> SoloScore | None:
    """Average Pass@1, the mean over benchmarks, with its interval; `None` without any question.

    Args:
        rates: For each benchmark the number of questions by solve rate. Counts that are pooled over benchmarks give
            a pooled score, which must be labelled as such.
    """
    # In a fixed order: the last digit of an interval depends on it.
    names = sorted(name for name, counts in rates.items() if any(counts.values()))
    if not names:
        return None
    rows = [
        (column, *map(int, rate.split("/")))
        for column, name in enumerate(names)
        for rate in sorted(rates[name], key=rate_order)
        for _ in range(rates[name][rate])
    ]
    correct = np.zeros((len(rows), len(names)), dtype=np.int64)
    total = np.zeros_like(correct)
    for row, (column, solved, sampled) in enumerate(rows):
        correct[row, column], total[row, column] = solved, sampled
    shares = correct.sum(axis=0) / total.sum(axis=0)
    return SoloScore(
        score=float(shares.mean()),
        interval=clustered_interval(correct, total),
        questions=len(rows),
        samples=int(total.sum()),
        benchmarks=dict(zip(names, map(float, shares), strict=True)),
    )
