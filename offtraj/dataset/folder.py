"""A data set folder: written completely or not at all, and opened from disk or from the Hub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from offtraj._util.atomic import new_folder
from offtraj._util.digest import file_sha256
from offtraj._util.progress import OnProgress, no_steps
from offtraj.dataset.configs import is_known
from offtraj.dataset.manifest import MANIFEST, FileEntry, Manifest, read_manifest
from offtraj.dataset.shards import write_shards
from offtraj.errors import DataError, HubError, OutputError, first_line
from offtraj.spec import SpecFile, load_spec
from offtraj_builders.definitions import SetName, parse_set

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CARD",
    "EVAL",
    "OURS",
    "SPEC",
    "Config",
    "DataFolder",
    "Description",
    "check_target",
    "open_folder",
    "write_folder",
]

SPEC = "spec.yaml"
CARD = "README.md"
EVAL = "eval.yaml"
OURS = (CARD, EVAL, MANIFEST, SPEC)
"""The files other than those of configurations."""


@dataclass(frozen=True)
class Config:
    """One configuration to write."""

    name: str
    split: str
    schema: pa.Schema
    batches: AsyncIterator[pa.RecordBatch]


class Description(NamedTuple):
    """The texts that describe a data set folder."""

    manifest: Manifest
    card: str
    """Text of `README.md`."""
    registration: str | None
    """Text of `eval.yaml`; `None` where the spec does not ask for it."""


async def write_folder(
    out: Path,
    file: SpecFile,
    configs: Sequence[Config],
    describe: Callable[[Path, tuple[FileEntry, ...]], Description],
    *,
    written: OnProgress = no_steps,
) -> Manifest:
    """The manifest of a folder that was written: configurations, manifest, spec, card and registration.

    The folder appears when all files are complete. It replaces a folder of the same data set and version; the same
    content gives the same bytes. Configurations without rows are left out.

    Args:
        out: The folder.
        file: The spec, copied unchanged.
        configs: The configurations, streamed one after the other.
        describe: Called with the folder and its files; returns the manifest, the card and the registration.
        written: Called after each complete configuration.

    Raises:
        OutputError: when `out` holds something else, the disk is full, or it cannot be written.
    """
    check_target(out, file, {config.name for config in configs})
    with new_folder(out) as folder:
        entries: list[FileEntry] = []
        for config in configs:
            shards = await write_shards(folder / config.name, config.split, config.schema, config.batches)
            written(1)
            if not any(shard.rows for shard in shards):
                for shard in shards:
                    shard.path.unlink()
                (folder / config.name).rmdir()
                continue
            entries += [
                FileEntry(
                    path=shard.path.relative_to(folder).as_posix(),
                    config=config.name,
                    rows=shard.rows,
                    bytes=shard.path.stat().st_size,
                    num_bytes=shard.num_bytes,
                    sha256=file_sha256(shard.path),
                )
                for shard in shards
            ]
        description = describe(folder, tuple(entries))
        (folder / SPEC).write_text(file.text, encoding="utf-8", newline="")
        (folder / MANIFEST).write_text(description.manifest.to_json(), encoding="utf-8", newline="")
        (folder / CARD).write_text(description.card, encoding="utf-8", newline="")
        if description.registration is not None:
            (folder / EVAL).write_text(description.registration, encoding="utf-8", newline="")
    return description.manifest


def check_target(out: Path, file: SpecFile, configs: frozenset[str] | set[str] = frozenset()) -> None:
    """Check that a folder may be written to `out`, before anything is sampled for it.

    Raises:
        OutputError: when `out` holds anything but this data set in this version, or sets that would be lost.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    name, version = file.spec.name, file.spec.version
    try:
        there = read_manifest(out)
    except DataError:
        raise OutputError(f"{out}: exists, and is no data set folder of offtraj: choose another --out") from None
    if (there.name, there.version) != (name, version):
        raise OutputError(
            f"{out}: holds {there.name} {there.version}, and {file.path} makes {name} {version}: "
            "choose another --out, or remove that folder"
        )
    lost = sorted({entry.config for entry in there.files} - configs) if configs else []
    if lost:
        raise OutputError(
            f"{out}: holds {', '.join(lost)}, which this command does not make, so they would be lost: "
            "choose another --out, build everything, or remove that folder"
        )


@dataclass(frozen=True)
class DataFolder:
    """A data set folder, opened."""

    path: Path
    manifest: Manifest
    spec: SpecFile
    """The spec that it was built from. Relative paths in it start at the folder that held the original."""
    repo: str | None = None
    """Repository on the Hub, from which configurations are fetched when they are first read."""
    revision: str | None = None
    """Commit on the Hub."""

    def has(self, model: str) -> bool:
        """Whether steered sets were built for the model."""
        return any(one.model == model for one in self.sets)

    @property
    def sets(self) -> tuple[SetName, ...]:
        """The steered sets, in the manifest's order."""
        return tuple(one for config in self._configs if (one := parse_set(config)) is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the configurations that this version does not know, such as sets of a later version's test."""
        return tuple(config for config in self._configs if not is_known(config))

    @property
    def _configs(self) -> list[str]:
        return list(dict.fromkeys(entry.config for entry in self.manifest.files))

    def fetch(self) -> None:
        """Fetch every file from the Hub, if the data set is there.

        Raises:
            HubError: when it cannot be fetched.
        """
        if self.repo is not None:
            _fetch(self.repo, self.revision, None)

    def files(self, config: str) -> list[Path]:
        """The configuration's files, in order.

        Raises:
            DataError: when there is no such configuration, or a file is missing.
            HubError: when it cannot be fetched.
        """
        paths = [self.path / entry.path for entry in self.manifest.files if entry.config == config]
        if not paths:
            raise DataError(f"{self.path}: has no {config!r}, but {', '.join(sorted(self._configs))}")
        if self.repo is not None and not all(path.is_file() for path in paths):
            _fetch(self.repo, self.revision, [f"{config}/*"])
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path}: is missing, though the manifest lists it: the folder is incomplete")
        return paths

    def verified(self, path: Path) -> FileEntry:
        """The manifest's entry of a file, after comparing its digest.

        Raises:
            DataError: when the digest differs.
        """
        name = path.relative_to(self.path).as_posix()
        entry = next(entry for entry in self.manifest.files if entry.path == name)
        if file_sha256(path) != entry.sha256:
            raise DataError(f"{path}: is not what the manifest says: it was changed after it was built")
        return entry


def open_folder(where: str) -> DataFolder:
    """A data set: a folder, or `ORG/NAME[@REVISION]` on the Hub, of which only the files that are read are fetched.

    Raises:
        DataError: when it is no data set of offtraj.
        HubError: when the Hub cannot be reached, or has no such repository or revision.
    """
    if Path(where).is_dir():
        path = Path(where)
        return DataFolder(path, read_manifest(path), load_spec(path / SPEC, follow=False))
    repo, _, revision = where.partition("@")
    if repo.count("/") != 1 or repo.startswith((".", "/", "~")):
        raise DataError(f"{where!r}: no such folder, and no repository of the form ORG/NAME[@REVISION]")
    path = _fetch(repo, revision or None, [MANIFEST, SPEC])
    return DataFolder(path, read_manifest(path), load_spec(path / SPEC, follow=False), repo, path.name)


def _fetch(repo: str, revision: str | None, patterns: list[str] | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except Exception as error:  # the client raises what its transport raises
        where = repo if revision is None else f"{repo}@{revision}"
        detail = first_line(error)
        raise HubError(f"{where}: cannot be fetched from the Hub: {type(error).__name__}: {detail}") from error
