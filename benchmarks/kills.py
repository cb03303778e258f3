"""What becomes of a build and a run that are killed (`kill -9`) at random moments, and continued, through bad weather.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--rate 0.15]

A small benchmark is sampled from a server on the loopback interface through a proxy that disturbs a share of the
requests: it hangs, refuses, cuts, garbles, restarts. A build and a run are killed up to ten times, then let be done, and
held against an undisturbed pair; so on, until there were as many kills as asked for. The workspace is read after each
kill, and every later request held against it: a sample that was stored must never be asked for again. Needs what the
tests need.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.background import in_background
from support.disturbed import answering, results, write_disturbed
from support.kills import Kill, asked_twice, kill_until_done, undisturbed
from support.models import make_model
from support.proxy import at_random, proxying
from support.server import serving

OPTIONS: dict[str, Any] = {"timeout": 2.0, "max_retries": 8, "max_wait": 20.0, "concurrency": 32}
ROUND = 10  # kills of one build and run


def main() -> None:
    """Kill, and print what came of it in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.15, help="share of the requests that are disturbed")
    arguments = parser.parse_args()
    started, moments = time.monotonic(), Random(arguments.seed)
    fell: Counter[str] = Counter()
    requests = needed = twice = failures = rounds = faults = 0
    parquet = scores = True

    def told(kill: Kill) -> None:
        fell[kill.where] += 1
        print(f"kill {fell.total()}: {kill.where}, {len(kill.stored)} samples stored", file=sys.stderr)

    with tempfile.TemporaryDirectory() as name, in_background(lambda: serving(answering())) as server:
        model, whole = make_model(Path(name) / "tiny-r1", "r1"), Path(name) / "whole"
        write_disturbed(whole, model, **OPTIONS)
        with in_background(lambda: proxying(server.base_url)) as proxy:
            normal = undisturbed(whole, proxy)
        expected = results(whole)
        while fell.total() < arguments.kills:
            folder, most = Path(name) / f"round-{rounds}", min(ROUND, arguments.kills - fell.total())
            write_disturbed(folder, model, **OPTIONS)
            weather = at_random(arguments.seed + rounds, arguments.rate)
            with in_background(lambda: proxying(server.base_url, plan=weather, latency=0.1)) as proxy:  # noqa: B023 - used at once
                became = kill_until_done(folder, proxy, moments, normal, most=most, told=told)
            found = results(folder)
            differ = [path for path in {*expected, *found} if expected.get(path) != found.get(path)]
            scores &= not any(path.startswith("runs/") for path in differ)
            parquet &= not any(path.startswith("data/") for path in differ)
            for path in differ:
                print(f"round {rounds}: {path} differs", file=sys.stderr)
            twice += len(asked_twice(proxy, became.kills))
            requests, needed = requests + len(proxy.completions), needed + normal.requests
            faults += sum(exchange.fault is not None for exchange in proxy.exchanges)
            failures, rounds = failures + len(became.failures), rounds + 1
    places = ", ".join(f"{where} {count}" for where, count in fell.most_common())
    print(
        f"{fell.total()} kills ({places}) in {rounds} builds and runs with {faults} faults: {requests} requests for "
        f"{needed} needed; stored samples asked for twice: {twice}; data set equal: {parquet}; run equal: {scores}; "
        f"commands that said to run them again: {failures}; {time.monotonic() - started:.0f} s"
    )
    if twice or not parquet or not scores:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
