"""The numbers of runs as JSON, CSV and LaTeX: the same that the terminal shows. Shares but in LaTeX, which has percent."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.comparison import Difference
from offtraj.metrics.intervals import Interval, percent
from offtraj.metrics.scores import Cell
from offtraj.report.scored_run import Compared
from offtraj.spec import TestName

__all__ = [
    "comparison_csv",
    "comparison_json",
    "escape_latex",
    "scores_csv",
    "scores_json",
    "scores_latex",
]


def scores_json(runs: Sequence[ScoredRun]) -> str:
    """What `scores.json` says of each run, with its model and folder."""
    found = [
        {
            "run": str(one.path),
            "model": one.record.model.id,
            "data": one.record.data and one.record.data.model_dump(mode="json", exclude_unset=True),
            "exactness": one.summary.exactness,
            "max_tokens": one.summary.max_tokens,
            "usage": asdict(one.summary.usage),
            "unscored": [asdict(unscored) for unscored in one.summary.unscored],
            "solo": None if one.solo is None else asdict(one.solo),
            "scores": [asdict(cell) for cell in one.cells],
            "strata": [asdict(cell) for cell in one.strata],
        }
        for one in runs
    ]
    return json.dumps({"runs": found}, indent=2, ensure_ascii=False) + "\n"


def scores_csv(runs: Sequence[ScoredRun]) -> str:
    """Tidy: a line for each cell; a line of the test `solo` for what a model does solo.

    An empty value means over all of them, or none.
    """
    return _csv(("run", "model", *_COLUMNS), (line for one in runs for line in _lines(one)))


def comparison_json(compared: Sequence[Compared]) -> str:
    """Every difference, and what was left out."""
    found = [
        {
            "baseline": {"run": str(one.baseline_path), "name": one.baseline},
            "against": {"run": str(one.path), "name": one.name},
            "differences": [asdict(difference) for difference in one.comparison.differences],
            "left_out": [left._asdict() for left in one.comparison.left_out],
        }
        for one in compared
    ]
    return json.dumps({"comparisons": found}, indent=2, ensure_ascii=False) + "\n"


def comparison_csv(compared: Sequence[Compared]) -> str:
    """Tidy: a line for each difference."""
    lines = [
        {"baseline": one.baseline, "name": one.name, **_difference(difference)}
        for one in compared
        for difference in one.comparison.differences
    ]
    return _csv(list(lines[0]) if lines else ("baseline", "name"), lines)


def scores_latex(runs: Sequence[ScoredRun]) -> str:
    """The paper's Table 1 for what was run, then positions and ratios, as `booktabs` tables; in percent."""
    axis_values = (_latex_axis(runs, "recoverability", "position"), _latex_axis(runs, "guidability", "ratio"))
    tables = [_latex_overview(runs), *(table for table in axis_values if table is not None)]
    return "% \\usepackage{booktabs}\n" + "\n".join(tables)


def escape_latex(text: str) -> str:
    """Any text as LaTeX that shows it."""
    return "".join(_ESCAPES.get(character, character) for character in text)


_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "\n": " ",
}
_Value = str | int | float | None


def _lines(one: ScoredRun) -> Iterable[Mapping[str, _Value]]:
    begin = {"run": str(one.path), "model": one.record.model.id}
    if one.solo is not None:
        yield {
            **begin,
            "test": "solo",
            "n_outcomes": one.solo.samples,
            "n_questions": one.solo.questions,
            "score_share": one.solo.score,
            **_bounds("", one.solo.interval),
        }
    sent = " ".join(f"{mode}:{n}" for mode, n in one.summary.exactness.items())
    for cell in (*one.cells, *one.strata):
        yield {**begin, **_cell(cell), "run_exactness": sent}


def _cell(cell: Cell) -> dict[str, _Value]:
    return {
        "test": cell.test,
        "variant": cell.variant,
        "subset": cell.subset,
        "guide": cell.guide,
        "benchmark": cell.benchmark,
        "solve_rate": cell.solve_rate,
        "position_share": cell.position,
        "ratio_share": cell.ratio,
        "n_outcomes": cell.n,
        "n_questions": cell.questions,
        "score_share": cell.score,
        **_bounds("", cell.interval),
        "net_n_outcomes": cell.net_n,
        "net_score_share": cell.net_score,
        **_bounds("net_", cell.net_interval),
        "truncated_outcomes": cell.truncated,
        "no_answer_outcomes": cell.no_answer,
        "unscored_outcomes": cell.unscored,
        "revealed_outcomes": cell.revealed,
        "by_rule_outcomes": cell.by_rule,
        "judged_outcomes": cell.judged,
        "completions": cell.usage.completions,
        "cut_off_completions": cell.usage.cut_off,
        "cut_early_completions": cell.usage.cut_early,
        "mean_tokens": cell.usage.mean_tokens,
        "median_tokens": cell.usage.median_tokens,
        "mean_prefix_share": cell.usage.mean_prefix_share,
        "max_prefix_share": cell.usage.max_prefix_share,
    }


def _difference(one: Difference) -> dict[str, _Value]:
    return {
        "test": one.test,
        "variant": one.variant,
        "subset": one.subset,
        "guide": one.guide,
        "position_share": one.position,
        "ratio_share": one.ratio,
        "paired_by": one.by,
        "common_units": one.common,
        "common_questions": one.questions,
        "unscored_units": one.unscored,
        "only_baseline_units": one.only_first,
        "only_name_units": one.only_second,
        "baseline_score_share": one.first,
        "name_score_share": one.second,
        "difference_share": one.difference,
        **_bounds("", one.interval),
        "p": one.p,
        "t_test_p": one.t_test_p,
    }


_COLUMNS = (
    "test", "variant", "subset", "guide", "benchmark", "solve_rate", "position_share", "ratio_share",
    "n_outcomes", "n_questions", "score_share", "low_share", "high_share",
    "net_n_outcomes", "net_score_share", "net_low_share", "net_high_share",
    "truncated_outcomes", "no_answer_outcomes", "unscored_outcomes", "revealed_outcomes", "by_rule_outcomes",
    "judged_outcomes", "completions", "cut_off_completions", "cut_early_completions", "mean_tokens", "median_tokens",
    "mean_prefix_share", "max_prefix_share", "run_exactness",
)  # fmt: skip


def _bounds(prefix: str, interval: Interval | None) -> dict[str, _Value]:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {f"{prefix}low_share": low, f"{prefix}high_share": high}


def _csv(columns: Sequence[str], lines: Iterable[Mapping[str, _Value]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _latex_overview(runs: Sequence[ScoredRun]) -> str:
    columns = [(test, subset) for test in ("recoverability", "guidability") for subset in ("shared", "individual")]
    head = [
        r" & & \multicolumn{2}{c}{Recoverability} & \multicolumn{2}{c}{Guidability} \\",
        r"\cmidrule(lr){3-4} \cmidrule(lr){5-6}",
        r"Model & Alone & Shared & Individual & Shared & Individual \\",
    ]
    body = []
    for run in runs:
        cells = [run.whole(test=test, subset=subset) for test, subset in columns]
        scores = [(None, None) if cell is None else (cell.score, cell.interval) for cell in cells]
        solo = (None, None) if run.solo is None else (run.solo.score, run.solo.interval)
        body.append([run.marked, *(percent(*score) for score in (solo, *scores))])
    caption = " ".join(
        [
            "Average over positions or ratios, in percent, with 95 % intervals clustered by question.",
            *(f"{run.name}: {run.summary.sent}." for run in runs if run.summary.mark),
        ]
    )
    return _latex(caption, "lrrrrr", head, body)


def _latex_axis(runs: Sequence[ScoredRun], test: TestName, by: str) -> str | None:
    rows: dict[tuple[str, str, str], dict[float | None, Cell]] = {}
    for number, run in enumerate(runs):
        for cell in run.cells:
            if cell.test == test and cell.guide is None:
                rows.setdefault((str(number), cell.variant, cell.subset), {})[cell.axis_value] = cell
    axis_values = sorted({axis_value for row in rows.values() for axis_value in row if axis_value is not None})
    if not rows:
        return None
    headers = ["Model", "Variant", "Subset", *(f"{axis_value:.0%}" for axis_value in axis_values), "Average"]
    body = [
        [
            runs[int(number)].marked,
            variant,
            subset,
            *(percent(row[axis_value].score) if axis_value in row else "–" for axis_value in axis_values),
            percent(row[None].score, row[None].interval),
        ]
        for (number, variant, subset), row in rows.items()
    ]
    caption = f"{test.capitalize()} by {by}, in percent; the average with its 95 % interval clustered by question."
    return _latex(caption, "lll" + "r" * (len(axis_values) + 1), [_latex_row(headers)], body)


def _latex(caption: str, columns: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *map(_latex_row, body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(values: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, values)) + r" \\"
