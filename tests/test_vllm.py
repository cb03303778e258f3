"""A real vLLM: what it sees and writes, and what becomes of it when it, or we, are killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import psutil
import pyarrow.parquet as pq
import pytest
from support.vllm import ENGINE, ROOT, alive, gone, vllm_python

from offtraj.engines.kinds import open_engine
from offtraj.engines.vllm.command import vllm_command
from offtraj.engines.vllm.server import VllmServer
from offtraj.model.completion import Completion, Request, SamplingParams
from offtraj.model.model import model_at
from offtraj.spec import SpecFile, TransformersSpec, VllmSpec, load_spec

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow, pytest.mark.xdist_group("vllm")]

SPEC = """\
name: real
version: 1.0.0
seed: 0
prompt: "{question}"
benchmarks:
  - {id: pocket, source: {file: questions.jsonl}, limit: 40}
engines:
  gpu: ENGINE
models:
  - {id: leaky, path: leaky, engine: gpu}
sampling: {samples: 4, temperature: 0.8, top_p: 1.0, max_tokens: 400}
tests:
  recoverability: {positions: [0, 0.4], trajectories: 10, distractors: 10, subsets: [individual]}
"""


@pytest.fixture(scope="session")
def python() -> Path:
    found = vllm_python()
    if found is None:
        pytest.skip("no vLLM: `make vllm`, or name an interpreter that has it in OFFTRAJ_VLLM_PYTHON")
    return found


@pytest.fixture(scope="module")
def folder(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, its questions, and a model whose own defaults of sampling would spoil every result."""
    folder = tmp_path_factory.mktemp("vllm")
    quickstart = ROOT / "specs" / "quickstart"
    shutil.copy(quickstart / "questions.jsonl", folder)
    shutil.copytree(quickstart / "models" / "weak", folder / "leaky")
    config = folder / "leaky" / "generation_config.json"
    spoiling = {"do_sample": True, "top_k": 1, "repetition_penalty": 1.5, "temperature": 1.7}
    config.write_text(json.dumps({**json.loads(config.read_text()), **spoiling}))
    (folder / "vllm.yaml").write_text(SPEC.replace("ENGINE", ENGINE).replace("PYTHON", str(python)))
    return folder


@pytest.fixture(scope="module")
def file(folder: Path) -> SpecFile:
    return load_spec(folder / "vllm.yaml")


@pytest.fixture(scope="module")
def server(folder: Path, file: SpecFile) -> Iterator[VllmServer]:
    """A server that many tests ask."""
    spec = file.spec.engines["gpu"]
    assert isinstance(spec, VllmSpec)
    server = VllmServer(vllm_command(spec, model_at(str(folder / "leaky")), file), start_timeout=300)
    asyncio.run(server.start())
    try:
        yield server
    finally:
        asyncio.run(server.close())


def ask(server: VllmServer, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    with urlopen(HttpRequest(server.base_url + path, data, headers), timeout=120) as answer:
        return json.load(answer)


@contextmanager
def offtraj(folder: Path, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command as a user types it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "offtraj", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], seconds: float = 300.0) -> str:
    """What it says, when it has done what it should."""
    _, text = process.communicate(timeout=seconds)
    assert process.returncode == 0, text
    return text


def until(what: Callable[[], Any], seconds: float = 240.0) -> Any:
    """What it gives, as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


def stored(workspace: Path) -> int:
    """Completions in a workspace."""
    path = workspace / "store.sqlite"
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.OperationalError:  # it is just being made
        return 0


def below(process: subprocess.Popen[str], name: str) -> list[int]:
    """Descendants of that name, or called with it; not the supervisor, which is called with what it calls."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            words = " ".join([child.name(), *child.cmdline()])
            if name in words and "supervisor.py" not in words:
                found.append(child.pid)
    return found


def shared_memory(processes: list[int]) -> set[Path]:
    """What they share that has a name: it outlives them, unless somebody sees to it."""
    found: set[str] = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a probe of theirs that has ended meanwhile
            found |= {mapped.path for mapped in psutil.Process(process).memory_maps()}
    return {Path(path) for path in found if path.startswith("/dev/shm/") and Path(path).exists()}


def trajectories(data: Path) -> dict[tuple[str, int], str]:
    (path,) = (data / "trajectories--leaky").glob("*.parquet")
    return {
        (row["question_id"], row["sample"]): row["opening"] + row["thinking"] + row["closing"] + row["answer"]
        for row in pq.read_table(path).to_pylist()
    }


def test_it_sees_the_ids_that_were_sent_and_the_context_that_is_needed(server: VllmServer, folder: Path) -> None:
    model = model_at(str(folder / "leaky"))
    assert model.format is not None
    (prompt,) = model.format.steered([("How many apples?", "Okay, this is  about\n\nWait. Let me think\n")])
    body = {"model": "leaky", "prompt": list(prompt.ids), "max_tokens": 5, "return_token_ids": True}
    answer = ask(server, "/completions", body)
    assert tuple(answer["choices"][0]["prompt_token_ids"]) == prompt.ids
    (listed,) = ask(server, "/models")["data"]
    assert (listed["id"], listed["max_model_len"]) == ("leaky", 400)


async def test_nothing_of_the_models_own_defaults_gets_into_the_sampling(server: VllmServer, folder: Path) -> None:
    """Nor when a request does not say so itself."""
    model = model_at(str(folder / "leaky"))
    assert model.format is not None
    lines = (folder / "questions.jsonl").read_text().splitlines()[:5]
    greedy = SamplingParams(temperature=0.0, top_p=1.0, max_tokens=300, seed=0)
    prompts = [model.format.solo(json.loads(line)["question"]) for line in lines]
    requests = [Request(str(n), str(n), prompt, (0,), greedy) for n, prompt in enumerate(prompts)]
    engine = await open_engine(TransformersSpec(kind="transformers", dtype="float32", device="cpu"), model)
    ours = {}
    async for reply in engine.replies(requests):
        assert isinstance(reply.result, Completion)
        ours[reply.request.key] = reply.result.text
    await engine.close()
    for number, prompt in enumerate(prompts):
        left = 300 - len(prompt.ids)
        body = {"model": "leaky", "prompt": list(prompt.ids), "max_tokens": left, "temperature": 0}
        answer = ask(server, "/completions", {**body, "skip_special_tokens": False})
        assert answer["choices"][0]["text"] == ours[str(number)]


@pytest.fixture(scope="module")
def undisturbed(server: VllmServer, folder: Path) -> Path:
    """What the spec makes, from the same server as one that somebody else has started."""
    theirs = f"{{kind: openai, base_url: {server.base_url}, api_key_env: OFFTRAJ_TEST_KEY}}"
    (folder / "openai.yaml").write_text(SPEC.replace("ENGINE", theirs))
    command = ("build", "openai.yaml", "--out", "undisturbed", "--workspace", "openai")
    with offtraj(folder, *command, OFFTRAJ_TEST_KEY=server.key) as building:
        said(building)
    return folder / "undisturbed"


@pytest.fixture(scope="module")
def disturbed(undisturbed: Path, folder: Path) -> tuple[Path, str]:
    """What the spec makes with a server of our own that is killed twice meanwhile, and what was said of it."""
    with offtraj(folder, "build", "vllm.yaml", "--out", "disturbed", "--workspace", "own") as building:

        def wait_for_more() -> None:
            seen = stored(folder / "own")
            until(lambda: stored(folder / "own") > seen + 5 or building.poll() is not None)

        wait_for_more()
        # The front, of which the engine behind it does not take note; then the engine, as when memory runs out.
        psutil.Process(*below(building, "vllm.entrypoints")).kill()
        wait_for_more()
        psutil.Process(*below(building, "EngineCore")).kill()
        return folder / "disturbed", said(building)


def test_a_server_that_is_killed_in_the_middle_changes_nothing(undisturbed: Path, disturbed: tuple[Path, str]) -> None:
    data, text = disturbed
    assert text.count("starting vLLM for 'leaky': 1 s") == 3
    assert trajectories(data) == trajectories(undisturbed)
    assert len(trajectories(data)) == 160
    steered = "recoverability--leaky"
    assert pq.read_table(data / steered) == pq.read_table(undisturbed / steered)


def test_a_run_sees_exactly_what_it_is_given_and_the_next_starts_nothing(
    disturbed: tuple[Path, str], folder: Path
) -> None:
    data, _ = disturbed
    command = ("run", data, "--model", "leaky", "--workspace", "own", "--out", "scored")
    for starts in (1, 0):
        with offtraj(folder, *command) as running:
            assert said(running).count("starting vLLM for 'leaky': 1 s") == starts
    outcomes = pq.read_table(folder / "scored" / "outcomes.parquet").to_pylist()
    assert len(outcomes) == 20
    assert {outcome["exactness"] for outcome in outcomes} == {"ids"}
    assert all(outcome["completion"] for outcome in outcomes)


def test_the_doctor_looks_at_a_server_of_ours_and_finds_it_exact(folder: Path) -> None:
    with offtraj(folder, "doctor", "vllm.yaml", "--model", "leaky") as examining:
        found, text = examining.communicate(timeout=300)
        assert examining.returncode == 0, found + text
    assert "leaky with gpu: exact" in found
    assert "starting vLLM for 'leaky'" in text


@pytest.mark.parametrize("moment", ["starting", "serving"])
def test_nothing_is_left_when_we_are_killed(folder: Path, moment: str) -> None:
    workspace = f"killed-{moment}"
    with offtraj(folder, "build", "vllm.yaml", "--out", "killed", "--workspace", workspace) as building:
        if moment == "starting":
            until(lambda: below(building, "EngineCore"))
        else:
            until(lambda: stored(folder / workspace) > 5)
        family = [child.pid for child in psutil.Process(building.pid).children(recursive=True)]
        assert len(alive(family)) >= 4  # the supervisor, the front, its tracker, the engine
        held = shared_memory(family)
        assert held or moment == "starting"
        building.kill()
    assert gone(family, 60)
    assert not [path for path in held if path.exists()]
