"""The numbers of a card's tables and its example row, computed from the manifest and the Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, cast

from offtraj._util.parquet import read_parquet
from offtraj.dataset.manifest import Count, FileEntry, Manifest, ModelEntry
from offtraj.hub.card_metadata import by_config
from offtraj.run.row import SteeredRow, read_rows
from offtraj.spec import TestName
from offtraj_builders.definitions import definition, parse_set

__all__ = ["Example", "Part", "RowTable", "Solved", "count_rows", "find_example", "solved", "summed"]

_BATCH = 1024
_AMONG = 512  # rows that an example is chosen from
_READABLE = 1000  # characters


@dataclass(frozen=True)
class RowTable:
    """The number of rows of a test over all models, by variant and subset, and by position or ratio."""

    by: Literal["position", "ratio"]
    axis_values: Sequence[float]
    parts: Sequence[Part]

    @property
    def reveals(self) -> bool:
        """Whether any steer contains the gold answer."""
        return any(part.revealed for part in self.parts)

    @property
    def overlaps(self) -> bool:
        """Whether a row may be counted in two parts."""
        return len({part.subset for part in self.parts}) > 1


@dataclass(frozen=True)
class Part:
    """The rows of one variant and subset: one line of the table."""

    variant: str
    subset: str
    rows: Sequence[int]
    """Number of rows at each position or ratio."""
    revealed: int
    """Number of rows whose steer contains the gold answer."""

    @property
    def total(self) -> int:
        """Rows at all positions or ratios."""
        return sum(self.rows)


@dataclass(frozen=True)
class Example:
    """A row to show, and its configuration."""

    config: str
    row: SteeredRow


@dataclass(frozen=True)
class Solved:
    """Solo solve rates of a model, over the questions that were sampled equally often."""

    model: str
    samples: int
    questions: Sequence[int]
    """Number of questions that were solved 0, 1, 2, … times."""


def count_rows(manifest: Manifest, folder: Path, test: TestName) -> RowTable | None:
    """The number of a test's rows; `None` where the data set has none.

    Raises:
        DataError: when a file is missing or is no steered set.
    """
    by = definition(test).axis.name
    rows: Counter[tuple[str, str, float]] = Counter()
    revealed: Counter[tuple[str, str]] = Counter()
    for entry in manifest.files:
        if _is_of(entry.config, test):
            for variant, subsets, axis_value, reveals in _columns(
                folder, entry, ("variant", "subsets", by, "reveals_answer")
            ):
                for subset in cast("Iterable[str]", subsets):
                    rows[str(variant), subset, round(cast("float", axis_value), 6)] += 1
                    revealed[str(variant), subset] += bool(reveals)
    if not rows:
        return None
    axis_values = sorted({axis_value for _, _, axis_value in rows})
    groups = dict.fromkeys((variant, subset) for variant, subset, _ in rows)
    ordered = sorted(groups, key=lambda group: (group[0] != "default", *group))
    parts = [
        Part(
            variant,
            subset,
            [rows[variant, subset, axis_value] for axis_value in axis_values],
            revealed[variant, subset],
        )
        for variant, subset in ordered
    ]
    return RowTable(by, axis_values, parts)


def find_example(manifest: Manifest, folder: Path, test: TestName) -> Example | None:
    """A row of the default variant at a middle position or ratio, with a prefix of about 1,000 characters.

    It is taken from the first 512 rows of the test's first configuration; `None` where the data set has none.

    Raises:
        DataError: when a file is missing or is no steered set.
    """
    for config, files in by_config(manifest).items():
        if _is_of(config, test):
            rows = list(islice(read_rows([folder / entry.path for entry in files]), _AMONG))
            whole = [row for row in rows if all(segment.text for segment in row.segments)] or rows
            first = [row for row in whole if row.variant == "default"] or whole
            axis_values = sorted({row.axis_value for row in first})
            middle = [row for row in first if row.axis_value == axis_values[len(axis_values) // 2]]
            return Example(
                config, min(middle, key=lambda row: (row.reveals_answer, abs(len(row.prefix) - _READABLE), row.id))
            )
    return None


def solved(models: dict[str, ModelEntry]) -> list[Solved]:
    """Solo solve rates of each model, for each number of samples of a question."""
    found = []
    for model, entry in models.items():
        rates = {tuple(map(int, rate.split("/"))): questions for rate, questions in entry.solve_rates.items()}
        found += [
            Solved(model, samples, [rates.get((times, samples), 0) for times in range(samples + 1)])
            for samples in sorted({samples for _, samples in rates})
        ]
    return found


def summed(counts: Iterable[Count]) -> list[Count]:
    """The counts of selections, summed over models."""
    groups: dict[tuple[str, str | None, str | None, str], list[Count]] = {}
    for count in counts:
        groups.setdefault((count.test, count.variant, count.subset, count.of), []).append(count)
    found = []
    for (test, variant, subset, of), group in groups.items():
        dropped: Counter[str] = Counter()
        for count in group:
            dropped.update(count.dropped)
        kept = sum(count.kept for count in group)
        found.append(
            Count(
                test=test,
                model="",
                variant=variant,
                subset=subset,
                of=of,
                kept=kept,
                dropped=dict(sorted(dropped.items())),
            )
        )
    return found


def _is_of(config: str, test: TestName) -> bool:
    """Whether a configuration is a steered set of a test."""
    name = parse_set(config)
    return name is not None and name.test.name == test


def _columns(folder: Path, entry: FileEntry, names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    for rows in read_parquet(folder / entry.path, "a steered set", rows=_BATCH, columns=names):
        yield from (tuple(row[name] for name in names) for row in rows)
