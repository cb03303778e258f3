"""Tables for the terminal: which scores are headlines, and that unknown tests keep their own name."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from support.factories import make_record, make_row

from offtraj.evaluate.run_folder import write_run
from offtraj.evaluate.scored_run import ScoredRun, score_run
from offtraj.grading.verdict import Verdict
from offtraj.metrics import intervals
from offtraj.model.completion import Completion
from offtraj.report.comparison_tables import comparison_tables
from offtraj.report.latex import scores_latex
from offtraj.report.run_comparison import compare_runs
from offtraj.report.score_tables import net_tables, overview, score_tables, strata_tables
from offtraj.report.usage_tables import usage_tables
from offtraj.run.outcome import Outcome, outcome_of
from offtraj_builders.definitions import TESTS

DISTRACTED, GUIDED = (test.name for test in TESTS)


def make_outcomes(verdicts: str, **row: Any) -> list[Outcome]:
    """One outcome a question, by the sign of its verdict."""
    found = []
    for number, sign in enumerate(verdicts):
        steered = make_row(number, **row)
        steered = replace(steered, id=f"{number}-{steered.test}-{steered.position}")
        verdict = Verdict("correct" if sign == "+" else "incorrect", "rule", "boxed")
        found.append(outcome_of(steered, 0, Completion("x", "stop", 1, 1), verdict, exactness="ids", prefix_tokens=1))
    return found


def make_run(folder: Path, outcomes: Sequence[Outcome]) -> ScoredRun:
    async def stream() -> AsyncIterator[Outcome]:
        for outcome in outcomes:
            yield outcome

    record = make_record(model={"id": "m"}, solo={"easy": {"8/8": 30}, "hard": {"0/8": 10}})
    return score_run(asyncio.run(write_run(folder, record, stream())))


def text_of(*tables: Table, terminal: bool = False) -> str:
    """The tables as they are printed."""
    output = io.StringIO()
    console = Console(file=output, width=300, force_terminal=terminal, color_system="standard" if terminal else None)
    for table in tables:
        console.print(table)
    return output.getvalue()


def line(text: str, *begin: str) -> list[str]:
    """The words of the one line that begins with these."""
    found = [line.split() for line in text.splitlines() if line.split()[: len(begin)] == list(begin)]
    assert len(found) == 1, text
    return found[0][len(begin) :]


def test_an_overview_leaves_out_what_is_based_on_fewer_than_five_questions(tmp_path: Path) -> None:
    outcomes = make_outcomes("+-+-+-++") + make_outcomes("+-", test=GUIDED, position=None, ratio=0.4)
    outcomes += make_outcomes("+-+--", subsets=("shared",))
    run = make_run(tmp_path / "run", outcomes)
    text = text_of(overview([run]))
    assert "– (2 questions)" in text
    assert "40.0 (5 questions)" in text
    assert "scores of fewer than 5 questions are left out; fewer than 8 questions have no interval" in text
    latex = scores_latex([run]).split(r"\end{table}")[0]
    assert "-- (2 questions)" in latex and "Scores of fewer than 5 questions are left out" in latex


def test_small_cells_are_dim_on_a_terminal_and_marked_everywhere(tmp_path: Path) -> None:
    (table,) = score_tables(make_run(tmp_path / "run", make_outcomes("+-+-")))
    plain, coloured = text_of(table), text_of(table, terminal=True)
    assert line(plain, "default", "individual")[:3] == ["50.0*", "50.0*", "–"]
    assert "\x1b[2m50.0*\x1b[0m" in coloured
    assert "* fewer than 5 questions" in plain and "fewer than 8 questions have no interval" in plain


def test_a_table_of_enough_questions_has_no_footnote(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_outcomes("+-" * 5))
    assert "questions have no interval" not in (text := text_of(overview([run]), *score_tables(run)))
    assert "*" not in text


def test_the_solo_column_is_the_mean_over_benchmarks(tmp_path: Path) -> None:
    assert "50.0 (" in text_of(overview([make_run(tmp_path / "run", make_outcomes("+-" * 5))]))


def test_an_unknown_test_is_shown_under_its_own_name_and_axis(tmp_path: Path) -> None:
    outcomes = [*make_outcomes("+-+-+--+-", test="relay", position=0.4), *make_outcomes("+" * 9)]
    run = make_run(tmp_path / "run", outcomes)
    first, second = (text_of(table) for table in score_tables(run))
    assert first.startswith(f"m: {DISTRACTED} by position")
    assert second.startswith("m: relay by position")
    assert line(second, "default", "individual")[:2] == ["44.4", "44.4"]
    assert "relay" in text_of(overview([run])).splitlines()[2]
    everything = text_of(*score_tables(run), *net_tables([run]), *strata_tables([run]), *usage_tables(run))
    assert GUIDED not in everything.lower()
    assert r"\multicolumn{2}{c}{Relay}" in scores_latex([run])


def test_an_unknown_test_is_compared_under_its_own_name(tmp_path: Path) -> None:
    for name, verdicts in (("one", "+-+"), ("two", "++-")):
        make_run(tmp_path / name, make_outcomes(verdicts, test="relay", position=0.4))
    (compared,) = compare_runs([tmp_path / "one", tmp_path / "two"])
    text = text_of(*comparison_tables(compared))
    assert text.startswith("relay: m (two) minus m (one), paired by row")
    assert "fewer than 8 questions have no interval" in text


def test_every_interval_of_a_report_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", make_outcomes("+-+" * 5))
    asked: list[int] = []
    monkeypatch.setattr(intervals, "bootstrap_interval", lambda *_, **__: asked.append(1))
    scored = score_run(run.folder)
    text_of(overview([scored]), *score_tables(scored), *net_tables([scored]), *strata_tables([scored]))
    scores_latex([scored])
    assert not asked
