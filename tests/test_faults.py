"""What a network, a server, a disk and an impatient user do to a build and a run, and that nothing comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.background import in_background
from support.disturbed import BUILD, COMMAND, RUN, answering, asked, results, stored, write_disturbed
from support.proxy import FAULTS, SURVIVED, Exchange, Fault, Proxy, at_random, calm, proxying, scheduled
from support.server import CompletionServer, serving

from offtraj.engines.kinds import open_engine
from offtraj.engines.sampler import request_key
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Failure, Reply, Request, SamplingParams
from offtraj.model.model import Model, model_at
from offtraj.spec import OpenAISpec

Run = Callable[..., subprocess.CompletedProcess[str]]
OPTIONS: dict[str, Any] = {"timeout": 2.0, "max_retries": 8, "max_wait": 5.0, "concurrency": 32}


@pytest.fixture(scope="module")
def model(r1: Path) -> Model:
    return model_at(str(r1), model_id="weak")


@pytest.fixture(scope="module")
def answer() -> Callable[[list[int], int], str]:
    return answering()


@pytest.fixture(scope="module")
def server(answer: Callable[[list[int], int], str]) -> Iterator[CompletionServer]:
    with in_background(lambda: serving(answer)) as running:
        yield running


# Through the engine


def make_requests(model: Model, count: int, samples: int = 4) -> list[Request]:
    assert model.format is not None
    params = SamplingParams(0.6, 0.95, 4096, 0)
    requests = []
    for number in range(count):
        prompt = model.format.solo(f"What is {10 * number} + 1?")
        key = request_key(model.identity, f"q{number}", prompt, params)
        requests.append(Request(key, f"q{number}", prompt, tuple(range(samples)), params))
    return requests


async def ask(proxy: Proxy, model: Model, requests: Sequence[Request], **options: object) -> list[Reply]:
    spec = OpenAISpec.model_validate({"kind": "openai", "base_url": proxy.base_url, **OPTIONS, **options})
    engine = await open_engine(spec, model)
    try:
        return [reply async for reply in engine.replies(requests)]
    finally:
        await engine.close()


def texts(replies: Sequence[Reply]) -> dict[tuple[str, int], str]:
    """What was written, by question and sample; each is there once."""
    found: dict[tuple[str, int], str] = {}
    for reply in replies:
        assert isinstance(reply.result, Completion), reply.result
        assert (reply.request.subject, reply.sample) not in found
        found[reply.request.subject, reply.sample] = reply.result.text
    return found


def expected(requests: Sequence[Request], answer: Callable[[list[int], int], str]) -> dict[tuple[str, int], str]:
    return {
        (request.subject, sample): answer(list(request.prompt.ids), request.seed + sample)
        for request in requests
        if request.prompt is not None
        for sample in request.samples
    }


@pytest.mark.parametrize("fault", SURVIVED)
async def test_a_fault_changes_nothing(
    fault: Fault, model: Model, server: CompletionServer, answer: Callable[[list[int], int], str]
) -> None:
    requests = make_requests(model, 6)
    async with proxying(server.base_url, plan=scheduled({1: fault, 4: fault})) as proxy:
        replies = await ask(proxy, model, requests, timeout=1.0, concurrency=8)
        met = Counter(exchange.fault for exchange in proxy.completions)
    assert texts(replies) == expected(requests, answer)
    assert met[fault] == 2


@pytest.mark.parametrize("seed", range(2))
async def test_many_faults_at_once_change_nothing(
    seed: int, model: Model, server: CompletionServer, answer: Callable[[list[int], int], str]
) -> None:
    requests = make_requests(model, 120)
    faults = [fault for fault in SURVIVED if fault != "hang"]
    async with proxying(server.base_url, plan=at_random(seed, 0.35, faults), away=0.1) as proxy:
        replies = await ask(proxy, model, requests, max_retries=20, max_wait=60.0)
        met = Counter(exchange.fault for exchange in proxy.completions)
    assert texts(replies) == expected(requests, answer)
    assert len(met) > 10


async def test_what_came_is_not_asked_for_again_because_something_is_missing(
    model: Model, server: CompletionServer, answer: Callable[[list[int], int], str]
) -> None:
    requests = make_requests(model, 2, samples=8)
    async with proxying(server.base_url, plan=scheduled(["fewer-choices"])) as proxy:
        replies = await ask(proxy, model, requests, concurrency=1)
        samples = [len(asked(exchange)) for exchange in proxy.completions]
    assert texts(replies) == expected(requests, answer)
    assert sorted(samples) == [1, 8, 8]


@pytest.mark.parametrize("fault", ["429-seconds", "429-date", "503-seconds"])
async def test_a_server_that_says_when_to_come_again_is_not_asked_before(
    fault: Fault, model: Model, server: CompletionServer
) -> None:
    plan = scheduled({1: fault, 2: fault, 4: fault})
    async with proxying(server.base_url, plan=plan) as proxy:
        texts(await ask(proxy, model, make_requests(model, 4), concurrency=1, max_wait=30.0))
        exchanges = proxy.completions
    told = [exchange for exchange in exchanges if exchange.until is not None]
    assert len(told) == 3
    for exchange in told:
        later = [other.at for other in exchanges if other.number > exchange.number]
        assert exchange.until is not None
        assert min(later) >= exchange.until - 0.05  # the two clocks of a date differ a little


async def test_a_server_that_refuses_for_ever_is_given_up_and_not_pestered(
    model: Model, server: CompletionServer
) -> None:
    async with proxying(server.base_url, plan=lambda e: None if e.asked is None else "429") as proxy:
        with pytest.raises(EngineError, match="refused for longer than `max_wait`, 1.5 s: 429"):
            await ask(proxy, model, make_requests(model, 40), max_wait=1.5)
        assert len(proxy.completions) < 60


async def test_a_prompt_that_is_too_long_is_asked_for_once(
    model: Model, server: CompletionServer, answer: Callable[[list[int], int], str]
) -> None:
    requests = make_requests(model, 10)
    assert requests[3].prompt is not None
    long = list(requests[3].prompt.ids)
    async with proxying(server.base_url, too_long=lambda ids: ids == long) as proxy:
        replies = await ask(proxy, model, requests)
        times = sum(exchange.body["prompt"] == long for exchange in proxy.completions)
    assert times == 1
    failed = [reply for reply in replies if isinstance(reply.result, Failure)]
    assert [(reply.request.subject, reply.sample) for reply in failed] == [("q3", n) for n in range(4)]
    assert all("maximum context length" in reply.result.message for reply in failed)  # type: ignore[union-attr]
    others = [request for request in requests if request.subject != "q3"]
    assert texts([reply for reply in replies if reply not in failed]) == expected(others, answer)


async def test_another_prompt_than_was_sent_ends_the_run(model: Model, server: CompletionServer) -> None:
    async with proxying(server.base_url, plan=scheduled({2: "other-ids"})) as proxy:
        with pytest.raises(EngineError, match="saw a prompt that differs from the one sent"):
            await ask(proxy, model, make_requests(model, 6))


# Through the command line


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, r1: Path, server: CompletionServer) -> dict[str, Any]:
    """What build and run make when nothing comes between."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_disturbed(folder, r1, **OPTIONS)
    for command in (BUILD, RUN):
        environment = {**os.environ, "SERVER": server.base_url}
        subprocess.run([*COMMAND, *command], cwd=folder, env=environment, capture_output=True, check=True)
    return results(folder)


@pytest.fixture
def folder(tmp_path: Path, r1: Path) -> Path:
    write_disturbed(tmp_path, r1, **OPTIONS)
    return tmp_path


def without_runs(found: dict[str, Any]) -> dict[str, Any]:
    return {name: digest for name, digest in found.items() if name.startswith("data/")}


def test_each_fault_once_gives_the_same_files_and_scores(
    folder: Path, offtraj: Run, server: CompletionServer, undisturbed: dict[str, Any]
) -> None:
    faults = [fault for fault in FAULTS if fault in SURVIVED]
    with in_background(lambda: proxying(server.base_url, plan=scheduled(faults))) as proxy:
        built = offtraj(*BUILD, SERVER=proxy.base_url)
        assert built.returncode == 0, built.stderr
        first = Counter(exchange.fault for exchange in proxy.completions)
        proxy._asked = 0
        run = offtraj(*RUN, SERVER=proxy.base_url)
        both = Counter(exchange.fault for exchange in proxy.completions)
    assert run.returncode == 0, run.stderr
    assert results(folder) == undisturbed
    assert all(first[fault] == 1 and both[fault] == 2 for fault in faults)


def test_many_faults_give_the_same_files_and_scores(
    folder: Path, offtraj: Run, server: CompletionServer, undisturbed: dict[str, Any]
) -> None:
    with in_background(lambda: proxying(server.base_url, plan=at_random(5, 0.3), away=0.2)) as proxy:
        for command in (BUILD, RUN):
            done = offtraj(*command, SERVER=proxy.base_url)
            assert done.returncode == 0, done.stderr
        met = Counter(exchange.fault for exchange in proxy.completions)
    assert results(folder) == undisturbed
    assert met.total() - met[None] > 20


def test_what_cannot_succeed_is_said_kept_apart_and_tried_again_by_the_same_command(
    folder: Path, offtraj: Run, server: CompletionServer, undisturbed: dict[str, Any]
) -> None:
    def refused(ids: list[int]) -> bool:
        return sum(ids) % 7 == 0

    with in_background(lambda: proxying(server.base_url, too_long=refused)) as proxy:
        built = offtraj(*BUILD, SERVER=proxy.base_url)
        times = Counter(tuple(e.body["prompt"]) for e in proxy.completions if e.fault == "too-long")
        assert set(times.values()) == {1}
        assert built.returncode == 1
        assert f"{4 * len(times)} solo samples failed to generate, the first of 'q" in built.stderr
        assert "maximum context length" in built.stderr
        assert "the other samples are kept; run the same command again" in built.stderr
        proxy.too_long = lambda _: False
        kept, seen = stored(folder), len(proxy.completions)
        built = offtraj(*BUILD, SERVER=proxy.base_url)
        assert built.returncode == 0, built.stderr
        assert without_runs(results(folder)) == without_runs(undisturbed)
        assert len(proxy.completions) == seen + len(times)
        assert kept.isdisjoint(note for exchange in proxy.completions[seen:] for note in asked(exchange))

        seen, proxy.too_long = len(proxy.completions), refused
        run = offtraj(*RUN, SERVER=proxy.base_url)
        unscored = [e for e in proxy.completions[seen:] if e.fault == "too-long"]
        assert set(Counter(tuple(e.body["prompt"]) for e in unscored).values()) == {1}
        assert run.returncode == 3
        assert f"{sum(len(asked(e)) for e in unscored)} of 96 outcomes are unscored" in run.stderr
        assert "run the same command again" in run.stderr
        assert "not_sampled" in run.stdout
        seen, proxy.too_long = len(proxy.completions), lambda _: False
        run = offtraj(*RUN, SERVER=proxy.base_url)
        assert run.returncode == 0, run.stderr
        assert len(proxy.completions) == seen + len(unscored)
    assert results(folder) == undisturbed


def lines_of(stderr: str) -> list[str]:
    """What the program itself says."""
    return [line for line in stderr.splitlines() if line.startswith("offtraj:")]


def continued(folder: Path, offtraj: Run, proxy: Proxy, kept: frozenset[str], undisturbed: dict[str, Any]) -> None:
    """The build goes on: it asks for nothing that is there, and makes the same."""
    seen = len(proxy.completions)
    built = offtraj(*BUILD, SERVER=proxy.base_url)
    assert built.returncode == 0, built.stderr
    assert kept.isdisjoint(note for exchange in proxy.completions[seen:] for note in asked(exchange))
    assert without_runs(results(folder)) == without_runs(undisturbed)


def arrived(proxy: Proxy) -> frozenset[str]:
    """Samples whose answers were handed over whole."""
    return frozenset(note for exchange in proxy.completions if exchange.done for note in asked(exchange))


def test_a_server_that_stays_away_ends_it_and_what_arrived_is_kept(
    folder: Path, offtraj: Run, server: CompletionServer, undisturbed: dict[str, Any]
) -> None:
    with in_background(lambda: proxying(server.base_url, plan=scheduled({15: "restart"}), away=3600.0)) as proxy:
        built = offtraj(*BUILD, SERVER=proxy.base_url)
        assert built.returncode == 1
        assert len(lines_of(built.stderr)) == 1, built.stderr
        assert proxy.base_url in built.stderr
        assert "Traceback" not in built.stderr
        kept = stored(folder)
        assert kept == arrived(proxy)
        assert len(kept) >= 4 * 7
    with in_background(lambda: proxying(server.base_url)) as proxy:
        continued(folder, offtraj, proxy, kept, undisturbed)


def test_a_server_that_was_never_there_is_said(folder: Path, offtraj: Run) -> None:
    built = offtraj(*BUILD, SERVER="http://127.0.0.1:9/v1")
    assert built.returncode == 1
    assert len(lines_of(built.stderr)) == 1, built.stderr
    assert "http://127.0.0.1:9/v1" in built.stderr


def interrupted(
    folder: Path, proxy: Proxy, sent: signal.Signals, *, after: int = 15
) -> subprocess.CompletedProcess[str]:
    """A build that gets a signal when its server has stopped to answer."""
    environment = {**os.environ, "SERVER": proxy.base_url}
    with subprocess.Popen(
        [*COMMAND, *BUILD], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        started = time.monotonic()
        while stored(folder) != arrived(proxy) or len(arrived(proxy)) < 4 * after:
            assert process.poll() is None
            assert time.monotonic() - started < 60
            time.sleep(0.05)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_cleanly_and_nothing_is_lost(
    sent: signal.Signals,
    code: int,
    folder: Path,
    offtraj: Run,
    server: CompletionServer,
    undisturbed: dict[str, Any],
) -> None:
    def plan(exchange: Exchange) -> Fault | None:
        return "hang" if exchange.asked is not None and exchange.asked >= 15 else None

    with in_background(lambda: proxying(server.base_url, plan=plan)) as proxy:
        done = interrupted(folder, proxy, sent)
        assert done.returncode == code, done.stderr
        assert len(lines_of(done.stderr)) == 1, done.stderr
        assert "run the same command again: it continues" in done.stderr
        assert "Traceback" not in done.stderr
        kept = stored(folder)
        assert kept == arrived(proxy)
        assert len(kept) == 4 * 15
        proxy.plan = calm
        continued(folder, offtraj, proxy, kept, undisturbed)


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The workspace is on a disk of a few hundred kilobytes."""
    disk = folder / ".offtraj"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk without the right to mount one: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_and_with_more_room_it_goes_on(
    small_disk: Path, folder: Path, offtraj: Run, server: CompletionServer, undisturbed: dict[str, Any]
) -> None:
    with in_background(lambda: proxying(server.base_url)) as proxy:
        built = offtraj(*BUILD, SERVER=proxy.base_url)
        assert built.returncode == 1, built.stderr
        assert len(lines_of(built.stderr)) == 1, built.stderr
        assert "full" in built.stderr
        assert "free disk space and run the same command again" in built.stderr
        subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
        kept = stored(folder)
        assert 0 < len(kept) < 120
        continued(folder, offtraj, proxy, kept, undisturbed)


def test_a_quota_is_said_and_with_more_room_it_goes_on(
    folder: Path, server: CompletionServer, offtraj: Run, undisturbed: dict[str, Any]
) -> None:
    with in_background(lambda: proxying(server.base_url)) as proxy:
        built = subprocess.run(
            ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *COMMAND, *BUILD],
            cwd=folder,
            env={**os.environ, "SERVER": proxy.base_url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 1, built.stderr
        assert len(lines_of(built.stderr)) == 1, built.stderr
        assert "free disk space; then run the same command again" in built.stderr
        kept = stored(folder)
        assert 0 < len(kept) < 120
        continued(folder, offtraj, proxy, kept, undisturbed)
