"""What asking a server costs: against a bare loop at a real vLLM, and against other harnesses at a server that is instant.

    python benchmarks/engine.py server --vllm-python PATH/TO/VENV/bin/python
    python benchmarks/engine.py client memory --peers FOLDER

`server`: the wall time of a run over that of a bare loop of aiohttp, which sends all of the same requests (token ids, n,
seed, max_tokens) at once and reads the answers; and the hits of the server's prefix cache during the run over what the
requests allow. The rows are of a set that is built from a pocket model there; the arms alternate, each with an empty
prefix cache and an empty workspace, and medians are given. `generate` is from the first request to the last graded
answer; `whole` is the process, with its start, outcomes and scores.

`client`: processor time of `offtraj run`, lm-evaluation-harness and inspect_ai, each the whole process in an environment
of its own that is made in FOLDER, over the same questions, answered at once by a server in another process, with 8 KB.
A run checks the ids that the server saw, keeps every completion and verdict in the store, and grades; the others score
with a pattern and an equality. The start is the same with one question.

`memory`: the peak of `offtraj run` over more and more rows.

What it does not measure: `--engine transformers`, and how exact prompts are (tests do).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from peers import Cost, inspect_ai, install, lm_eval, measure
from prefix_cache import most_hits
from vllm_server import forget, metric, vllm

QUICKSTART = Path(__file__).resolve().parents[1] / "specs" / "quickstart"


MODEL = QUICKSTART / "models" / "sturdy"
ASK_AGAIN = 3  # completions of each row at the real server: one request
REAL = """\
name: server
version: 1.0.0
prompt: "{{question}}"
benchmarks:
  - {{id: pocket, source: {{file: {questions}}}, columns: {{id: id, question: question, answer: answer}}, limit: {limit}}}
engines:
  server: {{kind: openai, base_url: "${{SERVER}}"}}
models:
  - {{id: sturdy, path: {model}, engine: server}}
sampling: {{samples: 4, temperature: 0.8, top_p: 1.0, max_tokens: 768}}
tests:
  recoverability: {{trajectories: {trajectories}, distractors: 30, subsets: [individual], samples: {samples}}}
"""
MADE = """\
name: loopback
version: 1.0.0
prompt: "{{question}}"
benchmarks:
  - {{id: sums, source: {{file: questions.jsonl}}}}
engines:
  tape: {{kind: recorded, files: [traces.jsonl]}}
models:
  - {{id: recorded, engine: tape, recorded_as: M, path: {model}}}
sampling: {{samples: 1}}
tests:
  recoverability: {{trajectories: {trajectories}, subsets: [individual]}}
"""
POSITIONS = 5


def main() -> None:
    """Measure, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="server|client|memory", help="[default: all]")
    parser.add_argument("--vllm-python", type=Path, help="the interpreter that has vLLM")
    parser.add_argument("--peers", type=Path, help="where the other harnesses are installed, or are to be")
    parser.add_argument("--repeats", type=int, default=3, help="of each arm; medians are given")
    parser.add_argument("--rows", type=int, default=900, help="at the real server, each asked for 3 completions")
    parser.add_argument("--questions", type=int, default=1_000, help="at the instant server")
    parser.add_argument("--memory-rows", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--log", type=Path, default=Path("vllm.log"))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(asyncio.run(bare(arguments.child.read_bytes(), arguments.what[0]))))
        return
    measurements = {"server": server, "client": client, "memory": memory}
    for what in arguments.what or list(measurements):
        if what not in measurements:
            parser.error(f"{what!r}: expected one of {', '.join(measurements)}")
        with tempfile.TemporaryDirectory() as name:
            print(f"\n{what}; load before it {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n", flush=True)
            measurements[what](arguments, Path(name))


class Run(NamedTuple):
    """One run at the real server."""

    generate: float
    """Seconds from the first request to the last graded answer; of the bare loop, to the last answer."""
    whole: float
    """Seconds of the process."""
    tokens: int
    """Generated."""
    hits: float
    """Tokens that the prefix cache served."""
    queries: float
    """Tokens that were looked up in it."""


def server(arguments: argparse.Namespace, folder: Path) -> None:
    """Against a bare loop at a real vLLM."""
    if arguments.vllm_python is None:
        raise SystemExit("server: say --vllm-python")
    extra = ["--enable-prefix-caching", "--block-size", "32"]
    with vllm(arguments.vllm_python, MODEL, arguments.log, extra) as address:
        os.environ["SERVER"] = address
        trajectories = arguments.rows // POSITIONS
        questions = QUICKSTART / "questions.jsonl"
        spec = REAL.format(
            questions=questions,
            model=MODEL,
            limit=max(30, trajectories // 2),
            trajectories=trajectories,
            samples=ASK_AGAIN,
        )
        (folder / "spec.yaml").write_text(spec)
        offtraj(folder, "build", "spec.yaml", "--out", "set")
        bodies = write_bodies(folder)
        block = int(metric(address, 'block_size="'))
        arms: dict[str, list[Run]] = {"run": [], "loop": []}
        for repeat in range(arguments.repeats):
            # Ours first, then the other first: what changes with time is shared.
            for arm in sorted(arms, reverse=repeat % 2 == 0):
                arms[arm].append(at_server(arm, folder, address, repeat))
                print(f"{arm}: {arms[arm][-1]}", file=sys.stderr, flush=True)
        answered, waited = len(bodies), sum(body.get("n", 1) for body in bodies)
        best, queries = most_hits([(body["prompt"], body.get("n", 1)) for body in bodies], block)
    ours, theirs = arms["run"], arms["loop"]
    generate, whole = (
        [statistics.median(getattr(run, name) for run in arm) for arm in (ours, theirs)] for name in Run._fields[:2]
    )
    hits = statistics.median(run.hits / run.queries for run in ours)
    print(
        f"{answered:,} requests of {queries // waited:,} ids on average, {waited:,} completions, "
        f"{ours[0].tokens:,} and {theirs[0].tokens:,} tokens; medians of {arguments.repeats}\n\n"
        "| | `offtraj run` | bare loop | ratio |\n| --- | ---: | ---: | ---: |\n"
        f"| generate and grade | {generate[0]:.1f} s | {generate[1]:.1f} s | {generate[0] / generate[1]:.3f} |\n"
        f"| whole process | {whole[0]:.1f} s | {whole[1]:.1f} s | {whole[0] / whole[1]:.3f} |\n\n"
        f"| prefix cache, blocks of {block} | share |\n| --- | ---: |\n| served during our run | {hits:.3f} |\n"
        f"| during the loop | {statistics.median(run.hits / run.queries for run in theirs):.3f} |\n"
        f"| allowed by the requests | {best / queries:.3f} |\n| ours over allowed | {hits * queries / best:.3f} |",
        flush=True,
    )


def at_server(arm: str, folder: Path, address: str, repeat: int) -> Run:
    """One arm, from an empty prefix cache."""
    forget(address)
    names = ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total", "vllm:generation_tokens_total")
    before = [metric(address, name) for name in names]
    started = time.monotonic()
    if arm == "run":
        out = f"out-{repeat}"
        offtraj(folder, "run", "set", "--model", "sturdy", "--workspace", f"{out}.store", "--out", out)
        generate = json.loads((folder / out / "run.json").read_text())["timing"]["seconds"]
    else:
        command = [sys.executable, __file__, address, "--child", str(folder / "bodies.jsonl")]
        generate = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    whole = time.monotonic() - started
    hits, queries, tokens = (metric(address, name) - was for name, was in zip(names, before, strict=True))
    return Run(generate, whole, int(tokens), hits, queries)


async def bare(bodies: bytes, address: str) -> float:
    """Seconds that a loop takes which does nothing but ask."""
    import aiohttp

    lines = bodies.splitlines()
    headers = {"Content-Type": "application/json"}

    async def ask(session: aiohttp.ClientSession, body: bytes) -> None:
        async with session.post(f"{address}/completions", data=body, headers=headers) as response:
            response.raise_for_status()
            json.loads(await response.read())

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        started = time.monotonic()
        await asyncio.gather(*(ask(session, line) for line in lines))
        return time.monotonic() - started


def write_bodies(folder: Path) -> list[dict[str, Any]]:
    """The requests of a run on the set, as they are sent, one a line."""
    from offtraj.dataset.folder import open_folder
    from offtraj.engines.openai.wire import write_body
    from offtraj.engines.sampler import request_key
    from offtraj.model.completion import Request, SamplingParams
    from offtraj.model.model import load_model
    from offtraj.model.prompt import fill_template
    from offtraj.run.row import read_rows

    data = open_folder(str(folder / "set"))
    spec, sampling = data.spec.spec, data.spec.spec.sampling
    model = load_model(data.spec, spec.models[0])
    assert model.format is not None
    params = SamplingParams(sampling.temperature, sampling.top_p, sampling.max_tokens, spec.seed)
    bodies = []
    for row in read_rows(data.files("recoverability--sturdy")):
        (prompt,) = model.format.steered([(fill_template(spec.prompt or "", row.question), row.prefix)])
        key = request_key(model.identity, row.id, prompt, params)
        request = Request(key, row.id, prompt, tuple(range(ASK_AGAIN)), params)
        _, body = write_body("ids", "sturdy", prompt, params, samples=ASK_AGAIN, seed=request.seed)
        bodies.append(body)
    (folder / "bodies.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return bodies


def client(arguments: argparse.Namespace, folder: Path) -> None:
    """Against other harnesses, at a server that answers at once."""
    if arguments.peers is None:
        raise SystemExit("client: say --peers")
    make_set(folder, arguments.questions, tokens=1_400)
    questions = write_questions(folder)
    with loopback(8_000) as address:
        arms: dict[str, tuple[str, Callable[[int], tuple[list[str], dict[str, str]]]]] = {
            "offtraj": ("offtraj", partial(our_arguments, folder, address)),
            "lm-evaluation-harness, token ids": (
                "lm_eval_tokens",
                partial(lm_eval, folder, questions, address, MODEL),
            ),
            "lm-evaluation-harness, text": ("lm_eval", partial(lm_eval, folder, questions, address, None)),
            "inspect_ai, chat": ("inspect_ai", partial(inspect_ai, folder, questions, address)),
        }
        pythons = {name: install(name, arguments.peers.resolve()) for name, _ in arms.values()}
        costs: dict[tuple[str, int], list[Cost]] = {}
        for repeat in range(-1, arguments.repeats):
            for arm, (peer, argued) in arms.items():
                for asked in (1, arguments.questions) if repeat >= 0 else (1,):  # once for what is compiled and cached
                    command, environment = argued(asked)
                    found = measure(pythons[peer], command, folder, environment)
                    if repeat >= 0:
                        costs.setdefault((arm, asked), []).append(found)
                    print(f"{arm}, {asked}: {found}", file=sys.stderr, flush=True)

    def median(arm: str, asked: int, of: Callable[[Cost], float]) -> float:
        return statistics.median(map(of, costs[arm, asked]))

    print(
        f"processor time, {arguments.questions:,} questions; medians of {arguments.repeats}\n\n"
        "| client | start | whole process | with its children | over ours | peak memory |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    ours = median("offtraj", arguments.questions, lambda cost: cost.process + cost.children)
    for arm in arms:
        start, process, total, peak = (
            median(arm, 1, lambda cost: cost.process + cost.children),
            median(arm, arguments.questions, lambda cost: cost.process),
            median(arm, arguments.questions, lambda cost: cost.process + cost.children),
            median(arm, arguments.questions, lambda cost: cost.peak_mb),
        )
        print(
            f"| {arm} | {start:.1f} s | {process:.1f} s | {total:.1f} s | {total / ours:.2f} × | {peak:,.0f} MB |",
            flush=True,
        )


def memory(arguments: argparse.Namespace, folder: Path) -> None:
    """The peak over more and more rows."""
    print("| rows | peak memory | processor time |\n| ---: | ---: | ---: |")
    peaks = []
    for rows in arguments.memory_rows:
        there = folder / str(rows)
        there.mkdir()
        make_set(there, rows, tokens=100)
        with loopback(200) as address:
            command, environment = our_arguments(there, address, rows)
            environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
            cost = measure(Path(sys.executable), command, there, environment)
        peaks.append(cost.peak_mb)
        print(f"| {rows:,} | {cost.peak_mb:,.0f} MB | {cost.process:,.1f} s |", flush=True)
    print(f"\nlargest over smallest: {max(peaks) / min(peaks):.2f}")


def our_arguments(folder: Path, address: str, rows: int) -> tuple[list[str], dict[str, str]]:
    """A run on the made-up set, in a new workspace each time."""
    place = tempfile.mkdtemp(dir=folder)
    arguments = [
        "offtraj", "run", "set", "--model", str(MODEL), "--on", "recorded", "--engine", address, "--limit", str(rows),
        "--workspace", f"{place}/store", "--out", f"{place}/out",
    ]  # fmt: skip
    return arguments, {"HF_HUB_OFFLINE": "1"}


def make_set(folder: Path, rows: int, *, tokens: int) -> None:
    """A recoverability set of made-up trajectories of so many tokens of the model."""
    (folder / "spec.yaml").write_text(MADE.format(model=MODEL, trajectories=rows // POSITIONS))
    with (folder / "questions.jsonl").open("w") as questions, (folder / "traces.jsonl").open("w") as traces:
        for at in range(rows // POSITIONS):
            answer = str(at % 10) if at % 4 else f"{at % 10} + x"
            question = {
                "id": f"q{at}",
                "question": f"Ben has {at} cookies. In May he gets 8. How many?",
                "answer": answer,
            }
            questions.write(json.dumps(question) + "\n")
            events = (f"In May Ben gets {at % 9}, so {n} + {at % 9} = {n + at % 9}. " for n in range(tokens // 14))
            response = f"<think>\n{''.join(events)}\n</think>\n\n\\boxed{{{answer}}}"
            trace = {"question_id": f"q{at}", "model": "M", "sample": 0, "response": response}
            traces.write(json.dumps(trace) + "\n")
    offtraj(folder, "build", "spec.yaml", "--out", "set")


def write_questions(folder: Path) -> Path:
    """The prompts of the set as questions for others."""
    from offtraj.dataset.folder import open_folder
    from offtraj.model.model import model_at
    from offtraj.run.row import read_rows

    model = model_at(str(MODEL))
    assert model.format is not None
    path = folder / "asked.jsonl"
    with path.open("w") as lines:
        for row in read_rows(open_folder(str(folder / "set")).files("recoverability--recorded")):
            (prompt,) = model.format.steered([(row.question, row.prefix)])
            lines.write(json.dumps({"input": prompt.text, "target": row.answer}) + "\n")
    return path


@contextmanager
def loopback(characters: int) -> Iterator[str]:
    """A server that answers at once, in a process of its own; its address."""
    command = [sys.executable, str(Path(__file__).with_name("loopback.py")), "--characters", str(characters)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"{process.stdout.readline().strip()}/v1"
    finally:
        process.terminate()
        process.wait()


def offtraj(folder: Path, *arguments: str) -> None:
    """The command line, in a folder."""
    command: Sequence[str] = [sys.executable, "-m", "offtraj", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {done.returncode}:\n{done.stdout[-3000:]}")


if __name__ == "__main__":
    main()
