"""What the card's tables and example say, computed from the manifest and the folder's Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, cast

from offtraj.dataset.manifest import Count, FileEntry, Manifest, ModelEntry
from offtraj.errors import DataError
from offtraj.hub.card_metadata import by_config
from offtraj.run.row import SteeredRow, read_rows
from offtraj.spec import TestName

__all__ = ["Example", "Part", "RowTable", "Solved", "count_rows", "find_example", "solved", "summed"]

_BATCH = 1024
_AMONG = 512  # rows that an example is chosen from
_READABLE = 1000  # characters


@dataclass(frozen=True)
class RowTable:
    """The rows of a test, of all models together, by variant and subset, and by position or ratio."""

    by: Literal["position", "ratio"]
    axis_values: Sequence[float]
    parts: Sequence[Part]

    @property
    def reveals(self) -> bool:
        """Whether any steer gives the answer away."""
        return any(part.revealed for part in self.parts)

    @property
    def overlaps(self) -> bool:
        """Whether a row may count twice."""
        return len({part.subset for part in self.parts}) > 1


@dataclass(frozen=True)
class Part:
    """One line of it."""

    variant: str
    subset: str
    rows: Sequence[int]
    """At each position or ratio."""
    revealed: int
    """Of them, whose steer gives the answer away."""

    @property
    def total(self) -> int:
        """Rows at all positions or ratios."""
        return sum(self.rows)


@dataclass(frozen=True)
class Example:
    """A row to show, and where it stands."""

    config: str
    row: SteeredRow


@dataclass(frozen=True)
class Solved:
    """How often a model, sampled so many times a question, solves how many questions."""

    model: str
    samples: int
    questions: Sequence[int]
    """Solved 0, 1, 2, … times."""


def count_rows(manifest: Manifest, folder: Path, test: TestName) -> RowTable | None:
    """Count a test's rows; `None` where the data set has none.

    Raises:
        DataError: when a file is missing or is no such set.
    """
    by: Literal["position", "ratio"] = "position" if test == "recoverability" else "ratio"
    rows: Counter[tuple[str, str, float]] = Counter()
    revealed: Counter[tuple[str, str]] = Counter()
    for entry in manifest.files:
        if entry.config.partition("--")[0] == test:
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
    """A row of the default variant at a middle position or ratio, its prefix neither long nor next to nothing.

    Chosen among the first few hundred rows of the test's first configuration.

    Raises:
        DataError: when a file is missing or is no such set.
    """
    for config, files in by_config(manifest).items():
        if config.partition("--")[0] == test:
            rows = list(islice(read_rows([folder / entry.path for entry in files]), _AMONG))
            whole = [row for row in rows if all(segment.text for segment in row.segments)] or rows
            first = [row for row in whole if row.variant == "default"] or whole
            axis_values = sorted({_axis_value(row) for row in first})
            middle = [row for row in first if _axis_value(row) == axis_values[len(axis_values) // 2]]
            return Example(
                config, min(middle, key=lambda row: (row.reveals_answer, abs(len(row.prefix) - _READABLE), row.id))
            )
    return None


def solved(models: dict[str, ModelEntry]) -> list[Solved]:
    """Solve rates, model by model, and for each number of samples that a question has."""
    found = []
    for model, entry in models.items():
        rates = {tuple(map(int, rate.split("/"))): questions for rate, questions in entry.solve_rates.items()}
        found += [
            Solved(model, samples, [rates.get((times, samples), 0) for times in range(samples + 1)])
            for samples in sorted({samples for _, samples in rates})
        ]
    return found


def summed(counts: Iterable[Count]) -> list[Count]:
    """The selections of all models together."""
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


def _axis_value(row: SteeredRow) -> float:
    return row.ratio if row.position is None else row.position


def _columns(folder: Path, entry: FileEntry, names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(folder / entry.path, pre_buffer=False) as file:
            for batch in file.iter_batches(columns=list(names), batch_size=_BATCH):
                yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{folder / entry.path}: not a steered set that this version reads: {error}") from error
