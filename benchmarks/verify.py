"""How many verdicts a second, against math-verify called naively in one process, on the same answers.

    python benchmarks/verify.py [--sets aime traces hard] [--workers 2] [--differences FILE]

Three sets, from OFFTRAJ_DATA: `aime`, what models wrote after their thinking on AIME questions; `traces`, the
same on MATH-500, AIME and Minerva; `hard`, answers written to fool, stall or kill a verifier. Naively means
`verify(parse(f"${gold}$"), parse(response))`, in a child that is killed and started again where it hangs or dies.
Both sides are warm: imports and the start of worker processes are not counted. Rates are given by the clock,
and by processor time of all processes, which a busy machine does not change. Every pair on which they differ
is listed. What it does not measure: the store, and judges.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from offtraj.grading.math.answer import Answer
    from offtraj.grading.math.rule import Comparison

HANG = 60.0  # seconds after which the naive child is killed; its own time-outs are 5 s a step
SETS = ("aime", "traces", "hard")
AIME = ("aime24", "aime25")
TRACES = (*AIME, "math500", "minerva")


class Pair(NamedTuple):
    """A gold answer, and a response, or what follows its thinking."""

    gold: str
    response: str
    expected: object = None
    """`true`, `false` or `any` for answers with a label; none for others."""


class Timed(NamedTuple):
    """What one side said."""

    results: list[str]
    seconds: float
    """By the clock."""
    processor: float
    """Seconds of processor time, of all processes."""
    longest: float
    """Seconds between asking and the reply for the slowest answer."""
    peak_mb: float = 0.0


def main() -> None:
    """Measure, and print one table, then the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--differences", type=Path, help="write them here instead of printing them")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _serve_naively()
        return
    folder = os.environ.get("OFFTRAJ_DATA")
    if folder is None:
        parser.error("OFFTRAJ_DATA must name the folder that holds traces/ and verifier/")
    differences: list[str] = []
    print(
        f"{'set':<8}{'answers':>8}{'unique':>8}{'naive/s':>10}{'offtraj/s':>11}{'ratio':>8}{'naive/cpu':>11}{'offtraj/cpu':>12}{'ratio':>8}{'agree':>9}  notes"
    )
    for name in arguments.sets:
        pairs = list(_pairs(Path(folder), name))
        ours = asyncio.run(_offtraj(pairs, arguments.workers))
        naive = _naively(pairs)
        _report(name, pairs, ours, naive)
        differences += _differences(name, pairs, ours, naive)
    text = "\n".join(differences)
    if arguments.differences is not None:
        arguments.differences.write_text(text + "\n")
    else:
        print(f"\n{len(differences)} differences: set, gold, answer, naive, offtraj\n{text}")


def _report(name: str, pairs: list[Pair], ours: Timed, naive: Timed) -> None:
    agree = sum((a == "equal") == (b == "equal") for a, b in zip(ours.results, naive.results, strict=True))
    rates = [len(pairs) / timed.seconds for timed in (naive, ours)]
    work = [len(pairs) / timed.processor for timed in (naive, ours)]
    notes = [f"naive: {what} {count}" for what, count in Counter(naive.results).items() if what in ("hang", "crash")]
    undecided = Counter(result for result in ours.results if result not in ("equal", "different"))
    notes += [f"offtraj: {what} {count}" for what, count in undecided.most_common()]
    if name == "hard":
        notes += [f"{side}: {_accuracy(pairs, timed)}" for side, timed in (("naive", naive), ("offtraj", ours))]
    unique = len(set(pairs))
    print(
        f"{name:<8}{len(pairs):>8,}{unique:>8,}{rates[0]:>10,.0f}{rates[1]:>11,.0f}{rates[1] / rates[0]:>8.1f}"
        f"{work[0]:>11,.0f}{work[1]:>12,.0f}{work[1] / work[0]:>8.1f}{agree / len(pairs):>9.2%}  longest {naive.longest:.1f} s, {ours.longest:.1f} s; "
        f"peak {ours.peak_mb:,.0f} MB; {'; '.join(notes)}"
    )


def _accuracy(pairs: list[Pair], timed: Timed) -> str:
    accepted = Counter(pair.expected for pair, result in zip(pairs, timed.results, strict=True) if result == "equal")
    wanted = Counter(pair.expected for pair in pairs)
    return f"{accepted[True]} of {wanted[True]} right ones accepted, {accepted[False]} of {wanted[False]} wrong ones"


def _differences(name: str, pairs: list[Pair], ours: Timed, naive: Timed) -> Iterator[str]:
    seen = set()
    for pair, a, b in zip(pairs, ours.results, naive.results, strict=True):
        if (a == "equal") != (b == "equal"):
            answer = _answer(pair)
            shown = None if answer is None else answer.text[:100]
            line = f"{name}  {pair.gold[:60]!r}  {shown!r}  {b}  {a}"
            if line not in seen:
                seen.add(line)
                yield line


def _pairs(data: Path, name: str) -> Iterator[Pair]:
    from offtraj.model.trajectory import split

    if name == "hard":
        for line in (data / "verifier" / "hard_answers.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            yield Pair(row["gold"], row["answer"], row["expected"])
        return
    for path in sorted((data / "traces").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("gold") is None or "response" not in row:
                    continue
                if not str(row.get("question_id") or "").startswith(AIME if name == "aime" else TRACES):
                    continue
                answer = split(row["response"]).answer
                if answer.strip():
                    yield Pair(row["gold"], answer)


def _processor(process: psutil.Process) -> float:
    """Processor seconds that a process has used."""
    return sum(process.cpu_times()[:2]) if process.is_running() else 0.0


async def _offtraj(pairs: list[Pair], workers: int) -> Timed:
    from offtraj.grading.math.answer import Answer
    from offtraj.grading.math.pool import WorkerPool
    from offtraj.grading.math.rule import RuleVerifier

    verifier = RuleVerifier(WorkerPool(workers=workers))
    await asyncio.gather(*(verifier.compare(f"x+{n}", Answer(f"{n}+x", "boxed")) for n in range(4 * workers)))
    results = ["different"] * len(pairs)
    longest = 0.0

    async def algebra(at: int, answer: Answer) -> None:
        nonlocal longest
        async with limit:
            begun = time.perf_counter()
            results[at] = _said(await verifier.compare(pairs[at].gold, answer))
            longest = max(longest, time.perf_counter() - begun)

    _answer(pairs[0])  # its imports are not counted either
    children = psutil.Process().children()
    used, started = time.process_time() + sum(map(_processor, children)), time.perf_counter()
    # Of the hard ones each is timed by itself, without the queue before it.
    limit = asyncio.Semaphore(workers if any(pair.expected is not None for pair in pairs) else 256)
    async with asyncio.TaskGroup() as tasks:
        for at, pair in enumerate(pairs):
            answer = _answer(pair)
            if answer is None:
                continue
            found = verifier.fast_compare(pair.gold, answer)
            if found is not None:
                results[at] = _said(found)
            else:
                tasks.create_task(algebra(at, answer))
    seconds = time.perf_counter() - started
    processor = time.process_time() + sum(map(_processor, children)) - used
    await verifier.close()
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Timed(results, seconds, processor, longest, peaks[0] + workers * peaks[1])


def _answer(pair: Pair) -> Answer | None:
    from offtraj.grading.math.answer import find_answer
    from offtraj.model.trajectory import split

    if "</think>" in pair.response:  # a hard one
        return find_answer(split(pair.response).answer)
    return find_answer(pair.response)


def _said(comparison: Comparison) -> str:
    return comparison.reason if comparison.result == "undecided" else comparison.result


def _naively(pairs: list[Pair]) -> Timed:
    results: list[str] = []
    seconds = longest = processor = 0.0
    child = None
    for pair in pairs:
        if child is None:
            child = _child()
            used = _processor(psutil.Process(child.pid))
        begun = time.perf_counter()
        reply = _ask(child, pair)
        took = time.perf_counter() - begun
        seconds, longest = seconds + took, max(longest, took)
        results.append(reply)
        if reply == "crash":
            processor += took
        elif reply == "hang" or len(results) == len(pairs):
            processor += _processor(psutil.Process(child.pid)) - used
        if reply in ("hang", "crash") or len(results) == len(pairs):
            child.kill()
            child.wait()
            child = None
    return Timed(results, seconds, processor, longest)


def _child() -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--child"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    _ask(child, Pair("x+1", "$1+x$"))  # imports are not counted
    return child


def _ask(child: subprocess.Popen[bytes], pair: Pair) -> str:
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(json.dumps([pair.gold, pair.response]).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return "crash"
    if not select.select([child.stdout], [], [], HANG)[0]:
        return "hang"
    return child.stdout.readline().decode().strip() or "crash"


def _serve_naively() -> None:
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        gold, text = json.loads(line)
        print("equal" if verify(parse(f"${gold}$"), parse(text)) else "different", flush=True)


if __name__ == "__main__":
    main()
