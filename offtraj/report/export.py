"""The numbers of runs as JSON and CSV, in shares. LaTeX is left to `latex`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.comparison import Difference
from offtraj.metrics.intervals import Interval
from offtraj.metrics.scores import Cell
from offtraj.report.run_comparison import RunComparison

__all__ = ["comparison_csv", "comparison_json", "scores_csv", "scores_json"]


def scores_json(runs: Sequence[ScoredRun]) -> str:
    """The content of each run's `scores.json`, with its folder, model and data set."""
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
    """One line for each cell, and one with the test `solo` for each solo score. Shares, not percent.

    An empty value means all values of that column, or none.
    """
    return _csv(("run", "model", *_COLUMNS), (line for one in runs for line in _lines(one)))


def comparison_json(compared: Sequence[RunComparison]) -> str:
    """All differences, and the groups without anything in common."""
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


def comparison_csv(compared: Sequence[RunComparison]) -> str:
    """One line for each difference. Shares, not percent."""
    lines = [
        {"baseline": one.baseline, "name": one.name, **_difference(difference)}
        for one in compared
        for difference in one.comparison.differences
    ]
    return _csv(list(lines[0]) if lines else ("baseline", "name"), lines)


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
