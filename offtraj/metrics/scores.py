"""Scores of groups of outcomes, such as one test, variant, subset and position. Pure functions.

Intervals are computed in `intervals`, differences between runs in `comparison`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Literal, NamedTuple

import numpy as np

from offtraj.grading.verdict import VerdictName
from offtraj.metrics.intervals import HEADLINE_QUESTIONS, Interval, clustered_interval, percent_or_count
from offtraj.metrics.usage import OutcomeTokens, TokenUsage, token_usage
from offtraj.run.outcome import Outcome
from offtraj.run.solo import rate_order
from offtraj_builders.definitions import test_order

__all__ = ["Cell", "CellGroups", "VerdictCount", "VerdictCounter", "count_verdicts", "stratify", "summarise"]


@dataclass(frozen=True, slots=True)
class Cell:
    """The score of one group of outcomes. Shares, not percent."""

    test: str
    variant: str
    subset: str
    guide: str | None
    """None over all guides, and in tests without one."""
    position: float | None
    """None over all positions, and in tests whose axis is the ratio."""
    ratio: float | None
    """None over all ratios, and in tests whose axis is the position."""
    n: int
    """Outcomes with a verdict; unscored ones are not counted."""
    questions: int
    """Number of distinct questions of these outcomes."""
    score: float | None
    """Share of correct outcomes; over several positions or ratios the mean of their shares (paper, Table 1).
    None without a verdict."""
    interval: Interval | None
    """95 %, clustered by question; none for fewer than `INTERVAL_QUESTIONS` questions."""
    truncated: int
    no_answer: int
    unscored: int
    revealed: int
    """Outcomes whose steer contains the gold answer."""
    by_rule: int
    judged: int
    usage: TokenUsage
    """Of all its outcomes, unscored ones included."""
    benchmark: str | None = None
    """None over all benchmarks."""
    solve_rate: str | None = None
    """Solo solve rate of the questions, of the model that the rows were made for, such as `7/8`; none over all."""
    net_n: int = 0
    """As `n`, without revealed outcomes."""
    net_score: float | None = None
    """As `score`, net of revealed answers: outcomes whose steer contains the gold answer are left out. (The paper's
    Table 2 subtracts their share instead, which counts each of them as incorrect.)"""
    net_interval: Interval | None = None
    """As `interval`, for `net_score`."""

    @property
    def axis_value(self) -> float | None:
        """Value on the test's axis, a position or a ratio; none over all values."""
        return self.ratio if self.position is None else self.position

    @property
    def is_small(self) -> bool:
        """Whether the questions are too few for a headline: there are some, but fewer than `HEADLINE_QUESTIONS`."""
        return self.score is not None and self.questions < HEADLINE_QUESTIONS

    def __str__(self) -> str:
        """The score in percent, with its interval or the number of its questions; a dash for none."""
        return percent_or_count(self.score, self.interval, self.questions)


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """Number of outcomes with the same decider, verdict and reason."""

    decided_by: str | None
    """`rule`, `judge` or `execution`; none for unscored outcomes."""
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
    """One cell for each test, variant, subset, guide and position or ratio, and for their averages.

    Memory grows with the number of outcomes, by a few words each, and not with their texts.
    """
    groups = CellGroups(strata=False)
    for outcome in outcomes:
        groups.add(outcome, OutcomeTokens.of(outcome))
    return groups.cells()


def stratify(outcomes: Iterable[Outcome]) -> list[Cell]:
    """The cells of `summarise` over all guides, once for each benchmark and once for each solo solve rate.

    They are kept apart from `summarise`, in which a test, variant and subset have a single average.
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


_DECIDERS = ("rule", "judge", "execution", None)


@dataclass(frozen=True, slots=True)
class _Point:
    """The fields of an outcome that a score depends on."""

    question: str
    axis: Literal["position", "ratio"]
    at: float
    """Value on that axis."""
    verdict: str
    reason: str
    decided_by: str | None
    revealed: bool
    use: OutcomeTokens

    @classmethod
    def of(cls, outcome: Outcome, tokens: OutcomeTokens) -> _Point:
        return cls(  # strings that many outcomes share are stored once
            intern(f"{outcome.benchmark}\0{outcome.question_id}"),
            "ratio" if outcome.position is None else "position",
            outcome.axis_value,
            intern(outcome.verdict),
            intern(outcome.reason),
            outcome.decided_by and intern(outcome.decided_by),
            outcome.reveals_answer,
            tokens,
        )


class _Group(NamedTuple):
    """The fields that the outcomes of a cell share, except for position or ratio."""

    test: str
    variant: str
    subset: str
    guide: str | None = None
    benchmark: str | None = None
    solve_rate: str | None = None

    def order(self) -> tuple[object, ...]:
        default = 0 if self.variant == "default" else 1
        rate = (-1.0, -1) if self.solve_rate is None else rate_order(self.solve_rate)
        names = (self.variant, self.subset, self.guide or "")
        return test_order(self.test), self.test, default, *names, self.benchmark is None, self.benchmark or "", *rate


def _all_cells(groups: Mapping[_Group, Sequence[_Point]]) -> list[Cell]:
    return [cell for group in sorted(groups, key=_Group.order) for cell in _cells(group, groups[group])]


def _cells(group: _Group, points: Sequence[_Point]) -> Iterator[Cell]:
    axis = points[0].axis
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
            position=axis_value if axis == "position" else None,
            ratio=axis_value if axis == "ratio" else None,
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
