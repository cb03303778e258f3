"""How fast data sets are written and checked, and whether memory stays flat.

    python benchmarks/publish.py [--rows 10000 100000]

Makes a recording of as many trajectories as the rows take (real ones from OFFTRAJ_DATA, repeated under
new questions, or made-up ones of their size), builds its recoverability set, checks the data set, and writes and
reads the same tables with pyarrow alone, in the same run. Every measurement is a process of its own; memory is its
peak resident set. What it does not measure: sampling, the network, and tokenizers (lengths are counted in words).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offtraj_builders.steered_sets import SteeredSet

POSITIONS = 5
SAMPLES = 8
SPEC = """\
name: benchmark
version: 1.0.0
benchmarks:
  - {{id: sums, source: {{file: questions.jsonl}}}}
engines:
  tape: {{kind: recorded, files: [traces.jsonl]}}
models:
  - {{id: model, engine: tape, recorded_as: M, tokenizer: words}}
sampling: {{samples: 8}}
tests:
  recoverability: {{trajectories: {trajectories}, subsets: [individual]}}
"""


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--child", choices=["build", "check", "write", "read"], help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        children = {"build": _build, "check": _check, "write": _write, "read": _read}
        measured = children[arguments.child](arguments.folder)
        measured["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(measured))
        return
    peaks: dict[str, list[float]] = {"build": [], "check": []}
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _generate(folder, rows // POSITIONS)
            build, write, check, read = (_child(kind, folder) for kind in ("build", "write", "check", "read"))
        for kind, measured in (("build", build), ("check", check)):
            peaks[kind].append(measured["peak_mb"])
        print(
            f"{build['rows']:,.0f} rows, {write['mb']:,.0f} MB; with trajectories {read['mb']:,.0f} MB\n"
            f"  compose and write: {build['rows'] / build['compose_s']:,.0f} rows/s, {write['mb'] / build['compose_s']:.0f} MB/s, "
            f"{write['write_s'] / build['compose_s']:.2f} of write_table, "
            f"{write['convert_s'] / build['compose_s']:.2f} of from_pylist + write_table; "
            f"whole build {build['total_s']:.1f} s, peak {build['peak_mb']:.0f} MB\n"
            f"  check: {read['mb'] / check['seconds']:.0f} MB/s, {read['read_s'] / check['seconds']:.2f} of read_table, "
            f"{read['list_s'] / check['seconds']:.2f} of read_table + to_pylist; peak {check['peak_mb']:.0f} MB"
        )
    for kind, found in peaks.items():
        if len(found) > 1:
            print(f"peak memory of {kind}, largest over smallest: {max(found) / min(found):.2f}")


def _child(kind: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", kind, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _generate(folder: Path, trajectories: int) -> None:
    thinkings = itertools.cycle(list(_thinkings()))
    (folder / "spec.yaml").write_text(SPEC.format(trajectories=trajectories))
    with (folder / "questions.jsonl").open("w") as questions, (folder / "traces.jsonl").open("w") as traces:
        for at in range(trajectories):
            number, sample = divmod(at, SAMPLES)
            if sample == 0:
                question = {"id": f"q{number}", "question": f"What is {number} + 1?", "answer": str(number + 1)}
                questions.write(json.dumps(question) + "\n")
            response = f"<think>\n{next(thinkings)}\n</think>\n\n\\boxed{{{number + 1}}}"
            trace = {"question_id": f"q{number}", "model": "M", "sample": sample, "response": response}
            traces.write(json.dumps(trace) + "\n")


def _thinkings() -> Iterator[str]:
    data = os.environ.get("OFFTRAJ_DATA")
    if data is None:
        rng = random.Random(0)
        words = ["so", "then", "we", "get", r"\( x^2 \)", "which", "is", "3.14", "and", "that", "holds"]
        for _ in range(200):
            sentences = (" ".join(rng.choices(words, k=12)).capitalize() + "." for _ in range(150))
            yield "\n\n".join(sentences)
        return
    with gzip.open(Path(data) / "traces" / "math500_atts_self.jsonl.gz", "rt") as lines:
        for line in lines:
            thinking, closed, _ = json.loads(line)["response"].partition("</think>")
            if closed:
                yield thinking


def _build(folder: Path) -> dict[str, float]:
    from offtraj.build.assemble import write_dataset
    from offtraj.build.inputs import sample_inputs
    from offtraj.grading.domains import find_domain
    from offtraj.grading.opening import open_grader
    from offtraj.spec import load_spec
    from offtraj.store import Store
    from offtraj_builders.scope import select
    from offtraj_builders.steered_sets import steered_sets

    async def work() -> dict[str, float]:
        started = time.perf_counter()
        file = load_spec(folder / "spec.yaml")
        with Store(folder / "store.sqlite") as store:
            scope = select(file.spec)
            async with open_grader(find_domain(file.spec.domain), store=store) as grader:
                sampled_inputs = await sample_inputs(file, scope, store=store, grader=grader)
                composing = time.perf_counter()
                rows = await _write_sets(folder, steered_sets(sampled_inputs.inputs, scope))
                composed = time.perf_counter() - composing
                await write_dataset(folder / "set", file, sampled_inputs, steered_sets(sampled_inputs.inputs, scope))
        return {"rows": rows, "compose_s": composed, "total_s": time.perf_counter() - started - composed}

    return asyncio.run(work())


async def _write_sets(folder: Path, sets: Sequence[SteeredSet]) -> int:
    """Compose and write the steered sets alone, as the build does."""
    from offtraj.build.assemble import steered_config
    from offtraj.dataset.shards import write_shards

    total = 0
    for one in sets:
        config = steered_config(one)
        shards = await write_shards(folder / "alone", "test", config.schema, config.batches)
        total += sum(shard.rows for shard in shards)
    return total


def _write(folder: Path) -> dict[str, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.read_table(path) for path in sorted((folder / "alone").glob("*.parquet"))])
    started = time.perf_counter()
    pq.write_table(table, folder / "again.parquet", compression="zstd")
    write = time.perf_counter() - started
    rows = table.slice(0, 10_000).to_pylist()
    started = time.perf_counter()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "rows.parquet", compression="zstd")
    convert = (time.perf_counter() - started) * table.num_rows / len(rows)
    return {"rows": table.num_rows, "write_s": write, "convert_s": convert, "mb": table.nbytes / 2**20}


def _check(folder: Path) -> dict[str, float]:
    from offtraj.check.check import check
    from offtraj.dataset.folder import open_folder
    from offtraj.grading.domains import find_domain
    from offtraj.grading.opening import open_grader
    from offtraj.store import Store

    async def work() -> dict[str, float]:
        started = time.perf_counter()
        data = open_folder(str(folder / "set"))
        with Store(folder / "texts.sqlite") as store:
            async with open_grader(find_domain(data.spec.spec.domain), store=store) as grader:
                found = await check(data, spec=data.spec, store=store, grader=grader)
        assert not found.problems, found.problems[0]
        return {"seconds": time.perf_counter() - started}

    return asyncio.run(work())


def _read(folder: Path) -> dict[str, float]:
    """The same files with pyarrow: as tables, and as Python values."""
    import pyarrow.parquet as pq

    started = time.perf_counter()
    tables = [pq.read_table(path) for path in sorted((folder / "set").glob("*/*.parquet"))]
    read = time.perf_counter() - started
    started = time.perf_counter()
    for table in tables:
        for batch in table.to_batches(max_chunksize=256):
            batch.to_pylist()
    listed = read + time.perf_counter() - started
    return {"read_s": read, "list_s": listed, "mb": sum(table.nbytes for table in tables) / 2**20}


if __name__ == "__main__":
    main()
