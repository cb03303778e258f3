"""Model cards of pocket models: training and measured scores. Every number is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offtraj._util.packaged import packaged
from offtraj.metrics.intervals import percent
from offtraj.metrics.scores import Cell
from offtraj.metrics.solo import score_solo
from offtraj.spec import SamplingSpec
from offtraj.studies.pocket.training import RECORD

__all__ = ["Measured", "measure", "write_card"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's scores, as lines of a table; `columns` are positions or ratios in percent, then the average."""

    questions: int
    sampling: SamplingSpec
    solve_rates: Mapping[str, int]
    columns: Sequence[str]
    lines: Sequence[tuple[str, Sequence[str]]]


def measure(sampling: SamplingSpec, solve_rates: Mapping[str, int], cells: Sequence[Cell]) -> Measured:
    """The table of a model's scores, from its solo solve rates and the cells of its run."""
    axis_values = sorted({axis_value for cell in cells if (axis_value := cell.axis_value) is not None})
    lines = [("solo", [*[""] * len(axis_values), str(score_solo({"": solve_rates}) or "–")])]
    groups: dict[tuple[str, str], dict[float | None, Cell]] = {}
    for cell in cells:
        if cell.subset == "individual" and cell.guide is None:
            groups.setdefault((cell.test, cell.variant), {})[cell.axis_value] = cell
    for (test, variant), at in groups.items():
        name = test if variant == "default" else f"{test}, {variant}"
        values = [percent(at[axis_value].score) if axis_value in at else "" for axis_value in axis_values]
        lines.append((name, [*values, percent(at[None].score, at[None].interval)]))
    columns = [*(f"{axis_value:.0%}" for axis_value in axis_values), "average"]
    return Measured(sum(solve_rates.values()), sampling, solve_rates, columns, lines)


def write_card(folder: Path, measured: Measured | None) -> None:
    """Write the `README.md` of a model's folder, from its training record and its scores, if measured."""
    import jinja2

    record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    # Markdown, not HTML: nothing is escaped.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    template = environment.from_string((packaged("cards") / "model.md.j2").read_text(encoding="utf-8"))
    text = template.render(record=record, recipe=record["recipe"], measured=measured)
    (folder / "README.md").write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="")
