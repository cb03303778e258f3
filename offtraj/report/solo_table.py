"""Solo scores of a data set's models and guides as a table for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from offtraj.dataset.folder import DataFolder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.metrics.solo import score_solo
from offtraj.report.labels import footnotes, headline
from offtraj.report.table import make_table, shade
from offtraj.run.solo import rate_order

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["solo_table"]

_POOLED = "pooled"


def solo_table(data: DataFolder) -> Table:
    """The solo score of each model and guide, and how many questions it solves how often.

    The score is the mean over benchmarks, as everywhere. Where a data set has only counts over all benchmarks, it is
    the pooled share of correct samples, and labelled as such.

    Raises:
        DataError: when its questions cannot be read.
        HubError: when they cannot be fetched.
    """
    lines = []
    for name, entry in data.manifest.models.items():
        rates = solve_rates(data, name, [entry.revision])
        counts: Counter[str] = Counter()
        for benchmark in (rates or {}).values():
            counts.update(benchmark)
        is_pooled = sum(counts.values()) < sum(entry.solve_rates.values())
        score = score_solo({_POOLED: entry.solve_rates} if is_pooled or rates is None else rates)
        lines.append((name, score, is_pooled, dict(entry.solve_rates if is_pooled else counts)))
    levels = sorted({rate for *_, counts in lines for rate in counts}, key=rate_order)
    table = make_table(
        "Solo, in percent (95 %), and number of questions by solve rate",
        ["model"],
        ["average Pass@1", *levels],
        notes=[
            f"{_POOLED}: share of correct samples over all benchmarks; others are means over benchmarks"
            if any(is_pooled for _, _, is_pooled, _ in lines)
            else "",
            footnotes([score for _, score, *_ in lines]),
        ],
    )
    for name, score, is_pooled, rates_of in lines:
        text = headline(score) + (f" {_POOLED}" if is_pooled else "")
        table.add_row(
            name,
            shade(text, small=score is not None and score.is_small, mark=""),
            *(str(rates_of.get(level, 0)) for level in levels),
        )
    return table
