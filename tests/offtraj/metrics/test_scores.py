"""Scores of groups of outcomes."""

from __future__ import annotations

from typing import Any

from support.factories import make_row

from offtraj.grading.verdict import Verdict
from offtraj.metrics.scores import Cell, stratify, summarise
from offtraj.model.completion import Completion
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.row import Segment
from offtraj_builders.definitions import TESTS

VERDICTS = {
    "+": Verdict("correct", "rule", "boxed"),
    "-": Verdict("incorrect", "rule", "boxed"),
    "t": Verdict("incorrect", "rule", "truncated"),
    "n": Verdict("incorrect", "rule", "no_answer"),
    "?": Verdict("unscored", None, "timeout"),
    "j": Verdict("correct", "judge", "boxed"),
}


def make_outcomes(verdicts: str, **row: Any) -> list[Outcome]:
    """One outcome a question, by the sign of its verdict."""
    return [
        outcome_of(
            make_row(number, **row), 0, Completion("x", "stop", 1, 1), VERDICTS[sign], exactness="ids", prefix_tokens=1
        )
        for number, sign in enumerate(verdicts)
    ]


def cell(cells: list[Cell], **fields: Any) -> Cell:
    """The one cell with these values."""
    found = [c for c in cells if all(getattr(c, name) == value for name, value in fields.items())]
    assert len(found) == 1, found
    return found[0]


def test_unscored_outcomes_are_counted_and_no_part_of_the_score() -> None:
    whole = cell(summarise(make_outcomes("++-tn?j")), position=None)
    assert (whole.n, whole.unscored, whole.truncated, whole.no_answer) == (6, 1, 1, 1)
    assert (whole.by_rule, whole.judged) == (5, 1)
    assert whole.score == 0.5


def test_the_average_is_the_mean_over_positions() -> None:
    outcomes = make_outcomes("++++", position=0.2) + make_outcomes("+-", position=0.8)
    cells = summarise(outcomes)
    assert cell(cells, position=0.2).score == 1
    assert cell(cells, position=0.8).score == 0.5
    assert cell(cells, position=None).score == 0.75


def test_an_outcome_of_two_subsets_counts_in_both() -> None:
    cells = summarise(
        make_outcomes("+", subsets=("individual", "shared")) + make_outcomes("--", subsets=("individual",))
    )
    assert cell(cells, subset="shared", position=None).n == 1
    assert cell(cells, subset="individual", position=None).n == 3


def test_guides_have_cells_of_their_own() -> None:
    outcomes = []
    for guide, verdicts in (("a", "++"), ("b", "--")):
        segments = (Segment("steer", "Okay.", guide, "q0", 0, 0, 5, 1),)
        outcomes += make_outcomes(verdicts, test="guidability", position=None, ratio=0.4, segments=segments)
    cells = summarise(outcomes)
    assert [cell(cells, guide=guide, ratio=0.4).score for guide in (None, "a", "b")] == [0.5, 1, 0]


def test_cells_without_a_verdict_have_no_score() -> None:
    whole = cell(summarise(make_outcomes("??")), position=None)
    assert (whole.n, whole.score, whole.interval, whole.unscored) == (0, None, None, 2)


def test_net_of_revealed_answers_rows_that_give_them_away_are_left_out() -> None:
    guided = {"test": "guidability", "position": None, "ratio": 0.4}
    outcomes = make_outcomes("+++", reveals_answer=True, **guided) + make_outcomes("+---" * 3, **guided)
    whole = next(one for one in summarise(outcomes) if one.axis_value is None)
    assert (whole.n, whole.revealed, whole.net_n) == (15, 3, 12)
    assert (whole.score, whole.net_score) == (6 / 15, 0.25)
    assert whole.net_interval is not None and whole.net_interval != whole.interval


def test_where_no_answer_is_revealed_net_is_raw() -> None:
    whole = cell(summarise(make_outcomes("+--")), position=None)
    assert (whole.net_n, whole.net_score, whole.net_interval) == (whole.n, whole.score, whole.interval)


def test_benchmarks_and_solve_rates_have_cells_of_their_own() -> None:
    outcomes = make_outcomes("+++", benchmark="a", solved=8, sampled=8, position=0.2)
    outcomes += make_outcomes("+--", benchmark="b", solved=1, sampled=8, position=0.8)
    cells = stratify(outcomes)
    assert [cell(cells, benchmark=name, position=None).score for name in "ab"] == [1, 1 / 3]
    assert cell(cells, solve_rate="1/8", position=0.8).n == 3
    assert [c.solve_rate for c in cells if c.axis_value is None] == [None, None, "1/8", "8/8"]
    assert all((c.benchmark is None) != (c.solve_rate is None) for c in cells)
    assert not any(c.benchmark or c.solve_rate for c in summarise(outcomes))


def test_no_outcomes_no_cells() -> None:
    assert summarise([]) == []


def test_scores_do_not_depend_on_the_order_of_outcomes() -> None:
    outcomes = make_outcomes("+-+-+", position=0.2) + make_outcomes("++---", position=0.8)
    assert summarise(outcomes) == summarise(reversed(outcomes))


def test_a_cell_of_seven_questions_has_a_score_and_no_interval() -> None:
    few, enough = (cell(summarise(make_outcomes(signs)), position=None) for signs in ("+-" * 3 + "+", "+-" * 4))
    assert (few.questions, few.interval, str(few)) == (7, None, "57.1 (7 questions)")
    assert enough.interval is not None and str(enough) == f"50.0 ({enough.interval})"
    assert str(cell(summarise(make_outcomes("+")), position=None)) == "100.0 (1 question)"


def test_cells_of_fewer_than_five_questions_are_small() -> None:
    assert [cell(summarise(make_outcomes(signs)), position=None).is_small for signs in ("+-+-", "+-+-+", "?")] == [
        True, False, False,
    ]  # fmt: skip


def test_a_test_of_another_version_keeps_its_name_and_comes_last() -> None:
    outcomes = make_outcomes("+-", test="relay", position=0.4)
    outcomes += make_outcomes("+", test=TESTS[1].name, position=None, ratio=0.2)
    cells = summarise(outcomes)
    assert [one.test for one in cells] == [TESTS[1].name] * 2 + ["relay"] * 2
    assert [(one.position, one.ratio) for one in cells] == [(None, None), (None, 0.2), (None, None), (0.4, None)]
