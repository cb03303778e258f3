"""The prefixes of a run's rows, as segments, read from the data set that the run was made on.

A run's folder holds continuations only. Rows are matched by id; ids are hashes of their content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offtraj._util.parquet import read_parquet
from offtraj.dataset.folder import DataFolder, open_folder
from offtraj.errors import OfftrajError
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.run.record import RunData
from offtraj.run.row import Segment

__all__ = ["Prefixes", "find_data"]

_BATCH = 32  # rows; one may have two hundred thousand characters


def find_data(run: ScoredRun, given: Sequence[str] = ()) -> tuple[DataFolder | None, str]:
    """The data set that a run was made on, or why it was not found.

    Args:
        run: The run; its `run.json` has the data set's name, version and digest.
        given: Folders or `ORG/NAME[@REVISION]` to try first. `data/NAME-VERSION` follows, in the working directory and
            next to the folder of runs.

    Returns:
        The folder and an empty reason, or `None` and a sentence.
    """
    wanted = run.record.data or RunData()
    name = f"{wanted.name}-{wanted.version}"
    here = Path("data") / name
    beside_runs = run.path.resolve().parent.parent / "data" / name
    others = []
    for where in dict.fromkeys([*given, str(here), str(beside_runs)]):
        if where not in given and not Path(where).is_dir():
            continue
        try:
            data = open_folder(where)
        except OfftrajError as error:
            others.append(str(error))
            continue
        if data.manifest.spec_sha256 == wanted.spec_sha256:
            return data, ""
        others.append(f"{where} was built from another spec")
    looked = f"there is no {here}, here or next to the runs" if not others else "; ".join(others)
    return None, f"The data set {name} was not found: {looked}. Say where it is with --data."


@dataclass
class Prefixes:
    """Segments by row id. Asking in the data set's order is fast and needs little memory."""

    data: DataFolder | None
    configs: Sequence[str]
    missing: int = 0
    """Number of rows that were asked for and are not in the data set."""
    _places: Mapping[str, int] = field(init=False, repr=False)
    _rows: Iterator[tuple[str, tuple[Segment, ...]]] = field(init=False, repr=False)
    _last: tuple[str, tuple[Segment, ...]] = field(default=("", ()), init=False, repr=False)
    _at: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        self._places = {row_id: place for place, row_id in enumerate(self._ids())}
        self._rows = self._read()

    def of(self, row_id: str) -> tuple[Segment, ...] | None:
        """The row's segments; `None` for a row that is not in the data set.

        Raises:
            DataError: for a file that is no steered set.
        """
        place = self._places.get(row_id)
        if place is None:
            self.missing += 1
            return None
        if place < self._at:
            self._rows, self._at = self._read(), -1
        while self._at < place:
            self._last, self._at = next(self._rows), self._at + 1
        return self._last[1]

    def _files(self) -> list[Path]:
        if self.data is None:
            return []
        there = {entry.config for entry in self.data.manifest.files}
        return [path for config in self.configs if config in there for path in self.data.files(config)]

    def _ids(self) -> Iterator[str]:
        for row in _rows(self._files(), ["id"], 4096):
            yield str(row["id"])

    def _read(self) -> Iterator[tuple[str, tuple[Segment, ...]]]:
        for row in _rows(self._files(), ["id", "segments"], _BATCH):
            yield str(row["id"]), tuple(Segment(**segment) for segment in row["segments"])  # type: ignore[attr-defined]


def _rows(paths: Sequence[Path], columns: Sequence[str], batch: int) -> Iterator[dict[str, object]]:
    for path in paths:
        for rows in read_parquet(path, "a steered set", rows=batch, columns=columns):
            yield from rows
