"""Average Pass@1 of a model with nothing injected, with its interval. Sampling is left to `offtraj.run.solo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from offtraj.metrics.scores import Interval, clustered_interval, percent
from offtraj.run.solo import SolveRates, rate_order

__all__ = ["SoloScore", "score_solo"]


@dataclass(frozen=True, slots=True)
class SoloScore:
    """Average Pass@1 with nothing injected. Shares, not percent."""

    score: float
    """Mean over benchmarks of the share of correct samples (paper, Tables 1, 4 and 5)."""
    interval: Interval | None
    """By bootstrap over questions; none for fewer than two."""
    questions: int
    samples: int
    benchmarks: Mapping[str, float]
    """The share of correct samples of each."""

    def __str__(self) -> str:
        """In percent, with the interval."""
        return percent(self.score, self.interval)


def score_solo(rates: SolveRates) -> SoloScore | None:
    """Average Pass@1 with its interval; `None` without any question."""
    # In a fixed order: intervals depend on it in the last digit.
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
