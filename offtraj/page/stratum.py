"""Scores by how often the model solves a question alone (paper, Table 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from offtraj.outcome import Outcome
from offtraj.scores import Interval, clustered_interval
from offtraj.spec import TestName

__all__ = ["Stratum", "stratify"]

_TESTS: tuple[TestName, ...] = ("recoverability", "guidability")


@dataclass(frozen=True, slots=True)
class Stratum:
    """The outcomes on questions that are solved equally often. Shares, not percent."""

    test: TestName
    solved: int
    sampled: int
    n: int
    questions: int
    score: float
    """Mean over positions or ratios, as in Table 1."""
    interval: Interval | None


def stratify(outcomes: Iterable[Outcome]) -> list[Stratum]:
    """A stratum for each test and solve rate, of the default variant's individual subset."""
    points: dict[tuple[TestName, int, int], list[tuple[str, float, bool]]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.variant == "default" and "individual" in outcome.subsets and outcome.verdict != "unscored":
            at = outcome.ratio if outcome.position is None else outcome.position
            question = f"{outcome.benchmark}\0{outcome.question_id}"
            points[outcome.test, outcome.solved, outcome.sampled].append((question, at, outcome.verdict == "correct"))
    ordered = sorted(points, key=lambda key: (_TESTS.index(key[0]), key[1] / max(key[2], 1), key[2]))
    return [_stratum(key, points[key]) for key in ordered]


def _stratum(key: tuple[TestName, int, int], points: list[tuple[str, float, bool]]) -> Stratum:
    questions = {name: number for number, name in enumerate(sorted({point[0] for point in points}))}
    places = {place: number for number, place in enumerate(sorted({point[1] for point in points}))}
    correct = np.zeros((len(questions), len(places)), dtype=np.int64)
    total = np.zeros_like(correct)
    for question, place, right in points:
        at = questions[question], places[place]
        total[at] += 1
        correct[at] += right
    score = float(np.mean(correct.sum(axis=0) / total.sum(axis=0)))
    return Stratum(*key, len(points), len(questions), score, clustered_interval(correct, total))
