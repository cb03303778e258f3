"""A data set: opened from a folder or from the Hub, as Arrow or pandas."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeAlias

from offtraj.dataset.folder import DataFolder as Folder
from offtraj.dataset.folder import open_folder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["DataFolder", "DataLike", "as_data_folder", "open_dataset"]

DataLike: TypeAlias = "str | os.PathLike[str] | Folder"
"""A data set, its folder, or `ORG/NAME[@REVISION]` on the Hub."""


@dataclass(frozen=True, repr=False)
class DataFolder(Folder):
    """A data set: its folder (`path`), its manifest, and the spec that it was built from.

    `datasets.load_dataset(path, config)` opens the same configurations.
    """

    @property
    def configs(self) -> tuple[str, ...]:
        """Names of all configurations, in the order of the manifest: steered sets, trajectories, questions."""
        return tuple(dict.fromkeys(entry.config for entry in self.manifest.files))

    def to_arrow(self, config: str) -> pa.Table:
        """All rows of a configuration; of a data set on the Hub they are downloaded first.

        Args:
            config: One of `configs`, such as `recoverability--qwen3-1.7b`.

        Raises:
            DataError: when there is no such configuration, or a file is missing or cannot be read.
            HubError: when a file cannot be downloaded.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from offtraj.errors import DataError

        tables = []
        for path in self.files(config):
            try:
                tables.append(pq.read_table(path, partitioning=None))
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
        return pa.concat_tables(tables)

    def to_pandas(self, config: str) -> pd.DataFrame:
        """All rows of a configuration, with the columns of `to_arrow`.

        Raises:
            MissingExtraError: when pandas is not installed.
            DataError: as `to_arrow` does.
            HubError: as `to_arrow` does.
        """
        from offtraj.api.frame import pandas_of

        return pandas_of(self.to_arrow(config))

    def __repr__(self) -> str:
        where = str(self.path) if self.repo is None else f"{self.repo}@{self.revision}"
        steered = set(map(str, self.sets))
        rows = sum(entry.rows for entry in self.manifest.files if entry.config in steered)
        name = f"{self.manifest.name} {self.manifest.version}"
        return f"DataFolder({where!r}: {name}, {len(self.configs)} configurations, {rows:,} steered rows)"

    def _repr_html_(self) -> str:
        """For notebooks: the configurations and their rows."""
        from rich.table import Table

        from offtraj.api.frame import html_of

        table = Table()
        table.add_column("configuration")
        table.add_column("rows", justify="right")
        for config in self.configs:
            rows = sum(entry.rows for entry in self.manifest.files if entry.config == config)
            table.add_row(config, f"{rows:,}")
        where = str(self.path) if self.repo is None else f"{self.repo}@{self.revision}"
        return html_of(f"{self.manifest.name} {self.manifest.version}", [table], {"data set": where})


def as_data_folder(data: DataLike) -> DataFolder:
    """The data set as a value of the API; opened where a folder or a repository is given.

    Raises:
        DataError: as `open_dataset` does.
        HubError: as `open_dataset` does.
    """
    if isinstance(data, DataFolder):
        return data
    if isinstance(data, Folder):
        return DataFolder(**{field.name: getattr(data, field.name) for field in fields(data)})
    return open_dataset(data)


def open_dataset(where: str | os.PathLike[str]) -> DataFolder:
    """A data set that was built before, from disk or from the Hub.

    Args:
        where: A folder, or `ORG/NAME[@REVISION]` on the Hub. From there the manifest and the spec are downloaded now,
            and a configuration when it is read.

    Returns:
        The data set.

    Raises:
        DataError: when the folder is no data set of offtraj, or of a format that this version does not read.
        HubError: when the Hub cannot be reached, or has no such repository or revision.
    """
    return as_data_folder(open_folder(os.fspath(where)))
