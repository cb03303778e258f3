"""The paper's numbers, and how a run's scores compare with them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scipy import stats
from support.factories import make_record, make_row

from offtraj.errors import UsageError
from offtraj.evaluate.run_folder import write_run
from offtraj.evaluate.scored_run import ScoredRun, score_run
from offtraj.grading.verdict import Verdict
from offtraj.metrics.scores import summarise
from offtraj.model.completion import Completion
from offtraj.report.paper import (
    PaperCell,
    PaperComparison,
    compare_run_with_paper,
    compare_with_paper,
    paper_cells,
    reference_points,
)
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.row import Segment
from offtraj.spec import load_spec
from offtraj_builders.definitions import TESTS

ROOT = Path(__file__).parents[3]
ROUNDING = 0.1 + 1e-9  # half a tenth of the average, and as much of its parts
POSITIONS = (0.0, 0.2, 0.4, 0.6, 0.8)
RATIOS = (0.2, 0.4, 0.6, 0.8)
Run = Callable[..., subprocess.CompletedProcess[str]]


def table(number: int, **fields: Any) -> list[PaperCell]:
    """The cells of a table with these values."""
    return [
        cell
        for cell in paper_cells()
        if cell.table == number and all(getattr(cell, name) == value for name, value in fields.items())
    ]


def averages_and_parts() -> dict[tuple[Any, ...], tuple[float, list[float]]]:
    """For each row of a table that prints an average: that, and what it is the average of."""
    rows: dict[tuple[Any, ...], list[PaperCell]] = defaultdict(list)
    for cell in paper_cells():
        rows[cell.table, cell.domain, cell.model, cell.measure, cell.variant].append(cell)
    found = {}
    for key, cells in rows.items():
        parts = [
            cell.percent for cell in cells if cell.axis_value is not None or cell.benchmark not in (None, "average")
        ]
        whole = [cell.percent for cell in cells if cell.axis_value is None and cell.benchmark in (None, "average")]
        if parts:
            assert len(whole) == 1
            found[key] = whole[0], parts
    return found


def test_printed_averages_are_the_means_of_their_rows_but_for_three_of_the_papers_own() -> None:
    wrong = {
        key: (whole, round(fmean(parts), 3))
        for key, (whole, parts) in averages_and_parts().items()
        if abs(whole - fmean(parts)) > ROUNDING and key[3] != "change"
    }
    assert wrong == {
        (8, "math", "r1-llama-8b", "score", "default"): (49.6, 51.4),  # it would be right with 70.8 for 79.8 at 80 %
        (14, "math", "r1-llama-8b", "reveals", "default"): (21.8, 20.875),
        (14, "math", "openthinker3-1.5b", "reveals", "default"): (26.9, 26.75),
    }
    assert Counter(key[0] for key in averages_and_parts()) == {
        4: 15, 5: 14, 6: 15, 7: 30, 8: 15, 10: 15, 14: 20, 15: 10, 17: 14,
    }  # fmt: skip


def test_a_number_that_several_tables_have_is_the_same_in_all_of_them() -> None:
    """Table 1 against the tables in the appendix, above all."""
    found: dict[tuple[Any, ...], dict[float, list[int]]] = defaultdict(lambda: defaultdict(list))
    for c in paper_cells():
        key = (c.domain, c.model, c.measure, c.test, c.variant, c.subset, c.guide, c.distractor, c.axis_value, c.benchmark,
               c.solve_rate)  # fmt: skip
        found[key][c.percent].append(c.table)
    several = {key: dict(tables) for key, tables in found.items() if len(tables) > 1}
    assert [
        (key[1:3], {percent: set(there) for percent, there in tables.items()}) for key, tables in several.items()
    ] == [(("openthinker3-7b", "solo"), {72.1: {1, 4, 6, 7, 8, 10, 14, 15}, 77.8: {16}})]
    pairs = Counter((there[0], later) for tables in found.values() for there in tables.values() for later in there[1:])
    assert pairs[1, 6] == pairs[1, 8] == 15 * 2  # scores, and the benchmark average
    assert pairs[1, 14] == pairs[1, 15] == 10 * 2
    assert pairs[1, 17] == 7 * 2


def test_scores_are_whole_numbers_of_what_they_stand_on() -> None:
    for cell in (*table(6), *table(7, measure="score"), *table(8), *table(10), *table(15)):
        if cell.n is not None:
            assert abs(round(cell.share * cell.n) / cell.n - cell.share) < 0.0005, cell
    unknown = [(c.model, c.percent) for c in (*table(8), *table(10)) if c.axis_value is not None and c.n is None]
    assert unknown == [("r1-llama-8b", 79.8), ("qwq-32b", 54.5)]


def test_guides_weighted_by_their_trajectories_give_the_average_but_for_two_models() -> None:
    wrong = []
    for whole in table(14, measure="score", axis_value=None):
        guides = table(16, model=whole.model, measure="score")
        assert sum(guide.n or 0 for guide in guides) == whole.n
        mean = sum(guide.percent * (guide.n or 0) for guide in guides) / (whole.n or 1)
        if abs(mean - whole.percent) > ROUNDING:
            wrong.append((whole.model, round(mean, 2), whole.percent))
    assert wrong == [("r1-qwen-7b", 19.95, 19.7), ("r1-qwen-32b", 22.72, 22.5)]


def test_table_7_says_what_changed_since_table_6() -> None:
    changes = table(7, measure="change")
    assert changes
    for change in changes:
        (kept,) = table(7, measure="score", model=change.model, axis_value=change.axis_value)
        (default,) = table(6, measure="score", model=change.model, axis_value=change.axis_value)
        assert kept.percent - default.percent == pytest.approx(change.percent, abs=ROUNDING)


def test_table_2_is_guidability_less_what_was_revealed() -> None:
    nets = table(2, measure="net")
    assert nets
    for net in nets:
        (score,) = table(2, measure="score", model=net.model)
        (reveals,) = table(2, measure="reveals", model=net.model)
        assert score.percent - reveals.percent == pytest.approx(net.percent, abs=1e-9)
    for measure in ("score", "reveals", "net"):
        *rows, last = table(2, measure=measure)
        assert last.model == "average"
        assert fmean(cell.percent for cell in rows) == pytest.approx(last.percent, abs=0.05)


def test_table_1_has_the_averages_and_extremes_that_the_text_names() -> None:
    """Abstract, section 1, and findings 1 and 2."""
    math, code = reference_points("math"), reference_points("code")
    assert (len(math), len(code)) == (15, 14)
    distracted, guided = (test.name for test in TESTS)
    assert round(100 * fmean(point.scores[distracted] for point in math), 1) == 74.9
    assert round(100 * fmean(point.scores[distracted] for point in code), 1) == 59.1
    assert max(point.scores[guided] for point in math if guided in point.scores) == 0.092
    assert max(point.scores[guided] for point in code if guided in point.scores) == 0.473
    assert max(math, key=lambda point: point.solo) == ("am-thinking-32b", 0.826, {distracted: 0.334})
    assert [point for point in math if point.model == "qwen3-1.7b"] == [
        ("qwen3-1.7b", 0.599, {distracted: 0.984, guided: 0.061})
    ]
    individual = {point.model: point for point in reference_points("math", "individual")}
    assert individual["r1-llama-8b"] == ("r1-llama-8b", 0.541, {distracted: 0.496, guided: 0.35})


def test_its_models_and_guides_are_those_of_the_spec() -> None:
    spec = load_spec(ROOT / "specs" / "math.yaml").spec
    assert [point.model for point in reference_points()] == [model.id for model in spec.models]
    assert {cell.guide for cell in paper_cells()} == {None, *(guide.id for guide in spec.guides)}
    assert spec.tests.guidability is not None
    assert {cell.model for cell in table(15)} == set(spec.tests.guidability.models or ())


def test_the_papers_interval_is_wilsons() -> None:
    (cell,) = table(6, model="qwq-32b", axis_value=0.2)
    expected = stats.binomtest(159, 200).proportion_ci(method="wilson")
    assert cell.interval is not None
    assert (cell.interval.low, cell.interval.high) == pytest.approx((expected.low, expected.high))


def test_where_the_number_of_questions_is_known_the_interval_is_theirs() -> None:
    (cell,) = table(16, model="r1-qwen-1.5b", guide="deepseek-r1")
    assert (cell.n, cell.questions) == (4 * 261, 168)
    assert cell.interval is not None
    assert cell.interval.high - cell.interval.low == pytest.approx(2 * 1.96 * (0.282 * 0.718 / 168) ** 0.5, rel=0.05)
    assert table(12)[0].interval is None  # neither number is known


def make_outcomes(correct: int, of: int, **row: Any) -> list[Outcome]:
    """So many outcomes, each on a question of its own."""
    return [
        outcome_of(
            make_row(number, **{"model": "qwen3-1.7b", **row}),
            0,
            Completion("x", "stop", 1, 1),
            Verdict("correct" if number < correct else "incorrect", "rule", "boxed"),
            exactness="ids",
            prefix_tokens=1,
        )
        for number in range(of)
    ]


def make_guided(correct: int, of: int, guide: str, ratio: float, **row: Any) -> list[Outcome]:
    """The same, of guidability."""
    segments = (Segment("steer", "Okay.", guide, "q0", 0, 0, 5, 1),)
    return make_outcomes(correct, of, test="guidability", position=None, ratio=ratio, segments=segments, **row)


def make_run(folder: Path, outcomes: Iterable[Outcome], model: str = "qwen3-1.7b") -> ScoredRun:
    """A run with these outcomes."""

    async def stream() -> AsyncIterator[Outcome]:
        for outcome in outcomes:
            yield outcome

    return score_run(asyncio.run(write_run(folder, make_record(model={"id": model}, solo=None), stream())))


def both_tests() -> list[Outcome]:
    """Every position of the shared subset, every ratio with two guides."""
    return [
        *(one for at in POSITIONS for one in make_outcomes(39, 40, position=at, subsets=("shared",))),
        *(
            one
            for guide in ("qwq-32b", "deepseek-r1")
            for ratio in RATIOS
            for one in make_guided(9, 30, guide, ratio, reveals_answer=ratio > 0.5)
        ),
    ]


def row(rows: Iterable[PaperComparison], measure: str = "score", **fields: Any) -> PaperComparison:
    """The one comparison of a cell with these values."""
    found = [r for r in rows if r.paper.measure == measure and all(getattr(r.cell, n) == v for n, v in fields.items())]
    assert len(found) == 1, found
    return found[0]


def test_every_cell_that_both_have_is_compared() -> None:
    cells = summarise(both_tests())
    rows = compare_with_paper(cells, "qwen3-1.7b")
    recovered = row(rows, test="recoverability", axis_value=None)
    assert (recovered.tables, recovered.paper.percent) == ((1, 6, 11), 98.4)
    assert recovered.ours == 0.975
    assert recovered.difference == pytest.approx(-0.009)
    assert recovered.interval == recovered.cell.interval
    assert (recovered.paper_in_ours, recovered.ours_in_paper) == (True, True)
    first = row(rows, test="recoverability", axis_value=0.0)
    assert (first.tables, first.paper.percent, first.paper.n) == ((6,), 97.0, 200)
    assert [row(rows, test="guidability", guide=None, axis_value=at).paper.percent for at in RATIOS] == [
        18.2,
        23.7,
        34.8,
        42.8,
    ]
    assert row(rows, test="guidability", guide=None, axis_value=None).tables == (1, 2, 14)
    assert row(rows, guide="deepseek-r1").paper.percent == 33.4
    assert len(rows) == 6 + 5 + 5 + 2  # positions, ratios, revealed answers, guides


def test_revealed_answers_are_compared_too() -> None:
    rows = compare_with_paper(summarise(both_tests()), "qwen3-1.7b")
    revealed = row(rows, "reveals", axis_value=None)
    assert (revealed.ours, revealed.paper.percent, revealed.tables) == (0.5, 18.0, (2, 14))
    assert (revealed.interval, revealed.paper_in_ours) == (None, None)
    assert revealed.ours_in_paper is False


def test_an_average_over_other_positions_is_not_compared() -> None:
    outcomes = [one for at in POSITIONS[:3] for one in make_outcomes(39, 40, position=at, subsets=("shared",))]
    assert {r.cell.axis_value for r in compare_with_paper(summarise(outcomes), "qwen3-1.7b")} == {0.0, 0.2, 0.4}


def test_distractors_twice_as_long_are_held_against_table_10() -> None:
    outcomes = [one for at in POSITIONS[:4] for one in make_outcomes(30, 40, position=at, ratio=0.4)]
    rows = compare_with_paper(summarise(outcomes), "qwen3-1.7b", distractor=0.4)
    assert {r.tables for r in rows} == {(10,)}
    assert row(rows, axis_value=None).paper.percent == 72.5
    assert compare_with_paper(summarise(outcomes), "qwen3-1.7b", distractor=0.3) == []


def test_variants_are_held_against_their_tables() -> None:
    kept = [
        one
        for at in POSITIONS
        for one in make_outcomes(9, 10, position=at, subsets=("shared",), variant="keep-first-paragraph")
    ]
    crossed = [
        one for at in POSITIONS for one in make_outcomes(9, 10, position=at, subsets=("shared",), variant="cross-model")
    ]
    solved = [one for ratio in RATIOS for one in make_guided(9, 10, "qwq-32b", ratio, variant="solvable")]
    rows = compare_with_paper(summarise(kept + crossed + solved), "qwen3-1.7b")
    assert row(rows, variant="keep-first-paragraph", axis_value=0.8).paper.percent == 82.0
    assert (row(rows, variant="cross-model").paper.percent, row(rows, variant="cross-model").paper.interval) == (
        97.5,
        None,
    )
    assert row(rows, variant="solvable").paper.percent == 98.9


def test_on_code_the_papers_numbers_are_those_on_code() -> None:
    forced = [one for ratio in RATIOS for one in make_guided(5, 10, "qwq-32b", ratio, variant="answer-forcing")]
    rows = compare_with_paper(summarise(forced), "qwen3-1.7b", domain="code")
    assert [r.paper.percent for r in rows] == [46.7, 16.8, 34.0, 58.4, 77.4]
    with pytest.raises(UsageError, match="limo-32b"):
        compare_with_paper([], "limo-32b", domain="code")


def test_a_cell_without_a_verdict_is_not_compared() -> None:
    outcome = outcome_of(
        make_row(0, model="qwen3-1.7b"), 0, None, Verdict("unscored", None, "timeout"), exactness="ids", prefix_tokens=1
    )
    assert compare_with_paper(summarise([outcome]), "qwen3-1.7b") == []


def test_the_length_of_distractors_is_read_from_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_outcomes(30, 40, position=0.2, ratio=0.4))
    (found,) = compare_run_with_paper(run)
    assert (found.tables, found.paper.percent) == ((10,), 73.2)


def test_a_run_on_rows_of_another_model_is_not_compared_with_the_paper(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_outcomes(3, 4, model="qwq-32b"))
    with pytest.raises(UsageError, match="built for 'qwq-32b'"):
        compare_run_with_paper(run)


def test_report_compares_a_run_with_the_paper(tmp_path: Path, offtraj: Run) -> None:
    make_run(tmp_path / "run", both_tests())
    plain = offtraj("report", "run")
    shown = offtraj("report", "run", "--paper")
    assert (plain.returncode, shown.returncode) == (0, 0), shown.stderr
    tables = plain.stdout.removesuffix("run/report.html\n")
    assert shown.stdout.startswith(tables)
    lines = shown.stdout.removeprefix(tables).splitlines()
    assert lines[0].rstrip() == "qwen3-1.7b: compared with the paper, in percent (95 %)"
    first = next(line.split() for line in lines if line.lstrip().startswith("recoverability"))
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    whole = next(s for s in scores if s["test"] == "recoverability" and s["position"] is None)
    interval = f"({100 * whole['interval']['low']:.1f}–{100 * whole['interval']['high']:.1f})"
    assert first[:6] == ["recoverability", "default", "shared", "average", f"{100 * whole['score']:.1f}", interval]
    assert first[6:] == ["98.4", "(97.4–99.0)", "1,", "6,", "11", "-0.9", "yes", "yes"]


def test_report_says_which_models_the_paper_has(tmp_path: Path, offtraj: Run) -> None:
    make_run(tmp_path / "run", make_outcomes(3, 4, model="weak"), model="weak")
    done = offtraj("report", "run", "--paper")
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        "model 'weak': the paper has no scores of it on math: its models are r1-qwen-1.5b, r1-llama-8b" in done.stderr
    )


def test_the_tables_travel_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("offtraj/report/paper.csv") == (ROOT / "offtraj" / "report" / "paper.csv").read_bytes()
