"""Intervals of scores: against known distributions, and where a bootstrap has nothing to resample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from offtraj.metrics.intervals import INTERVAL_QUESTIONS, bootstrap_interval, clustered_interval, wilson_interval

Ints = NDArray[np.int64]


def ones(clusters: int, strata: int = 1) -> Ints:
    return np.ones((clusters, strata), dtype=np.int64)


def test_the_interval_depends_on_which_outcomes_share_a_question() -> None:
    """Eighty outcomes on eight questions say less than eighty on eighty."""
    spread = clustered_interval(ones(80) * np.arange(80)[:, None] % 2, ones(80))
    clustered = clustered_interval(np.array([[10], [0]] * 4), np.full((8, 1), 10))
    assert spread is not None and clustered is not None
    assert clustered.high - clustered.low > 2 * (spread.high - spread.low)


def test_with_one_outcome_a_question_it_is_the_ordinary_bootstrap() -> None:
    rng = np.random.default_rng(1)
    correct = (rng.random((300, 1)) < 0.7).astype(np.int64)
    interval = clustered_interval(correct, np.ones_like(correct))
    low, high = stats.norm.interval(0.95, correct.mean(), correct.std() / np.sqrt(300))
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize("questions", [10, 20, 60])
def test_it_covers_the_truth_as_often_as_it_says(questions: int) -> None:
    rng = np.random.default_rng(questions)
    covered = 0
    for _ in range(1000):
        rate = rng.beta(2, 2, size=(questions, 1)) * np.ones((1, 5))  # questions differ, positions share them
        correct = (rng.random((questions, 5)) < rate).astype(np.int64)
        interval = clustered_interval(correct, np.ones_like(correct))
        assert interval is not None
        covered += interval.low <= 0.5 <= interval.high
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("questions", [10, 20, 60])
def test_it_covers_the_truth_where_questions_are_nearly_always_or_nearly_never_solved(questions: int) -> None:
    """Positions say little more than one of them: what varies is which questions were drawn."""
    rng = np.random.default_rng(questions)
    covered = 0
    for _ in range(1000):
        easy = rng.random((questions, 1)) < 0.65
        correct = (rng.random((questions, 5)) < np.where(easy, 0.95, 0.1)).astype(np.int64)
        interval = clustered_interval(correct, np.ones_like(correct))
        assert interval is not None
        covered += interval.low <= 0.65 * 0.95 + 0.35 * 0.1 <= interval.high
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("share", [0, 1])
def test_where_all_agree_the_interval_is_wilsons_with_questions_as_observations(share: int) -> None:
    interval = clustered_interval(share * ones(20, 5), ones(20, 5))
    wilson = stats.binomtest(share * 20, 20).proportion_ci(0.95, method="wilson")
    assert interval is not None
    assert (interval.low, interval.high) == (wilson.low, wilson.high)


def test_questions_that_are_all_solved_seven_times_of_eight_have_an_interval_that_is_no_point() -> None:
    interval = clustered_interval(np.full((12, 1), 7), np.full((12, 1), 8))
    assert interval == wilson_interval(7 / 8, 12)
    assert interval is not None
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.598, 0.971)


def test_questions_that_are_right_at_one_position_and_wrong_at_another_have_an_interval_that_is_no_point() -> None:
    interval = clustered_interval(np.tile([1, 0], (10, 1)), ones(10, 2))
    assert interval == wilson_interval(0.5, 10)


def test_deviations_that_cancel_over_positions_are_no_variation() -> None:
    correct = np.array([[1, 0], [0, 1]] * 6)
    bootstrap = bootstrap_interval(correct, np.ones_like(correct))
    assert bootstrap.high - bootstrap.low < 1e-9  # this is what the fall-back is for
    assert clustered_interval(correct, np.ones_like(correct)) == wilson_interval(0.5, 12)


def test_the_bootstrap_is_used_as_soon_as_one_question_differs() -> None:
    correct = np.array([[7]] * 11 + [[0]])
    total = np.full((12, 1), 8)
    assert clustered_interval(correct, total) == bootstrap_interval(correct, total)


def test_wilsons_interval_is_scipys_and_takes_any_share() -> None:
    for share, n in ((0.0, 8), (0.25, 12), (1.0, 20)):
        scipys = stats.binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
        found = wilson_interval(share, n)
        assert (found.low, found.high) == pytest.approx((scipys.low, scipys.high), abs=1e-15)
    between = wilson_interval(10.5 / 12, 12)
    assert wilson_interval(10 / 12, 12).low < between.low < wilson_interval(11 / 12, 12).low


@pytest.mark.parametrize("questions", [1, 2, INTERVAL_QUESTIONS - 1])
def test_fewer_than_eight_questions_have_no_interval(questions: int) -> None:
    correct = np.arange(questions)[:, None] % 2
    assert clustered_interval(correct, ones(questions)) is None
    assert clustered_interval(ones(questions), ones(questions)) is None
    assert clustered_interval(np.arange(8)[:, None] % 2, ones(8)) is not None
