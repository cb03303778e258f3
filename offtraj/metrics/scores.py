"""From outcomes to scores: pure functions, with intervals that know which outcomes share a question."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from offtraj.grading.verdict import VerdictName
from offtraj.metrics.usage import OutcomeTokens, TokenUsage, token_usage
from offtraj.run.outcome import Outcome
from offtraj.run.solo import rate_order
from offtraj.spec import TestName

__all__ = [
    "Cell",
    "CellGroups",
    "Interval",
    "VerdictCount",
    "VerdictCounter",
    "bootstrap_interval",
    "clustered_interval",
    "count_verdicts",
    "percent",
    "stratify",
    "summarise",
]

_RESAMPLES = 2000
_Numbers = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, as shares."""

    low: float
    high: float

    def __str__(self) -> str:
        """In percent."""
        return f"{100 * self.low:.1f}–{100 * self.high:.1f}"


@dataclass(frozen=True, slots=True)
class Cell:
    """The score of one group of outcomes. Shares, not percent."""

    test: TestName
    variant: str
    subset: str
    guide: str | None
    """None over all guides, and in recoverability."""
    position: float | None
    """None over all positions, and in guidability."""
    ratio: float | None
    """None over all ratios."""
    n: int
    """Outcomes with a verdict; unscored ones are not among them."""
    questions: int
    """How many questions they stand on."""
    score: float | None
    """Share of correct ones; over several positions or ratios the mean of their shares (paper, Table 1).
    None without any."""
    interval: Interval | None
    """By bootstrap over questions; none for fewer than two."""
    truncated: int
    no_answer: int
    unscored: int
    revealed: int
    """Outcomes whose steer gives the gold answer away."""
    by_rule: int
    judged: int
    usage: TokenUsage
    """Of all its outcomes, unscored ones included."""
    benchmark: str | None = None
    """None over all benchmarks."""
    solve_rate: str | None = None
    """How often the model that the rows were made for solves their questions solo, such as `7/8`; none over all."""
    net_n: int = 0
    """As `n`, without the revealed ones."""
    net_score: float | None = None
    """As `score`, net of revealed answers: rows whose steer gives the gold answer away are left out. (The paper's
    Table 2 subtracts them instead, and so counts each as a wrong one.)"""
    net_interval: Interval | None = None

    @property
    def axis_value(self) -> float | None:
        """Its position, or its ratio in guidability; none over all of them."""
        return self.ratio if self.position is None else self.position


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """How many outcomes one decider gave one verdict for one reason."""

    decided_by: str | None
    """`rule`, `judge` or `execution`; none for what is unscored."""
    verdict: VerdictName
    reason: str
    n: int


def count_verdicts(outcomes: Iterable[Outcome]) -> list[VerdictCount]:
    """Number of outcomes by decider, verdict and reason, the most frequent first within each decider."""
    counts = VerdictCounter()
    for outcome in outcomes:
        counts.add(outcome)
    return counts.counts()


def summarise(outcomes: Iterable[Outcome]) -> list[Cell]:
    """One cell for each test, variant, subset, guide and position or ratio, and their averages.

    Memory grows with the number of outcomes, by a few words each, and not with their texts.
    """
    groups = CellGroups(strata=False)
    for outcome in outcomes:
        groups.add(outcome, OutcomeTokens.of(outcome))
    return groups.cells()


def stratify(outcomes: Iterable[Outcome]) -> list[Cell]:
    """The same cells over all guides, for each benchmark and for each solve rate of the questions.

    They are not part of `summarise`, which has one cell for each test, variant and subset.
    """
    groups = CellGroups(cells=False)
    for outcome in outcomes:
        groups.add(outcome, OutcomeTokens.of(outcome))
    return groups.strata()


class VerdictCounter:
    """Counts verdicts, one outcome after the other."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, VerdictName, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._counts[outcome.decided_by, outcome.verdict, outcome.reason.partition(":")[0]] += 1

    def counts(self) -> list[VerdictCount]:
        """As `count_verdicts` returns them."""
        ordered = sorted(self._counts.items(), key=lambda item: (_DECIDERS.index(item[0][0]), -item[1], item[0][1:]))
        return [VerdictCount(decider, verdict, reason, n) for (decider, verdict, reason), n in ordered]


class CellGroups:
    """Groups outcomes by cell, one after the other. An outcome is held once, in a few words, for all its cells."""

    def __init__(self, *, cells: bool = True, strata: bool = True) -> None:
        """Collect what `cells`, `strata` or both need."""
        self._with_cells, self._with_strata = cells, strata
        self._cells: dict[_Group, list[_Point]] = defaultdict(list)
        self._strata: dict[_Group, list[_Point]] = defaultdict(list)

    def add(self, outcome: Outcome, tokens: OutcomeTokens) -> None:
        """Add one outcome with its token usage."""
        point = _Point.of(outcome, tokens)
        for subset in outcome.subsets:
            key = outcome.test, outcome.variant, subset
            if self._with_cells:
                self._cells[_Group(*key)].append(point)
                if outcome.guide is not None:
                    self._cells[_Group(*key, guide=outcome.guide)].append(point)
            if self._with_strata:
                self._strata[_Group(*key, benchmark=outcome.benchmark)].append(point)
                self._strata[_Group(*key, solve_rate=f"{outcome.solved}/{outcome.sampled}")].append(point)

    def cells(self) -> list[Cell]:
        """As `summarise` returns them."""
        return _all_cells(self._cells)

    def strata(self) -> list[Cell]:
        """As `stratify` returns them."""
        return _all_cells(self._strata)


def clustered_interval(correct: NDArray[np.int64], total: NDArray[np.int64], *, level: float = 0.95) -> Interval | None:
    """Interval of a mean of shares, by bootstrap over clusters.

    Args:
        correct: Correct outcomes of each cluster (row) in each stratum (column).
        total: All outcomes of each cluster in each stratum. The statistic is the mean over strata of
            sum(correct) / sum(total); strata that a resample leaves empty do not count in it.
        level: Confidence.

    Returns:
        None for fewer than two clusters. Where all clusters agree the bootstrap has nothing to resample;
        the interval is then Wilson's, with clusters for observations.
    """
    from scipy import stats

    clusters = len(total)
    if clusters < 2:
        return None
    shares = correct.sum(axis=1) / total.sum(axis=1)
    if np.all(shares == shares[0]) and shares[0] in (0.0, 1.0):
        wilson = stats.binomtest(int(shares[0]) * clusters, clusters).proportion_ci(level, method="wilson")
        return Interval(float(wilson.low), float(wilson.high))
    return bootstrap_interval(correct, total, level=level)


def bootstrap_interval(values: _Numbers, weights: _Numbers, *, level: float = 0.95) -> Interval:
    """Percentile interval of the mean over strata (columns) of sum(values) / sum(weights), resampling clusters (rows).

    Percentiles of resamples are too narrow for few clusters, as normal ones are against Student's: they are
    taken further out by as much (Hesterberg 2015, "What teachers should know about the bootstrap", 3.2).

    The resamples are the same for the same number of clusters. Strata that a resample leaves empty do not count
    in it. There must be two clusters or more.
    """
    from scipy import stats

    def statistic(index: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:  # noqa: ARG001 - scipy's signature
        right, of = values[index].sum(axis=-2), weights[index].sum(axis=-2)  # over the clusters drawn
        strata = np.divide(right, of, out=np.full(right.shape, np.nan), where=of > 0)
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
    """As it is shown, with its interval in parentheses; a dash where there is none."""
    if share is None:
        return "–"
    return f"{100 * share:.1f}" + ("" if interval is None else f" ({interval})")


_DECIDERS = ("rule", "judge", "execution", None)
_TESTS: tuple[TestName, ...] = ("recoverability", "guidability")


@dataclass(frozen=True, slots=True)
class _Point:
    """What of an outcome a score is made of."""

    question: str
    at: float
    """Its position, or its ratio in guidability."""
    verdict: str
    reason: str
    decided_by: str | None
    revealed: bool
    use: OutcomeTokens

    @classmethod
    def of(cls, outcome: Outcome, tokens: OutcomeTokens) -> _Point:
        at = outcome.ratio if outcome.position is None else outcome.position
        return cls(  # of words that many outcomes share, one is held
            intern(f"{outcome.benchmark}\0{outcome.question_id}"),
            at,
            intern(outcome.verdict),
            intern(outcome.reason),
            outcome.decided_by and intern(outcome.decided_by),
            outcome.reveals_answer,
            tokens,
        )


class _Group(NamedTuple):
    """What the outcomes of a cell have in common, but for their position or ratio."""

    test: TestName
    variant: str
    subset: str
    guide: str | None = None
    benchmark: str | None = None
    solve_rate: str | None = None

    def order(self) -> tuple[object, ...]:
        default = 0 if self.variant == "default" else 1
        rate = (-1.0, -1) if self.solve_rate is None else rate_order(self.solve_rate)
        names = (self.variant, self.subset, self.guide or "")
        return _TESTS.index(self.test), default, *names, self.benchmark is None, self.benchmark or "", *rate


def _all_cells(groups: Mapping[_Group, Sequence[_Point]]) -> list[Cell]:
    return [cell for group in sorted(groups, key=_Group.order) for cell in _cells(group, groups[group])]


def _cells(group: _Group, points: Sequence[_Point]) -> Iterator[Cell]:
    axis_values = sorted({point.at for point in points})
    for axis_value in [None, *axis_values]:
        inside = [point for point in points if axis_value is None or point.at == axis_value]
        scored = [point for point in inside if point.verdict != "unscored"]
        net = [point for point in scored if not point.revealed]
        score, interval = _score(scored)
        net_score, net_interval = (score, interval) if len(net) == len(scored) else _score(net)
        reasons = Counter(point.reason for point in scored if point.verdict == "incorrect")
        deciders = Counter(point.decided_by for point in scored)
        yield Cell(
            test=group.test,
            variant=group.variant,
            subset=group.subset,
            guide=group.guide,
            position=axis_value if group.test == "recoverability" else None,
            ratio=axis_value if group.test == "guidability" else None,
            n=len(scored),
            questions=len({point.question for point in scored}),
            score=score,
            interval=interval,
            truncated=reasons["truncated"],
            no_answer=reasons["no_answer"],
            unscored=len(inside) - len(scored),
            revealed=len(scored) - len(net),
            by_rule=deciders["rule"],
            judged=deciders["judge"],
            benchmark=group.benchmark,
            solve_rate=group.solve_rate,
            net_n=len(net),
            net_score=net_score,
            net_interval=net_interval,
            usage=token_usage([point.use for point in inside]),
        )


def _score(points: Sequence[_Point]) -> tuple[float | None, Interval | None]:
    if not points:
        return None, None
    questions = {name: at for at, name in enumerate(sorted({point.question for point in points}))}
    axis_values = {axis_value: at for at, axis_value in enumerate(sorted({point.at for point in points}))}
    correct = np.zeros((len(questions), len(axis_values)), dtype=np.int64)
    total = np.zeros_like(correct)
    for point in points:
        at = questions[point.question], axis_values[point.at]
        total[at] += 1
        correct[at] += point.verdict == "correct"
    return float(np.mean(correct.sum(axis=0) / total.sum(axis=0))), clustered_interval(correct, total)
