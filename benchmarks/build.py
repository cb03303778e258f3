"""How fast steered sets are composed and written, and whether memory stays flat.

    python benchmarks/build.py [--rows 10000 100000]

Makes a recording of as many trajectories as the rows take (real ones from OFFTRAJ_DATA, repeated under
new questions, or made-up ones of their size), builds its recoverability set, and writes the same table
again with pyarrow alone, in the same run. Every measurement is a process of its own; memory is its peak
resident set. What it does not measure: sampling, and tokenizers (lengths are counted in words).
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
from collections.abc import Iterator
from pathlib import Path

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
    parser.add_argument("--child", choices=["build", "pyarrow"], help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "build":
        asyncio.run(_build(arguments.folder))
        return
    if arguments.child == "pyarrow":
        _write(arguments.folder)
        return
    print("rows     MB     rows/s   MB/s   over write_table   over from_pylist + write_table   whole build s   peak MB")
    peaks = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _generate(folder, rows // POSITIONS)
            ours, theirs = _child("build", folder), _child("pyarrow", folder)
        peaks.append(ours["peak_mb"])
        print(
            f"{ours['rows']:<8.0f} {theirs['mb']:<6.0f} {ours['rows'] / ours['compose_s']:<8.0f} "
            f"{theirs['mb'] / ours['compose_s']:<6.0f} {theirs['write_s'] / ours['compose_s']:<18.2f} "
            f"{theirs['convert_s'] / ours['compose_s']:<31.2f} {ours['total_s']:<15.1f} {ours['peak_mb']:.0f}"
        )
    if len(peaks) > 1:
        print(f"peak memory, largest over smallest: {max(peaks) / min(peaks):.2f}")


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


async def _build(folder: Path) -> None:
    from offtraj.dataset import write_dataset
    from offtraj.spec import load_spec
    from offtraj.store import Store
    from offtraj.verify import Grader, RuleVerifier
    from offtraj_builders import gather, select, steered_sets

    started = time.perf_counter()
    file = load_spec(folder / "spec.yaml")
    with Store(folder / "store.sqlite") as store:
        verifier = RuleVerifier()
        selection = select(file.spec)
        gathered = await gather(file, selection, store=store, grader=Grader(verifier, store))
        sets = steered_sets(gathered, selection)
        composing = time.perf_counter()
        rows = await _write_sets(folder, sets)
        composed = time.perf_counter() - composing
        await write_dataset(folder / "set", file, gathered, steered_sets(gathered, selection))
        await verifier.close()
    print(
        json.dumps(
            {
                "rows": rows,
                "compose_s": composed,
                "total_s": time.perf_counter() - started - composed,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


async def _write_sets(folder: Path, sets: list[object]) -> int:
    """Compose and write the steered sets alone, as the build does."""
    from offtraj.dataset import steered_config
    from offtraj.publishing.shards import write_shards

    total = 0
    for one in sets:
        config = steered_config(one)  # type: ignore[arg-type]
        total += sum(
            shard.rows for shard in await write_shards(folder / "alone", "test", config.schema, config.batches)
        )
    return total


def _write(folder: Path) -> None:
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
    print(json.dumps({"rows": table.num_rows, "write_s": write, "convert_s": convert, "mb": table.nbytes / 2**20}))


if __name__ == "__main__":
    main()
