"""Two runs on what they have in common: paired differences, with intervals and p-values. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from offtraj.metrics.scores import Interval, bootstrap_interval
from offtraj.run.outcome import Outcome
from offtraj.spec import TestName

__all__ = ["Comparison", "Difference", "LeftOut", "Unit", "compare", "paired_interval", "paired_p", "two_sample_p"]

Unit = Literal["row", "question"]
"""What two runs have in common: rows (one outcome each for a row and sample), or, where not a single row of a test
is, questions (one share each for a question and position or ratio)."""

_PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Difference:
    """One group of outcomes of two runs. Shares, not percent."""

    test: TestName
    variant: str
    subset: str
    guide: str | None
    """None over all guides, and in recoverability."""
    position: float | None
    """None over all positions, and in guidability."""
    ratio: float | None
    """None over all ratios."""
    by: Unit
    common: int
    """Units on which the difference stands: both runs have an outcome with a verdict there."""
    questions: int
    """Questions of these."""
    unscored: int
    """Common units without a verdict in one of the runs."""
    only_first: int
    only_second: int
    """Units that only one of the runs has."""
    first: float
    second: float
    """The scores on the common units; each unit counts the same, and over several positions or ratios each of these."""
    difference: float
    """`second` - `first`."""
    interval: Interval | None
    """95 %, by bootstrap over common questions; none for fewer than two."""
    p: float | None
    """That the runs do not differ: two-sided, by swapping them question by question. None for fewer than two."""
    t_test_p: float | None
    """Student's two-sample t-test on all outcomes of either run, common or not, as the paper compares checkpoints
    (section 4.1; it says no more of it). It takes them for independent, and knows neither pairs nor questions."""

    @property
    def axis_value(self) -> float | None:
        """Its position, or its ratio in guidability; none over all of them."""
        return self.ratio if self.position is None else self.position


class LeftOut(NamedTuple):
    """A group that could not be compared."""

    test: TestName
    variant: str
    subset: str
    guide: str | None
    first: int
    second: int
    """How many outcomes each run has in it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that can be said of two runs."""

    differences: Sequence[Difference]
    left_out: Sequence[LeftOut]
    """Groups of which the runs have nothing in common."""


def compare(first: Iterable[Outcome], second: Iterable[Outcome]) -> Comparison:
    """What the second run scores more than the first, group by group as `summarise` has them.

    Outcomes are paired by row and sample in each test of which the runs share any row, and by question and
    position or ratio where they share none, as runs of two models on sets that were made for each do.
    """
    runs = _groups(first), _groups(second)
    rows = [_rows(groups) for groups in runs]
    by: dict[TestName, Unit] = {test: "row" if rows[0][test] & rows[1][test] else "question" for test in _TESTS}
    keys = sorted(
        {*runs[0], *runs[1]}, key=lambda key: (_TESTS.index(key[0]), key[1] != "default", *key[1:3], key[3] or "")
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


def paired_interval(difference: _Floats, weight: _Floats) -> Interval | None:
    """95 % interval of a paired difference, by bootstrap over questions.

    Args:
        difference: Sums of second minus first, for each question (row) and position or ratio (column).
        weight: Of how many units each is the sum. The statistic is the mean over columns of sum(difference) /
            sum(weight).

    Returns:
        None for fewer than two questions. Where all differ by the same the bootstrap has nothing to resample;
        the interval then reaches as far as Wilson's does for a difference that none of as many questions showed.
    """
    from scipy import stats

    questions = len(weight)
    if questions < 2:
        return None
    each = difference.sum(axis=1) / weight.sum(axis=1)
    if np.ptp(each) < _SAME:
        reach = stats.binomtest(0, questions).proportion_ci(0.95, method="wilson").high
        return Interval(max(-1.0, float(each[0] - reach)), min(1.0, float(each[0] + reach)))
    return bootstrap_interval(difference, weight)


def paired_p(difference: _Floats, weight: _Floats) -> float | None:
    """Two-sided p-value of no difference, by permutation: in each question the runs may be swapped, as a whole.

    Exact where there are few ways to swap, else from a fixed sample of them. Arguments as of `paired_interval`.

    Returns:
        None for fewer than two questions.
    """
    from scipy import stats

    if len(weight) < 2:
        return None
    # A swap changes the sign of a question's share in the difference, and no weight.
    shares = (difference / weight.sum(axis=0)).mean(axis=1)
    shares = shares[np.abs(shares) > _SAME]
    if len(shares) < 2:  # either way round it is the same
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


_Floats = NDArray[np.float64]
_Key = tuple[TestName, str, str, str | None]
_SAME = 1e-12
_TESTS: tuple[TestName, ...] = ("recoverability", "guidability")


class _Point(NamedTuple):
    """What of an outcome a comparison is made of."""

    row: str
    sample: int
    question: str
    at: float
    """Its position, or its ratio in guidability."""
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
            outcome.ratio if outcome.position is None else outcome.position,
            None if outcome.verdict == "unscored" else outcome.verdict == "correct",
        )
        for subset in outcome.subsets:
            groups[outcome.test, outcome.variant, subset, None].append(point)
            if outcome.guide is not None:
                groups[outcome.test, outcome.variant, subset, outcome.guide].append(point)
    return dict(groups)


def _rows(groups: dict[_Key, list[_Point]]) -> dict[TestName, set[str]]:
    rows: dict[TestName, set[str]] = {test: set() for test in _TESTS}
    for key, points in groups.items():
        rows[key[0]].update(point.row for point in points)
    return rows


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
    scores = [float((run.sum(axis=0) / weight.sum(axis=0)).mean()) for run in sums]
    return Difference(
        test=test,
        variant=variant,
        subset=subset,
        guide=guide,
        position=axis_value if test == "recoverability" else None,
        ratio=axis_value if test == "guidability" else None,
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
    """What one run made of one unit."""

    question: str
    at: float
    share: float | None
    """Of correct outcomes; none without any verdict."""


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
