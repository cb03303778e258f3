"""Shards: named by their number, the same bytes for the same rows, never more in memory than a row group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offtraj.dataset import shards
from offtraj.dataset.shards import write_shards

COLUMNS: dict[str, pa.DataType] = {"n": pa.int64(), "text": pa.string()}
SCHEMA = pa.schema(COLUMNS)


async def batches(count: int, rows: int = 100) -> AsyncIterator[pa.RecordBatch]:
    for start in range(0, count, rows):
        numbers = range(start, min(count, start + rows))
        yield pa.RecordBatch.from_pylist([{"n": n, "text": f"{n} " * 200} for n in numbers], SCHEMA)


async def test_large_sets_are_cut_into_numbered_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(shards, "_ROW_GROUP_BYTES", 200_000)
    written = await write_shards(tmp_path / "config", "test", SCHEMA, batches(3000))
    names = [shard.path.name for shard in written]
    assert len(names) > 2
    assert names == [f"test-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]
    assert sum(shard.rows for shard in written) == 3000
    loaded = datasets.load_dataset(
        "parquet", data_files=[str(shard.path) for shard in written], split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["n"][:] == list(range(3000))


async def test_row_groups_bound_what_a_reader_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_ROW_GROUP_BYTES", 200_000)
    (shard,) = await write_shards(tmp_path / "config", "test", SCHEMA, batches(3000))
    file = pq.ParquetFile(shard.path)
    assert file.metadata.num_row_groups > 5
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"
    file.close()


async def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    (one,) = await write_shards(tmp_path / "one", "test", SCHEMA, batches(500))
    (two,) = await write_shards(tmp_path / "two", "test", SCHEMA, batches(500))
    assert one.path.read_bytes() == two.path.read_bytes()


async def test_no_rows_are_one_empty_shard(tmp_path: Path) -> None:
    (shard,) = await write_shards(tmp_path / "config", "test", SCHEMA, batches(0))
    assert (shard.path.name, shard.rows) == ("test-00000-of-00001.parquet", 0)


async def test_an_error_of_whoever_makes_the_rows_is_raised(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[pa.RecordBatch]:
        async for batch in batches(200):
            yield batch
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await write_shards(tmp_path / "config", "test", SCHEMA, broken())
