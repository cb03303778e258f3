"""How a model does alone: average Pass@1, with what a data set says of it. Sampling it is `solo`'s."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from offtraj.dataset.folder import DataFolder
from offtraj.errors import DataError
from offtraj.metrics.scores import Interval, clustered_interval, percent, rate_order

__all__ = ["SoloScore", "SolveRates", "score_alone", "solve_rates"]

SolveRates = Mapping[str, Mapping[str, int]]
"""For each benchmark how many questions are solved how often, such as `{"math500": {"7/8": 12}}`."""


@dataclass(frozen=True, slots=True)
class SoloScore:
    """Average Pass@1 with nothing injected. Shares, not percent."""

    score: float
    """Mean over benchmarks of the share of correct samples (paper, Tables 1, 4 and 5)."""
    interval: Interval | None
    """By bootstrap over questions; none for fewer than two."""
    questions: int
    samples: int
    benchmarks: Mapping[str, float]
    """The share of correct samples of each."""

    def __str__(self) -> str:
        """In percent, with the interval."""
        return percent(self.score, self.interval)


def score_alone(rates: SolveRates) -> SoloScore | None:
    """Average Pass@1 with its interval; `None` without any question."""
    # In a fixed order: intervals depend on it in the last digit.
    names = sorted(name for name, counts in rates.items() if any(counts.values()))
    if not names:
        return None
    rows = [
        (column, *map(int, rate.split("/")))
        for column, name in enumerate(names)
        for rate in sorted(rates[name], key=rate_order)
        for _ in range(rates[name][rate])
    ]
    correct = np.zeros((len(rows), len(names)), dtype=np.int64)
    total = np.zeros_like(correct)
    for row, (column, solved, sampled) in enumerate(rows):
        correct[row, column], total[row, column] = solved, sampled
    shares = correct.sum(axis=0) / total.sum(axis=0)
    return SoloScore(
        score=float(shares.mean()),
        interval=clustered_interval(correct, total),
        questions=len(rows),
        samples=int(total.sum()),
        benchmarks=dict(zip(names, map(float, shares), strict=True)),
    )


def solve_rates(data: DataFolder, model: str, revisions: Iterable[str | None]) -> SolveRates | None:
    """How often a model solves a data set's questions alone; `None` where the set does not say.

    Args:
        data: The data set.
        model: The model's id.
        revisions: What may identify it there; another revision of a model is another model.

    Raises:
        DataError: when its questions cannot be read.
        HubError: when they cannot be fetched.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    entry = data.manifest.models.get(model)
    if entry is None or entry.revision not in set(revisions):
        return None
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path in data.files("questions"):
        try:
            with pq.ParquetFile(path) as file:
                rows: list[dict[str, Any]] = file.read(columns=["benchmark", "solve_rates"]).to_pylist()
            for row in rows:
                for rate in row["solve_rates"]:
                    if rate["model"] == model and rate["sampled"]:
                        found[row["benchmark"]][f"{rate['solved']}/{rate['sampled']}"] += 1
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise DataError(f"{path}: no questions that this version reads: {error}") from error
    return {name: dict(sorted(counts.items(), key=lambda item: rate_order(item[0]))) for name, counts in found.items()}
