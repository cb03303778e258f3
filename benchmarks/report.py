"""Time to write a report's page, time until it can be used, and the writer's memory.

    python benchmarks/report.py [--outcomes 100 1000 10000] [--characters 100000]

Makes a data set and a run with that many outcomes, each with a continuation of that many characters (real reasoning
from OFFTRAJ_DATA, repeated, or generated sentences) behind a prefix of a fifth of that. The page is written in a process
of its own, whose peak resident set is the memory that is reported, and opened from disk in Chromium (on the path, or
`OFFTRAJ_BROWSER`) with an empty cache. *Usable* is the time until list, filters and first trajectory are shown; *a row*
is the median time from one trajectory to another, over 50 rows of the list. Needs disk space: 10,000 outcomes of 100,000
characters take about 2 GB during the run.
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
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

POSITIONS = (0.0, 0.2, 0.4, 0.6, 0.8)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--child", choices=["make", "write"], help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        started = time.perf_counter()
        if arguments.child == "make":
            asyncio.run(_make(arguments.folder, arguments.outcomes[0], arguments.characters))
        else:
            _write(arguments.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak}))
        return
    print("| outcomes | write | MB/s | peak memory | page | texts | usable | a row |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for outcomes in arguments.outcomes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sizes = ["--outcomes", str(outcomes), "--characters", str(arguments.characters)]
            _child("make", folder, *sizes)
            written = _child("write", folder)
            page = (folder / "report.html").stat().st_size / 1e6
            texts = sum(path.stat().st_size for path in (folder / "report_data").iterdir()) / 1e6
            usable, row = _open(folder / "report.html")
        print(
            f"| {outcomes:,} | {written['seconds']:.1f} s | {texts / written['seconds']:.0f} | {written['peak_mb']:.0f} MB "
            f"| {page:.1f} MB | {texts:,.0f} MB | {usable:.2f} s | {row:.0f} ms |",
            flush=True,
        )


def _child(kind: str, folder: Path, *arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments, "--child", kind, "--", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


async def _make(folder: Path, outcomes: int, characters: int) -> None:
    """A data set of one configuration, and a run on it."""
    from offtraj.dataset.folder import Config, Description, write_folder
    from offtraj.dataset.manifest import Manifest, ModelEntry
    from offtraj.evaluate.run_folder import write_run
    from offtraj.grading.verdict import Verdict
    from offtraj.model.completion import Completion
    from offtraj.run.outcome import Outcome, outcome_of
    from offtraj.run.record import RunRecord
    from offtraj.run.row import Segment, SteeredRow, row_schema, rows_to_batch
    from offtraj.spec.file import parse_spec
    from offtraj_builders.composition import compose, row_id

    spec = parse_spec(
        "name: benchmark\nversion: 1.0.0\nbenchmarks:\n  - {id: sums, source: {file: questions.jsonl}}\n"
        "engines:\n  tape: {kind: recorded, files: [traces.jsonl]}\n"
        "models:\n  - {id: model, engine: tape, recorded_as: M, tokenizer: words}\n"
        "tests:\n  recoverability: {subsets: [individual]}\n",
        folder / "spec.yaml",
    )

    def row(number: int, text: str) -> SteeredRow:
        position = POSITIONS[number % len(POSITIONS)]
        own, steer = text[: int(position * 0.2 * characters)], text[: characters // 20]
        segments = (
            Segment("own", own, "model", f"q{number // 5}", 0, 0, len(own), len(own) // 4),
            Segment("transition", "\nWait. Let me think\n"),
            Segment("steer", steer, "model", "q0", 1, 0, len(steer), len(steer) // 4),
        )
        values: dict[str, Any] = {
            "id": row_id("recoverability", "default", "model", f"q{number}", position, 0.2, segments),
            "test": "recoverability", "variant": "default", "subsets": ("individual",), "benchmark": "sums",
            "question_id": f"q{number // 5}", "question": f"What is {number // 5} + 1?", "answer": str(number),
            "model": "model", "model_revision": None, "position": position, "ratio": 0.2, "segments": segments,
            "prefix": compose(segments), "prefix_tokens": 9, "prompt_sha256": None, "solved": 1 + number % 8,
            "sampled": 8, "reveals_answer": False,
        }  # fmt: skip
        return SteeredRow(**{field.name: values[field.name] for field in fields(SteeredRow)})

    def rows() -> Iterator[tuple[SteeredRow, str]]:
        for number, text in zip(range(outcomes), _texts(characters), strict=False):
            yield row(number, text), text

    schema = row_schema()

    async def batches() -> AsyncIterator[Any]:
        waiting: list[SteeredRow] = []
        for made, _ in rows():
            waiting.append(made)
            if len(waiting) == 64:
                yield rows_to_batch(waiting, schema)
                waiting = []
        yield rows_to_batch(waiting, schema)

    def describe(_: Path, files: Any) -> Description:
        entry = ModelEntry(
            revision="0", lengths="words", questions=8, samples=64, solve_rates={"4/8": 4, "8/8": 4}, verdicts={}
        )
        manifest = Manifest(
            name="benchmark", version="1.0.0", domain="math", seed=0, spec_sha256="0", limit=None, made_with={},
            verifier="", benchmarks={"sums": outcomes}, dropped_questions=(), models={"model": entry}, counts=(), files=files,
        )  # fmt: skip
        return Description(manifest, "", None)

    await write_folder(
        folder / "data" / "benchmark-1.0.0",
        spec,
        [Config("recoverability--model", "test", schema, batches())],
        describe,
    )

    async def made() -> AsyncIterator[Outcome]:
        for number, (one, text) in enumerate(rows()):
            verdict = Verdict("correct" if number % 3 else "incorrect", "rule", "boxed")
            completion = Completion(f"{text}\n</think>\nThe answer is \\boxed{{{number}}}.", "stop", 9, len(text) // 4)
            yield outcome_of(one, 0, completion, verdict, exactness="ids", prefix_tokens=9)

    info = {
        "data": {
            "name": "benchmark", "version": "1.0.0", "spec_sha256": "0", "configs": ["recoverability--model"]
        },
        "model": {"id": "model"}, "engine": {"kind": "recorded"}, "sampling": {"samples": 1},
        "think": {"open": "<think>\n", "close": "</think>"}, "judge": None,
    }  # fmt: skip
    await write_run(folder / "runs" / "run", RunRecord.model_validate_json(json.dumps(info)), made())


def _texts(characters: int) -> Iterator[str]:
    """Reasoning texts of so many characters, all different."""
    sources = itertools.cycle(list(_thinkings()))
    for number in itertools.count():
        text = f"Attempt {number}.\n\n"
        while len(text) < characters:
            text += next(sources) + "\n\n"
        yield text[:characters]


def _thinkings() -> Iterator[str]:
    data = os.environ.get("OFFTRAJ_DATA")
    if data is None:
        rng = random.Random(0)
        words = ["so", "then", "we", "get", r"\( x^2 < 3 \)", "which", "is", "3.14", "and", "that", "holds"]
        for _ in range(200):
            yield "\n\n".join(" ".join(rng.choices(words, k=12)).capitalize() + "." for _ in range(150))
        return
    with gzip.open(Path(data) / "traces" / "math500_atts_self.jsonl.gz", "rt") as lines:
        for line in lines:
            yield json.loads(line)["response"].partition("</think>")[0]


def _write(folder: Path) -> None:
    from offtraj.evaluate.run_folder import read_run
    from offtraj.evaluate.scored_run import score_runs
    from offtraj.report.html.page import write_page

    write_page(score_runs([read_run(folder / "runs" / "run")]), folder / "report.html")


def _open(html: Path) -> tuple[float, float]:
    """Seconds until the page can be used (median of five), and milliseconds from one row to another."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("OFFTRAJ_BROWSER") or next(filter(None, map(shutil.which, NAMES)))
    usable, rows = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(5):
            with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
                page = context.new_page()
                started = time.perf_counter()
                page.goto(html.as_uri(), wait_until="commit")
                page.wait_for_selector("#row[data-row]")
                page.evaluate("new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))")
                usable.append(time.perf_counter() - started)
                rows += page.evaluate(
                    """async () => {
                      const ids = JSON.parse(document.getElementById("index").textContent).columns.id;
                      const took = [];
                      for (let at = 1; at <= 10; at += 1) {
                        const id = ids[Math.floor((at * ids.length) / 11)];
                        const started = performance.now();
                        location.hash = `row=${id}`;
                        while (document.getElementById("row").dataset.row !== id) await new Promise(requestAnimationFrame);
                        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
                        took.push(performance.now() - started);
                      }
                      return took;
                    }"""
                )
        browser.close()
    return statistics.median(usable), statistics.median(rows)


if __name__ == "__main__":
    main()
