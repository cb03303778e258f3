"""95 % intervals of scores and of paired differences, with questions as clusters. Pure functions of arrays.

Three rules hold for every interval that is reported:

1. Fewer than `INTERVAL_QUESTIONS` questions have no interval: resamples of so few take only a handful of values.
2. Otherwise it is a percentile bootstrap over questions.
3. Where resampling cannot change the statistic, because all questions agree, the bootstrap would return a single
   point; the interval is then Wilson's, with questions as observations.

Scores themselves are computed in `scores`, differences in `comparison`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HEADLINE_QUESTIONS",
    "INTERVAL_QUESTIONS",
    "Floats",
    "Interval",
    "Ints",
    "bootstrap_interval",
    "clustered_interval",
    "paired_interval",
    "percent",
    "percent_or_count",
    "question_count",
    "wilson_interval",
]

INTERVAL_QUESTIONS = 8
"""The fewest questions that get an interval. With fewer, the share of resamples that repeat a single question is no
longer negligible against the 2.5 % that an interval leaves out on either side."""
HEADLINE_QUESTIONS = 5
"""The fewest questions with which a score is part of a headline (the paper's Table 1); with fewer it is shown greyed
out in its own table, and left out of the overview."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_RESAMPLES = 2000
_SAME = 1e-9
"""Influences of questions on a statistic that are smaller than this are rounding errors."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval of a share, or of a difference of shares. Shares, not percent."""

    low: float
    high: float

    def __str__(self) -> str:
        """In percent."""
        return f"{100 * self.low:.1f}–{100 * self.high:.1f}"


def clustered_interval(correct: Ints, total: Ints, *, level: float = 0.95) -> Interval | None:
    """Interval of a mean of shares, by bootstrap over clusters.

    Args:
        correct: Correct outcomes of each cluster (row) in each stratum (column).
        total: All outcomes of each cluster in each stratum. The statistic is the mean over strata of
            sum(correct) / sum(total); strata that a resample leaves empty do not count in it.
        level: Confidence.

    Returns:
        None for fewer than `INTERVAL_QUESTIONS` clusters; Wilson's interval at the observed share, with clusters as
        observations, where resampling clusters does not change the statistic.
    """
    clusters = len(total)
    if clusters < INTERVAL_QUESTIONS:
        return None
    if _is_constant(correct, total):
        return wilson_interval(_statistic(correct, total), clusters, level=level)
    return bootstrap_interval(correct, total, level=level)


def paired_interval(difference: Floats, weight: Floats) -> Interval | None:
    """95 % interval of a paired difference, by bootstrap over questions.

    Args:
        difference: Sums of second minus first, for each question (row) and position or ratio (column).
        weight: Number of units in each sum. The statistic is the mean over columns of sum(difference) / sum(weight).

    Returns:
        None for fewer than `INTERVAL_QUESTIONS` questions. Where resampling does not change the statistic, the
        interval extends to either side by the upper Wilson limit of a share of 0 in as many questions.
    """
    questions = len(weight)
    if questions < INTERVAL_QUESTIONS:
        return None
    if _is_constant(difference, weight):
        middle, reach = _statistic(difference, weight), wilson_interval(0.0, questions).high
        return Interval(max(-1.0, middle - reach), min(1.0, middle + reach))
    return bootstrap_interval(difference, weight)


def wilson_interval(share: float, n: int, *, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share among `n` observations; `share * n` need not be a whole number."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + 0.5 * level))
    scale = 2 * (n + z**2)
    middle = (2 * n * share + z**2) / scale
    half = z / scale * (4 * n * share * (1 - share) + z**2) ** 0.5
    return Interval(0.0 if share == 0 else max(0.0, middle - half), 1.0 if share == 1 else min(1.0, middle + half))


def bootstrap_interval(values: Ints | Floats, weights: Ints | Floats, *, level: float = 0.95) -> Interval:
    """Percentile interval of the mean over strata (columns) of sum(values) / sum(weights), resampling clusters (rows).

    Percentile intervals of few clusters are too narrow, as normal intervals are against Student's; the percentiles
    are moved outwards to correct for it (Hesterberg 2015, "What teachers should know about the bootstrap", 3.2).

    The resamples are the same for the same number of clusters. Strata that a resample leaves empty do not count
    in it. There must be two clusters or more.
    """
    from scipy import stats

    def statistic(index: Ints, axis: int = -1) -> Floats:  # noqa: ARG001 - scipy's signature
        sums, of = values[index].sum(axis=-2), weights[index].sum(axis=-2)  # over the clusters drawn
        strata = np.divide(sums, of, out=np.full(sums.shape, np.nan), where=of > 0)
        return np.nanmean(strata, axis=-1)  # type: ignore[no-any-return]

    clusters = len(weights)
    reach = np.sqrt(clusters / (clusters - 1)) * stats.t.ppf((1 + level) / 2, clusters - 1)
    result = stats.bootstrap(
        (np.arange(clusters),),
        statistic,
        n_resamples=_RESAMPLES,
        batch=max(1, 250_000 // max(1, values.size)),
        confidence_level=float(1 - 2 * stats.norm.cdf(-reach)),
        method="percentile",
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(0),
    )
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))


def percent(share: float | None, interval: Interval | None = None) -> str:
    """A share in percent, with its interval in parentheses; a dash for none."""
    if share is None:
        return "–"
    return f"{100 * share:.1f}" + ("" if interval is None else f" ({interval})")


def percent_or_count(share: float | None, interval: Interval | None, questions: int) -> str:
    """A share in percent, with its interval or, where it has none, the number of questions in parentheses."""
    return percent(share, interval) if share is None or interval else f"{percent(share)} ({question_count(questions)})"


def question_count(questions: int) -> str:
    """Such as `1 question` or `12 questions`."""
    return f"{questions:,} question{'' if questions == 1 else 's'}"


def _statistic(values: Ints | Floats, weights: Ints | Floats) -> float:
    """The mean over strata of sum(values) / sum(weights)."""
    return float(np.mean(values.sum(axis=0) / weights.sum(axis=0)))


def _is_constant(values: Ints | Floats, weights: Ints | Floats) -> bool:
    """Whether no cluster moves the statistic: its first-order influence is zero for every one.

    This is more than all clusters having the same share: clusters that are wrong in one stratum and right in
    another are constant, too, and so are clusters whose deviations cancel over strata.
    """
    sizes = weights.sum(axis=0)
    shares = values.sum(axis=0) / sizes
    influence = ((values - shares * weights) / sizes).mean(axis=1) * len(weights)
    return bool(np.abs(influence).max() < _SAME)
