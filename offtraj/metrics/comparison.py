"""Paired differences between two runs on their common rows or questions, with p-values. Pure functions.

Intervals are computed in `intervals`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from offtraj.metrics.intervals import HEADLINE_QUESTIONS, Floats, Interval, paired_interval
from offtraj.run.outcome import Outcome
from offtraj_builders.definitions import test_order

__all__ = ["Comparison", "Difference", "LeftOut", "Unit", "compare", "paired_p", "two_sample_p"]

Unit = Literal["row", "question"]
"""What outcomes of two runs are paired by: rows (one outcome for each row and sample) or, where the runs share no row
of a test, questions (one share for each question and position or ratio)."""

_PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two runs in one group of outcomes. Shares, not percent."""

    test: str
    variant: str
    subset: str
    guide: str | None
    """None over all guides, and in tests without one."""
    position: float | None
    """None over all positions, and in tests whose axis is the ratio."""
    ratio: float | None
    """None over all ratios, and in tests whose axis is the position."""
    by: Unit
    common: int
    """Units that are compared: both runs have an outcome with a verdict for each."""
    questions: int
    """Number of distinct questions of these units."""
    unscored: int
    """Common units without a verdict in one of the runs."""
    only_first: int
    only_second: int
    """Units that only one of the runs has."""
    first: float
    second: float
    """The scores on the common units; all units have the same weight, and over several positions or ratios all of
    these have the same weight."""
    difference: float
    """`second` - `first`."""
    interval: Interval | None
    """95 %, clustered by question; none for fewer than `INTERVAL_QUESTIONS` common questions."""
    p: float | None
    """Two-sided p-value of no difference, by permutation of the runs within questions. None for fewer than two
    questions."""
    t_test_p: float | None
    """p-value of Student's two-sample t-test on all outcomes of each run, common or not, with which the paper compares
    checkpoints (section 4.1, without further detail). It assumes independent outcomes: neither pairs nor questions
    enter it."""

    @property
    def axis_value(self) -> float | None:
        """Value on the test's axis, a position or a ratio; none over all values."""
        return self.ratio if self.position is None else self.position

    @property
    def is_small(self) -> bool:
        """Whether the common questions are fewer than `HEADLINE_QUESTIONS`."""
        return self.questions < HEADLINE_QUESTIONS


class LeftOut(NamedTuple):
    """A group in which the runs have nothing in common."""

    test: str
    variant: str
    subset: str
    guide: str | None
    first: int
    second: int
    """Number of outcomes of each run in the group."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two runs."""

    differences: Sequence[Difference]
    left_out: Sequence[LeftOut]
    """Groups in which the runs have nothing in common."""


def compare(first: Iterable[Outcome], second: Iterable[Outcome]) -> Comparison:
    """Differences of the second run from the first, for the groups of `summarise`.

    In each test, outcomes are paired by row and sample if the runs share any row of it. Otherwise they are paired by
    question and position or ratio, as for two models that were each run on the sets made for them.
    """
    runs = _groups(first), _groups(second)
    rows = [_rows(groups) for groups in runs]
    by: dict[str, Unit] = {
        test: "row" if rows[0].get(test, set()) & rows[1].get(test, set()) else "question"
        for test in {**rows[0], **rows[1]}
    }
    keys = sorted(
        {*runs[0], *runs[1]},
        key=lambda key: (test_order(key[0]), key[0], key[1] != "default", *key[1:3], key[3] or ""),
    )
    differences: list[Difference] = []
    left_out: list[LeftOut] = []
    for key in keys:
        points = runs[0].get(key, []), runs[1].get(key, [])
        found = list(_differences(key, by[key[0]], *points))
        if not found:
            left_out.append(LeftOut(*key, *map(len, points)))
        differences += found
    return Comparison(differences, left_out)


def paired_p(difference: Floats, weight: Floats) -> float | None:
    """Two-sided p-value of no difference, by permutation: within each question the runs are swapped or not.

    Exact where the permutations are few, otherwise from a fixed sample of them.

    Args:
        difference: As for `paired_interval`.
        weight: Likewise.

    Returns:
        None for fewer than two questions.
    """
    from scipy import stats

    if len(weight) < 2:
        return None
    # A swap changes the sign of a question's share in the difference, and no weight.
    shares = (difference / weight.sum(axis=0)).mean(axis=1)
    shares = shares[np.abs(shares) > _SAME]
    if len(shares) < 2:  # both permutations are as extreme
        return 1.0
    result = stats.permutation_test(
        (shares,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_PERMUTATIONS,
        batch=max(1, 250_000 // len(shares)),
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def two_sample_p(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Two-sided p-value of Student's t-test between two independent samples.

    Returns:
        None where a sample has fewer than two outcomes, or neither varies.
    """
    from scipy import stats

    samples = [np.asarray(one, dtype=float) for one in (first, second)]
    if min(map(len, samples)) < 2 or max(np.ptp(one) for one in samples) == 0:
        return None
    (a, b), (mean_a, mean_b), (std_a, std_b) = (
        [len(one) for one in samples],
        [float(one.mean()) for one in samples],
        [float(one.std(ddof=1)) for one in samples],
    )
    # Unlike `ttest_ind`, it does not warn where one of the samples is constant.
    return float(stats.ttest_ind_from_stats(mean_a, std_a, a, mean_b, std_b, b).pvalue)


_Key = tuple[str, str, str, str | None]
_SAME = 1e-12


class _Point(NamedTuple):
    """The fields of an outcome that a comparison depends on."""

    row: str
    sample: int
    question: str
    axis: Literal["position", "ratio"]
    at: float
    """Value on that axis."""
    correct: bool | None
    """None without a verdict."""

    def unit(self, by: Unit) -> tuple[object, ...]:
        return (self.row, self.sample) if by == "row" else (self.question, self.at)


def _groups(outcomes: Iterable[Outcome]) -> dict[_Key, list[_Point]]:
    groups: dict[_Key, list[_Point]] = defaultdict(list)
    for outcome in outcomes:
        point = _Point(
            outcome.row_id,
            outcome.sample,
            f"{outcome.benchmark}\0{outcome.question_id}",
            "ratio" if outcome.position is None else "position",
            outcome.axis_value,
            None if outcome.verdict == "unscored" else outcome.verdict == "correct",
        )
        for subset in outcome.subsets:
            groups[outcome.test, outcome.variant, subset, None].append(point)
            if outcome.guide is not None:
                groups[outcome.test, outcome.variant, subset, outcome.guide].append(point)
    return dict(groups)


def _rows(groups: dict[_Key, list[_Point]]) -> dict[str, set[str]]:
    rows: dict[str, set[str]] = defaultdict(set)
    for key, points in groups.items():
        rows[key[0]].update(point.row for point in points)
    return dict(rows)


def _differences(key: _Key, by: Unit, first: Sequence[_Point], second: Sequence[_Point]) -> Iterator[Difference]:
    axis_values = sorted({point.at for point in first} & {point.at for point in second})
    for axis_value in [None, *axis_values]:
        inside = [[point for point in run if axis_value is None or point.at == axis_value] for run in (first, second)]
        found = _difference(key, by, axis_value, *inside)
        if found is not None:
            yield found


def _difference(
    key: _Key, by: Unit, axis_value: float | None, first: Sequence[_Point], second: Sequence[_Point]
) -> Difference | None:
    test, variant, subset, guide = key
    one, two = _units(first, by), _units(second, by)
    common = sorted(one.keys() & two.keys(), key=str)
    pairs = [(one[unit], two[unit]) for unit in common]
    scored = [(a, b) for a, b in pairs if a.share is not None and b.share is not None]
    if not scored:
        return None
    questions = {name: at for at, name in enumerate(sorted({a.question for a, _ in scored}))}
    columns = {at: column for column, at in enumerate(sorted({a.at for a, _ in scored}))}
    sums = np.zeros((2, len(questions), len(columns)))
    weight = np.zeros((len(questions), len(columns)))
    for a, b in scored:
        at = questions[a.question], columns[a.at]
        weight[at] += 1
        sums[0][at] += a.share or 0.0
        sums[1][at] += b.share or 0.0
    axis = first[0].axis
    scores = [float((run.sum(axis=0) / weight.sum(axis=0)).mean()) for run in sums]
    return Difference(
        test=test,
        variant=variant,
        subset=subset,
        guide=guide,
        position=axis_value if axis == "position" else None,
        ratio=axis_value if axis == "ratio" else None,
        by=by,
        common=len(scored),
        questions=len(questions),
        unscored=len(pairs) - len(scored),
        only_first=len(one) - len(common),
        only_second=len(two) - len(common),
        first=scores[0],
        second=scores[1],
        difference=scores[1] - scores[0],
        interval=paired_interval(sums[1] - sums[0], weight),
        p=paired_p(sums[1] - sums[0], weight),
        t_test_p=two_sample_p(
            *([point.correct for point in run if point.correct is not None] for run in (first, second))
        ),
    )


class _Unit(NamedTuple):
    """The outcomes of one run for one unit."""

    question: str
    at: float
    share: float | None
    """Share of correct outcomes; none without a verdict."""


def _units(points: Sequence[_Point], by: Unit) -> dict[tuple[object, ...], _Unit]:
    groups: dict[tuple[object, ...], list[_Point]] = defaultdict(list)
    for point in points:
        groups[point.unit(by)].append(point)
    found = {}
    for unit, group in groups.items():
        verdicts = [point.correct for point in group if point.correct is not None]
        share = sum(verdicts) / len(verdicts) if verdicts else None
        found[unit] = _Unit(group[0].question, group[0].at, share)
    return found
