"""The metadata of a card, which the Hub, its viewer and `datasets` read; made with their own classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.parquet import open_parquet
from offtraj.dataset.manifest import FileEntry, Manifest
from offtraj.grading.domains import find_domain
from offtraj.spec import HubSource, Spec

if TYPE_CHECKING:
    from datasets import DatasetInfo

__all__ = ["by_config", "card_metadata", "split_of"]

_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")


def by_config(manifest: Manifest) -> dict[str, list[FileEntry]]:
    """The files of each configuration, in the manifest's order."""
    configs: dict[str, list[FileEntry]] = {}
    for entry in manifest.files:
        configs.setdefault(entry.config, []).append(entry)
    return configs


def split_of(entry: FileEntry) -> str:
    """The split of a file: the first part of its name."""
    return Path(entry.path).name.partition("-")[0]


def card_metadata(spec: Spec, manifest: Manifest, folder: Path) -> str:
    """The YAML between the dashes at the top of the card.

    Args:
        spec: The spec.
        manifest: The manifest of the folder.
        folder: The folder, from whose files the features are read.

    Raises:
        DataError: when a file is missing or cannot be read.
    """
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    configs = by_config(manifest)
    data = DatasetCardData(
        language=["en"],
        license=None if spec.publish is None else spec.publish.license,
        pretty_name=f"{manifest.name} {manifest.version}",
        annotations_creators=["machine-generated"],
        size_categories=[_size(sum(entry.rows for entry in manifest.files))],
        source_datasets=_sources(spec),
        task_categories=list(find_domain(spec.domain).task_categories),
        tags=_tags(spec),
        configs=[_config(name, files, default=at == 0) for at, (name, files) in enumerate(configs.items())],
    )
    infos = DatasetInfosDict({name: _info(name, files, folder) for name, files in configs.items()})
    infos.to_dataset_card_data(data)
    return str(data.to_yaml(line_break="\n"))


def _config(name: str, files: list[FileEntry], *, default: bool) -> dict[str, object]:
    named = {"config_name": name, **({"default": True} if default else {})}
    return {**named, "data_files": [{"split": split_of(files[0]), "path": [entry.path for entry in files]}]}


def _info(name: str, files: list[FileEntry], folder: Path) -> DatasetInfo:
    from datasets import DatasetInfo, Features
    from datasets.splits import SplitDict, SplitInfo

    with open_parquet(folder / files[0].path, "a table") as file:
        features = Features.from_arrow_schema(file.schema_arrow)
    split, size = split_of(files[0]), sum(entry.num_bytes for entry in files)
    return DatasetInfo(
        config_name=name,
        features=features,
        splits=SplitDict({split: SplitInfo(split, size, sum(entry.rows for entry in files))}),
        download_size=sum(entry.bytes for entry in files),
        dataset_size=size,
    )


def _size(rows: int) -> str:
    """The Hub's size category of a number of rows."""
    return next((name for power, name in enumerate(_SIZES) if rows < 10 ** (3 + power)), "1B<n<10B")


def _sources(spec: Spec) -> list[str]:
    """Sources on the Hub by name, others in the Hub's form for data sets that it does not hold."""
    return [
        benchmark.source.hub if isinstance(benchmark.source, HubSource) else f"extended|other-{benchmark.id}"
        for benchmark in spec.benchmarks
    ]


def _tags(spec: Spec) -> list[str]:
    return ["offtraj", "benchmark", "reasoning", "chain-of-thought", spec.domain, *spec.tests.declared()]
