"""Solo solve rates of a model, read from a data set's questions table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from offtraj._util.parquet import open_parquet
from offtraj.dataset.configs import QUESTIONS
from offtraj.dataset.folder import DataFolder
from offtraj.run.solo import SolveRates, rate_order

__all__ = ["solve_rates"]


def solve_rates(data: DataFolder, model: str, revisions: Iterable[str | None]) -> SolveRates | None:
    """The number of questions by solo solve rate, by benchmark; `None` where the data set does not have the model.

    Args:
        data: The data set.
        model: The model's id.
        revisions: The identities of the model that are accepted; another revision is another model.

    Raises:
        DataError: when the questions cannot be read.
        HubError: when they cannot be fetched.
    """
    entry = data.manifest.models.get(model)
    if entry is None or entry.revision not in set(revisions):
        return None
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path in data.files(QUESTIONS):
        with open_parquet(path, "a table of questions") as file:
            for row in file.read(columns=["benchmark", "solve_rates"]).to_pylist():
                for rate in row["solve_rates"]:
                    if rate["model"] == model and rate["sampled"]:
                        found[row["benchmark"]][f"{rate['solved']}/{rate['sampled']}"] += 1
    return {name: dict(sorted(counts.items(), key=lambda item: rate_order(item[0]))) for name, counts in found.items()}
