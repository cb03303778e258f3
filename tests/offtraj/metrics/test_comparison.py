"""Paired differences: against scipy, and against simulated runs whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from support.factories import make_row

from offtraj.grading.verdict import Verdict
from offtraj.metrics import comparison, intervals
from offtraj.metrics.comparison import Comparison, Difference, compare, paired_p, two_sample_p
from offtraj.metrics.intervals import paired_interval
from offtraj.model.completion import Completion
from offtraj.run.outcome import Outcome, outcome_of

VERDICTS = {
    "+": Verdict("correct", "rule", "boxed"),
    "-": Verdict("incorrect", "rule", "boxed"),
    "?": Verdict("unscored", None, "timeout"),
}
Floats = NDArray[np.float64]


def make_run(verdicts: str, *, first: int = 0, model: str = "weak", **row: Any) -> list[Outcome]:
    """One outcome a question from `first` on, by the sign of its verdict; rows are `model`'s own."""
    found = []
    for number, sign in enumerate(verdicts, first):
        steered = make_row(number, **row)
        steered = replace(steered, id=f"{steered.id}-{model}-{number}-{steered.position}")
        completion = Completion("x", "stop", 1, 1)
        found.append(outcome_of(steered, 0, completion, VERDICTS[sign], exactness="ids", prefix_tokens=1))
    return found


def whole(comparison: Comparison) -> Difference:
    """The one difference over all positions."""
    found = [one for one in comparison.differences if one.axis_value is None]
    assert len(found) == 1
    return found[0]


def simulate(rng: np.random.Generator, questions: int, effect: float) -> tuple[Floats, Floats]:
    """Differences and weights of two runs: questions differ in difficulty, in effect and in how often they are asked."""
    weight = rng.integers(1, 4, size=(questions, 5)).astype(float)
    level = rng.beta(2, 2, size=(questions, 1)) * 0.6
    other = level + effect + rng.choice([-0.1, 0.1], size=(questions, 1))  # an effect of its own on every question
    right = [rng.binomial(weight.astype(int), np.clip(rate * np.ones((1, 5)), 0, 1)) for rate in (level, other)]
    return (right[1] - right[0]).astype(float), weight


def test_runs_of_the_same_rows_are_paired_row_by_row() -> None:
    found = whole(compare(make_run("++--+"), make_run("+-+++", first=0)))
    assert (found.by, found.common, found.questions, found.only_first, found.only_second) == ("row", 5, 5, 0, 0)
    assert (found.first, found.second) == (0.6, 0.8)
    assert found.difference == pytest.approx(0.2)


def test_runs_on_sets_of_their_own_are_paired_question_by_question() -> None:
    found = whole(compare(make_run("++-", model="a"), make_run("-+-+", first=1, model="b")))
    assert (found.by, found.common, found.only_first, found.only_second) == ("question", 2, 1, 2)
    assert (found.first, found.second) == (0.5, 0.5)


def test_a_question_counts_once_however_many_rows_a_run_has_of_it() -> None:
    first = make_run("+-", model="a")
    many = [replace(first[0], row_id=f"more-{number}") for number in range(8)]
    found = whole(compare(first + many, make_run("--", model="b")))
    assert (found.common, found.difference) == (2, -0.5)


def test_what_one_run_could_not_score_is_counted_and_left_out() -> None:
    found = whole(compare(make_run("++?-"), make_run("+--?")))
    assert (found.common, found.unscored, found.difference) == (2, 2, -0.5)


def test_the_average_is_the_mean_over_positions() -> None:
    runs = [
        make_run(near, position=0.2) + make_run(far, position=0.8) for near, far in (("++++", "++"), ("++--", "+-"))
    ]
    found = compare(*runs)
    assert [(one.position, one.difference) for one in found.differences] == [(None, -0.5), (0.2, -0.5), (0.8, -0.5)]
    assert whole(found).common == 6


def test_groups_of_which_nothing_is_common_are_said() -> None:
    first = make_run("++", model="a") + make_run("+", variant="cross-model", model="a")
    found = compare(first, make_run("+-", model="b") + make_run("++", first=5, variant="cross-model", model="b"))
    assert {one.variant for one in found.differences} == {"default"}
    assert [(left.variant, left.first, left.second) for left in found.left_out] == [("cross-model", 1, 2)]


def test_swapping_the_runs_turns_the_difference_round() -> None:
    runs = make_run("++--+-+-+"), make_run("+--++++-+")
    one, other = whole(compare(*runs)), whole(compare(*reversed(runs)))
    assert one.difference == -other.difference
    assert one.p == other.p
    assert one.interval is not None and other.interval is not None
    assert one.interval.low == pytest.approx(-other.interval.high, abs=0.15)


def test_nothing_depends_on_the_order_of_outcomes() -> None:
    first, second = make_run("+-+-++--+"), make_run("++---++-+")
    assert compare(first, second) == compare(first[::-1], second[::-1])


def test_one_question_has_neither_interval_nor_p() -> None:
    found = whole(compare(make_run("+"), make_run("-")))
    assert (found.interval, found.p, found.t_test_p) == (None, None, None)


def test_seven_common_questions_have_a_difference_and_no_interval() -> None:
    seven, eight = (whole(compare(make_run(signs), make_run(signs[::-1]))) for signs in ("++--+--", "++--+---"))
    assert (seven.questions, seven.interval) == (7, None)
    assert seven.p is not None
    assert eight.interval is not None


def test_questions_that_all_differ_by_the_same_have_an_interval_that_is_no_point() -> None:
    """Every question is worse at one position and better at another: no resample changes the mean of 0."""
    difference = np.tile([1.0, -1.0], (10, 1))
    found = paired_interval(difference, np.ones((10, 2)))
    assert found is not None
    assert found.high == -found.low == pytest.approx(0.278, abs=0.001)


def test_an_unknown_test_is_compared_under_its_own_name() -> None:
    found = whole(compare(make_run("++-", test="relay"), make_run("+--", test="relay")))
    assert (found.test, found.common) == ("relay", 3)
    assert found.difference == pytest.approx(-1 / 3)


def test_runs_that_agree_everywhere_differ_by_nothing_but_not_for_certain() -> None:
    found = whole(compare(make_run("++--" * 5), make_run("++--" * 5)))
    assert (found.difference, found.p) == (0, 1)
    assert found.interval is not None
    assert found.interval.high == -found.interval.low == pytest.approx(0.161, abs=0.001)


def test_with_one_row_a_question_p_is_mcnemars_exact_test() -> None:
    first, second = "+" * 9 + "-" * 2 + "+" * 20, "-" * 9 + "+" * 2 + "+" * 20
    p = whole(compare(make_run(first), make_run(second))).p
    assert p == pytest.approx(stats.binomtest(2, 11).pvalue)


def test_with_many_questions_p_is_the_paired_t_tests() -> None:
    rng = np.random.default_rng(3)
    difference = rng.normal(0.15, 1, size=(200, 1))
    p = paired_p(difference, np.ones_like(difference))
    assert p == pytest.approx(stats.ttest_1samp(difference[:, 0], 0).pvalue, abs=0.01)


def test_p_knows_which_rows_share_a_question() -> None:
    """Ten rows on each of four questions are four swaps, and not forty."""
    heaped = paired_p(np.full((4, 1), 10.0), np.full((4, 1), 10.0))
    spread = paired_p(np.ones((40, 1)), np.ones((40, 1)))
    assert heaped == 2 / 2**4
    assert spread is not None and spread < 0.001


def test_the_t_test_is_scipys() -> None:
    first, second = np.arange(50) % 3 == 0, np.arange(70) % 2 == 0
    expected = stats.ttest_ind(first.astype(float), second.astype(float)).pvalue
    assert two_sample_p(list(first), list(second)) == pytest.approx(expected)
    assert two_sample_p([True] * 5, [True] * 9) is None


def test_the_interval_is_as_wide_as_the_cluster_robust_standard_error_says() -> None:
    difference, weight = simulate(np.random.default_rng(4), 300, 0.1)
    interval = paired_interval(difference[:, :1], weight[:, :1])
    assert interval is not None
    # The sandwich estimator of a ratio, as statsmodels' OLS has it with cov_type="cluster".
    ratio = difference[:, 0].sum() / weight[:, 0].sum()
    scatter = difference[:, 0] - ratio * weight[:, 0]
    error = np.sqrt((scatter**2).sum()) / weight[:, 0].sum()
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.05)


@pytest.mark.parametrize(("questions", "effect"), [(15, 0.1), (40, 0.0), (80, 0.2)])
def test_the_interval_covers_the_truth_as_often_as_it_says(
    questions: int, effect: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "_RESAMPLES", 800)
    rng = np.random.default_rng(5)
    truth = np.mean([d.sum(axis=0) / w.sum(axis=0) for d, w in (simulate(rng, 20_000, effect) for _ in range(10))])
    covered = 0
    for _ in range(1000):
        interval = paired_interval(*simulate(rng, questions, effect))
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_p_is_uniform_where_the_runs_do_not_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_PERMUTATIONS", 999)
    rng = np.random.default_rng(6)
    values = []
    for _ in range(400):
        weight = rng.integers(1, 4, size=(40, 5))
        rate = rng.beta(2, 2, size=(40, 1)) * np.ones((1, 5))
        difference = rng.binomial(weight, rate) - rng.binomial(weight, rate)
        p = paired_p(difference.astype(float), weight.astype(float))
        assert p is not None
        values.append(p)
    assert stats.kstest(values, "uniform").pvalue > 0.05
    assert 0.03 <= np.mean(np.array(values) <= 0.05) <= 0.07


def test_p_finds_a_difference_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_PERMUTATIONS", 999)
    rng = np.random.default_rng(7)
    values = [paired_p(*simulate(rng, 80, 0.2)) for _ in range(50)]
    assert sum(p is not None and p <= 0.05 for p in values) >= 45
