"""How often a model solves a data set's questions with nothing injected, read from its questions table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from offtraj.dataset.folder import DataFolder
from offtraj.errors import DataError
from offtraj.run.solo import SolveRates, rate_order

__all__ = ["solve_rates"]


def solve_rates(data: DataFolder, model: str, revisions: Iterable[str | None]) -> SolveRates | None:
    """How often a model solves a data set's questions solo; `None` where the set does not say.

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
