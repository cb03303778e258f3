"""The Parquet shards of one configuration, written from a stream of batches."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Shard", "write_shards"]

SHARD_BYTES = 300 * 2**20  # compressed, approximately; of the same order as the Hub's own shards
_ROW_GROUP_BYTES = 32 * 2**20  # in memory; a reader holds one row group at once


class Shard(NamedTuple):
    """One written file."""

    path: Path
    rows: int
    num_bytes: int
    """Size of its rows in memory, as Arrow batches; `num_bytes` of `datasets`."""


async def write_shards(
    folder: Path, split: str, schema: pa.Schema, batches: AsyncIterator[pa.RecordBatch]
) -> list[Shard]:
    """The written files `{split}-00000-of-0000N.parquet`; always at least one.

    The same batches give the same bytes: row groups depend on the rows only, and the file contains no time and no
    machine. Compression runs in a thread, concurrently with the source of the batches.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    os.makedirs(folder, exist_ok=True)
    shards: list[Shard] = []
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.RecordBatch] = []
    work: asyncio.Task[None] | None = None

    def start() -> pq.ParquetWriter:
        path = folder / f"{split}-{len(shards):05d}.parquet"
        shards.append(Shard(path, 0, 0))
        return pq.ParquetWriter(path, schema, compression="zstd")

    async def flush() -> None:
        nonlocal writer, waiting, work
        if work is not None:
            await work
            work = None
        if writer is not None and shards[-1].path.stat().st_size >= SHARD_BYTES:
            writer.close()
            writer = None
        writer = writer or start()
        table = pa.Table.from_batches(waiting, schema)
        last = shards[-1]
        num_bytes = last.num_bytes + sum(batch.nbytes for batch in waiting)
        shards[-1] = last._replace(rows=last.rows + table.num_rows, num_bytes=num_bytes)
        waiting = []
        work = asyncio.create_task(asyncio.to_thread(writer.write_table, table))

    try:
        size = 0
        async for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size >= _ROW_GROUP_BYTES:
                await flush()
                size = 0
        if waiting or writer is None:
            await flush()
        if work is not None:
            await work
    finally:
        if work is not None and not work.done():
            await asyncio.wait([work])
        if writer is not None:
            writer.close()
    return [_rename(shard, split, len(shards)) for shard in shards]


def _rename(shard: Shard, split: str, count: int) -> Shard:
    number = int(shard.path.stem.rpartition("-")[2])
    return shard._replace(path=shard.path.rename(shard.path.with_name(f"{split}-{number:05d}-of-{count:05d}.parquet")))
