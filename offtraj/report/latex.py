"""The scores of runs as LaTeX tables, in percent."""

from __future__ import annotations

from collections.abc import Sequence

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.intervals import percent
from offtraj.metrics.scores import Cell
from offtraj.report.labels import SMALL, SUBSETS, axis_of, axis_values, footnotes, headline, ordered_tests

__all__ = ["escape_latex", "scores_latex"]


def scores_latex(runs: Sequence[ScoredRun]) -> str:
    """The paper's Table 1 for these runs, then one table for each test by position or ratio, for `booktabs`."""
    tests = ordered_tests(cell for run in runs for cell in run.cells)
    return "% \\usepackage{booktabs,xcolor}\n" + "\n".join([_overview(runs), *(_by_axis(runs, test) for test in tests)])


def escape_latex(text: str) -> str:
    """The text as LaTeX that prints it."""
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


def _overview(runs: Sequence[ScoredRun]) -> str:
    tests = ordered_tests((cell for run in runs for cell in run.cells), all_known=True)
    width, groups = len(SUBSETS), range(len(tests))
    firsts = [3 + width * number for number in groups]  # columns of the tests, counted from 1
    head = [
        " & "
        + "".join(rf" & \multicolumn{{{width}}}{{c}}{{{escape_latex(test.capitalize())}}}" for test in tests)
        + r" \\",
        " ".join(rf"\cmidrule(lr){{{first}-{first + width - 1}}}" for first in firsts),
        _row(["Model", "Solo", *(subset.capitalize() for _ in tests for subset in SUBSETS)]),
    ]
    scores = [
        [run.solo, *(run.whole(test=test, subset=subset) for test in tests for subset in SUBSETS)] for run in runs
    ]
    body = [[run.marked, *map(headline, row)] for run, row in zip(runs, scores, strict=True)]
    notes = footnotes([score for row in scores for score in row])
    caption = " ".join(
        [
            "Average over positions or ratios, in percent, with 95 % intervals clustered by question.",
            *([f"{notes.capitalize()}."] if notes else []),
            *(f"{run.name}: {run.summary.sent}." for run in runs if run.summary.mark),
        ]
    )
    return _table(caption, "lr" + "r" * (width * len(tests)), head, body)


def _by_axis(runs: Sequence[ScoredRun], test: str) -> str:
    rows: dict[tuple[int, str, str], dict[float | None, Cell]] = {}
    for number, run in enumerate(runs):
        for cell in run.cells:
            if cell.test == test and cell.guide is None:
                rows.setdefault((number, cell.variant, cell.subset), {})[cell.axis_value] = cell
    cells = [cell for row in rows.values() for cell in row.values()]
    values = axis_values(cells)
    headers = ["Model", "Variant", "Subset", *(f"{value:.0%}" for value in values), "Average"]
    body = [
        [runs[number].marked, variant, subset, *(_score(row.get(value)) for value in values), _average(row[None])]
        for (number, variant, subset), row in rows.items()
    ]
    caption = (
        f"{test.capitalize()} by {axis_of(test, cells).name}, in percent; the average with its 95 % interval clustered "
        "by question."
    )
    if any(cell.is_small for cell in cells):
        caption += f" Grey: {SMALL}."
    return _table(caption, "lll" + "r" * (len(values) + 1), [_row(headers)], body)


def _score(cell: Cell | None) -> str:
    return "–" if cell is None else _shade(percent(cell.score), small=cell.is_small)


def _average(cell: Cell) -> str:
    return _shade(str(cell), small=cell.is_small)


def _shade(text: str, *, small: bool) -> str:
    """Marks a greyed out value; `_row` turns the mark into a colour."""
    return f"{_GREY}{text}" if small else text


_GREY = "\0"


def _table(caption: str, columns: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *map(_row, body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(values: Sequence[str]) -> str:
    return " & ".join(map(_value, values)) + r" \\"


def _value(text: str) -> str:
    if text.startswith(_GREY):
        return rf"\textcolor{{gray}}{{{escape_latex(text.removeprefix(_GREY))}}}"
    return escape_latex(text)
