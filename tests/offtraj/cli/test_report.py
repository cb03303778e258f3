"""`report` and `compare`: the same numbers in every form, and one message for what makes no sense."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.factories import make_record, make_row

from offtraj.evaluate.run_folder import RunFolder, write_run
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion
from offtraj.report.latex import escape_latex
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.row import Segment

Run = Callable[..., subprocess.CompletedProcess[str]]

VERDICTS = {
    "+": Verdict("correct", "rule", "boxed"),
    "-": Verdict("incorrect", "rule", "boxed"),
    "t": Verdict("incorrect", "rule", "truncated"),
    "j": Verdict("correct", "judge", "boxed"),
    "?": Verdict("unscored", None, "timeout"),
}


def make_outcomes(verdicts: str, **row: Any) -> list[Outcome]:
    """One outcome a question, by the sign of its verdict; every other one is of benchmark `tricky`."""
    found = []
    for number, sign in enumerate(verdicts):
        benchmark = ("sums", "tricky")[number % 2]
        steered = make_row(number, **{"benchmark": benchmark, "solved": 1 + number % 3, "sampled": 4, **row})
        steered = replace(steered, id=f"{number}-{steered.test}-{steered.variant}-{steered.position}-{steered.ratio}")
        found.append(
            outcome_of(steered, 0, Completion("x", "stop", 1, 1), VERDICTS[sign], exactness="ids", prefix_tokens=1)
        )
    return found


def guided(verdicts: str, **row: Any) -> list[Outcome]:
    segments = (Segment("steer", "Okay.", "tutor", "q0", 0, 0, 5, 1),)
    return make_outcomes(verdicts, test="guidability", position=None, segments=segments, **row)


def make_run(folder: Path, model: str, outcomes: Sequence[Outcome], **info: Any) -> RunFolder:
    """A run's folder."""

    async def stream() -> AsyncIterator[Outcome]:
        for outcome in outcomes:
            yield outcome

    said = {
        "model": {"id": model, "path": model, "revision": "r"},
        "solo": {"sums": {"2/4": 3, "4/4": 5}, "tricky": {"1/4": 6}},
    }
    return asyncio.run(write_run(folder, make_record(**{**said, **info}), stream()))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Both tests of one model, whose name would break LaTeX, with revealed answers and forced ones."""
    both = ("individual", "shared")
    outcomes = [
        *make_outcomes("++-+t?j+-", position=0.0, subsets=both),
        *make_outcomes("+++-+-+++", position=0.4),
        *guided("+-+--+--++-", ratio=0.2),
        *guided("++", ratio=0.8, reveals_answer=True),
        *guided("-+----+-", variant="answer-forcing", ratio=0.2),
    ]
    return make_run(tmp_path / "one", "weak_50%", outcomes)


def test_terminal_json_csv_latex_and_scores_json_say_the_same(run: RunFolder, offtraj: Run) -> None:
    written = json.loads((run.path / "scores.json").read_text())
    shown, as_json, as_csv, as_latex = (
        offtraj("report", *options, "one") for options in ([], ["--json"], ["--csv"], ["--latex"])
    )
    assert [done.returncode for done in (shown, as_json, as_csv, as_latex)] == [0] * 4, shown.stderr

    (told,) = json.loads(as_json.stdout)["runs"]
    assert {name: told[name] for name in ("scores", "strata", "solo")} == {
        name: written[name] for name in ("scores", "strata", "solo")
    }

    lines = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [line["test"] for line in lines[:1]] == ["solo"]
    assert float(lines[0]["score_share"]) == written["solo"]["score"]
    cells = [*written["scores"], *written["strata"]]
    assert len(lines) == len(cells) + 1
    for line, cell in zip(lines[1:], cells, strict=True):
        for name in ("test", "variant", "subset", "guide", "benchmark", "solve_rate"):
            assert line[name] == (cell[name] or "")
        for column, value in (
            ("position_share", cell["position"]),
            ("ratio_share", cell["ratio"]),
            ("score_share", cell["score"]),
            ("low_share", (cell["interval"] or {}).get("low")),
            ("high_share", (cell["interval"] or {}).get("high")),
            ("net_score_share", cell["net_score"]),
            *(
                (f"{name}_outcomes", cell[name])
                for name in ("truncated", "no_answer", "unscored", "revealed", "judged")
            ),
            ("n_outcomes", cell["n"]),
        ):
            assert (float(line[column]) if line[column] else None) == value, column

    def percent(cell: dict[str, Any]) -> str:
        low, high = (100 * cell["interval"][end] for end in ("low", "high"))
        return f"{100 * cell['score']:.1f} ({low:.1f}–{high:.1f})"

    whole = [cell for cell in written["scores"] if cell["position"] is cell["ratio"] is cell["guide"] is None]
    assert len(whole) == 4
    for cell in [written["solo"], *whole]:
        assert percent(cell) in shown.stdout or cell.get("variant") == "answer-forcing"
        assert percent(cell).replace("–", "--") in as_latex.stdout
    for cell in written["scores"]:
        if cell["guide"] is None and cell not in whole:
            row = next(
                line for line in shown.stdout.splitlines() if f"{cell['variant']} " in line and cell["subset"] in line
            )
            assert f"{100 * cell['score']:.1f}" in shown.stdout and row
            text = f"{100 * cell['score']:.1f}"
            text = rf"\textcolor{{gray}}{{{text}}}" if cell["questions"] < 5 else text
            assert f"& {text} &" in as_latex.stdout
    net = next(cell for cell in whole if cell["test"] == "guidability" and cell["variant"] == "default")
    assert net["net_n"] == net["n"] - 2
    low, high = (100 * net["net_interval"][end] for end in ("low", "high"))
    assert f"2 of 13   {100 * net['net_score']:.1f} ({low:.1f}–{high:.1f})" in shown.stdout


def test_latex_escapes_names_and_is_balanced(run: RunFolder, offtraj: Run) -> None:
    text = offtraj("report", "--latex", "one").stdout
    assert r"weak\_50\% &" in text
    assert "weak_50%" not in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    for table in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in table[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert rows and all(line.count(" & ") == len(table[0]) - 1 for line in rows)


def test_a_run_whose_prompts_were_not_all_sent_as_ids_is_marked_everywhere(offtraj: Run, tmp_path: Path) -> None:
    outcomes = make_outcomes("++-+-", position=0.0)
    make_run(tmp_path / "exact", "exact", outcomes)
    run = make_run(tmp_path / "mixed", "mixed", [*(replace(o, exactness="chat") for o in outcomes[:3]), *outcomes[3:]])
    for name in ("run.json", "scores.json"):
        assert json.loads((run.path / name).read_text())["exactness"] == {"chat": 3, "ids": 2}
    shown, as_json, as_csv, as_latex = (
        offtraj("report", *options, "exact", "mixed").stdout for options in ([], ["--json"], ["--csv"], ["--latex"])
    )
    table = shown.partition("by position")[0]
    assert "mixed (chat, ids)" in table and "exact " in table and "exact (" not in table
    said = "prompts: as a prefilled chat turn (3 of 5), as token ids (2 of 5), so not known to be exact (chat: the"
    assert any(line.startswith(f"mixed: {said}") for line in shown.splitlines())
    assert "exact: prompts: as token ids" in shown.splitlines()
    assert [told["exactness"] for told in json.loads(as_json)["runs"]] == [{"ids": 5}, {"chat": 3, "ids": 2}]
    lines = csv.DictReader(io.StringIO(as_csv))
    assert {(line["model"], line["run_exactness"]) for line in lines if line["test"] != "solo"} == {
        ("exact", "ids:5"),
        ("mixed", "chat:3 ids:2"),
    }
    assert as_latex.count("mixed (chat, ids) &") == 2 and f"mixed: {said}" in as_latex


def test_every_character_that_latex_reads_is_escaped() -> None:
    assert escape_latex(r"a_b^c~d\e{f}&%$#") == (
        r"a\_b\textasciicircum{}c\textasciitilde{}d\textbackslash{}e\{f\}\&\%\$\#"
    )


def test_a_run_that_says_nothing_of_solo_and_strata_is_reported(run: RunFolder, offtraj: Run) -> None:
    """As 0.1.0 wrote them."""
    info = json.loads((run.path / "run.json").read_text())
    del info["solo"]
    (run.path / "run.json").write_text(json.dumps(info))
    scores = json.loads((run.path / "scores.json").read_text())
    (run.path / "scores.json").write_text(json.dumps({"scores": scores["scores"], "verdicts": scores["verdicts"]}))
    done = offtraj("report", "one")
    assert done.returncode == 0, done.stderr
    assert "solo" not in done.stdout.splitlines()[3]
    assert json.loads(offtraj("report", "--json", "one").stdout)["runs"][0]["strata"] == scores["strata"]


def test_nothing_is_cut_on_a_narrow_terminal(run: RunFolder, offtraj: Run, tmp_path: Path) -> None:
    wide = offtraj("report", "one").stdout
    command = f"stty cols 60; {sys.executable} -m offtraj report one"
    done = subprocess.run(
        ["/usr/bin/script", "-qec", command, "/dev/null"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, "TERM": "xterm-256color", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0
    assert not re.search(r"\x1b\[(?:[34]\d|9\d|38|48)[;m]", done.stdout)  # bold and italic are no colours
    text = re.sub(r"\x1b\[[^m]*m", "", done.stdout)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60
    assert "…" not in text
    figures = re.compile(r"\d+\.\d(?: of \d+| \([\d.]+–[\d.]+\))?")
    assert set(figures.findall(wide)) == set(figures.findall(text))


def test_a_pipe_gets_plain_lines_however_wide(run: RunFolder, offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("report", "one", COLUMNS="40", FORCE_COLOR="")
    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout
    name = "another-model-with-a-name-" + "x" * 100
    make_run(tmp_path / "two", name, make_outcomes("--++-+-" * 3, position=0.0))
    done = offtraj("compare", "one", "two")
    assert f"only {name}" in done.stdout  # its column is not broken


def test_runs_are_compared_on_what_is_common(run: RunFolder, offtraj: Run, tmp_path: Path) -> None:
    other = [*make_outcomes("--++-+-", position=0.0), *make_outcomes("+--------", variant="cross-model", position=0.0)]
    make_run(tmp_path / "two", "other", other)
    shown = offtraj("compare", "one", "two")
    assert shown.returncode == 0, shown.stderr
    assert "recoverability: other minus weak_50%, paired by row, in percentage points" in shown.stdout
    assert "Nothing in common, so not compared" in shown.stdout
    (told,) = json.loads(offtraj("compare", "--json", "one", "two").stdout)["comparisons"]
    whole = told["differences"][0]
    assert (whole["common"], whole["unscored"], whole["only_first"], whole["only_second"]) == (6, 1, 11, 0)
    assert f"{100 * whole['difference']:+.1f}".replace("-", "−") in shown.stdout
    lines = list(csv.DictReader(io.StringIO(offtraj("compare", "--csv", "one", "two").stdout)))
    assert [float(line["difference_share"]) for line in lines] == [one["difference"] for one in told["differences"]]


def test_what_cannot_be_reported_or_compared_is_said_in_one_message(
    run: RunFolder, offtraj: Run, tmp_path: Path
) -> None:
    make_run(tmp_path / "elsewhere", "far", [replace(o, row_id=f"x{o.row_id}", question_id=f"x{o.question_id}") for o in make_outcomes("++", position=0.0)])  # fmt: skip
    make_run(tmp_path / "recovery", "a", make_outcomes("++"))
    make_run(tmp_path / "guidance", "b", guided("++"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.json").write_text("[]")
    for arguments, message in (
        (["report", "nowhere"], "nowhere: no run folder: it has no run.json"),
        (["report", "odd"], "odd/run.json: names no model: it is no run of offtraj"),
        (["report", "--json", "--csv", "one"], "--json and --csv: one format at a time"),
        (["compare", "one"], "one: there is nothing to compare it with: give two runs or more"),
        (["compare", "one", "./one"], "one, one: the same run twice: give each run once"),
        (["compare", "one", "nowhere"], "nowhere: no run folder"),
        (
            ["compare", "recovery", "guidance"],
            "runs of different tests: recovery has recoverability, guidance has guid",
        ),
        (["compare", "one", "elsewhere"], "one and elsewhere have nothing in common"),
    ):
        done = offtraj(*arguments)
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1 and message in done.stderr
        assert done.stdout == ""


def test_runs_of_one_model_are_told_apart(run: RunFolder, offtraj: Run, tmp_path: Path) -> None:
    make_run(tmp_path / "two", "weak_50%", [*pq_outcomes(run)])
    done = offtraj("report", "one", "two")
    assert "weak_50% (one)" in done.stdout and "weak_50% (two)" in done.stdout


def pq_outcomes(run: RunFolder) -> list[Outcome]:
    assert pq.read_table(run.path / "outcomes.parquet").num_rows
    return list(run.outcomes())
