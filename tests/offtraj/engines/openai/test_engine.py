"""The client for completion servers, against a real HTTP server on the loopback interface."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.server import serving

from offtraj.engines.openai.endpoint import open_endpoint
from offtraj.engines.openai.engine import OpenAIEngine
from offtraj.errors import EngineError, UsageError
from offtraj.model.completion import Completion, Failure, Reply, Request, SamplingParams
from offtraj.model.model import Model, model_at
from offtraj.spec import OpenAISpec


@pytest.fixture(scope="module")
def model(r1: Path) -> Model:
    return model_at(str(r1), model_id="tiny")


def echo(ids: list[int], seed: int) -> str:
    return f"  {len(ids)} {seed}\n"


def make_request(model: Model, number: int = 0, samples: int = 1, max_tokens: int = 512) -> Request:
    assert model.format is not None
    prompt = model.format.solo(f"What is {number} + 1?")
    params = SamplingParams(0.6, 0.95, max_tokens, 0)
    return Request(f"{number:064x}", f"q{number}", prompt, tuple(range(samples)), params)


def make_engine(model: Model, base_url: str, **fields: object) -> OpenAIEngine:
    spec = OpenAISpec.model_validate(
        {"kind": "openai", "base_url": base_url, "timeout": 30.0, "max_retries": 2, "concurrency": 8, **fields}
    )
    return OpenAIEngine(model, open_endpoint(spec, base_url))


async def ask(engine: OpenAIEngine, requests: list[Request]) -> list[Reply]:
    try:
        return [reply async for reply in engine.replies(requests)]
    finally:
        await engine.close()


async def test_ids_are_sent_and_text_comes_back_unchanged(model: Model) -> None:
    request = make_request(model, samples=3)
    async with serving(echo) as server:
        replies = await ask(make_engine(model, server.base_url), [request])
    assert request.prompt is not None
    size = len(request.prompt.ids)
    assert [(r.sample, r.result) for r in replies] == [
        (n, Completion(f"  {size} {request.seed + n}\n", "stop", size, 3)) for n in range(3)
    ]
    sent = server.requests[0]
    assert sent["prompt"] == list(request.prompt.ids)
    assert (sent["n"], sent["temperature"], sent["top_p"], sent["max_tokens"]) == (3, 0.6, 0.95, 512 - size)
    assert sent["seed"] == request.seed
    assert sent["return_token_ids"] is True
    assert sent["add_special_tokens"] is False
    assert sent["skip_special_tokens"] is False


async def test_many_requests_are_in_flight_but_no_more_than_allowed(model: Model) -> None:
    async with serving(echo) as server:
        replies = await ask(make_engine(model, server.base_url), [make_request(model, n) for n in range(60)])
    assert len(replies) == 60
    assert 2 <= server.most_at_once <= 8


@pytest.mark.parametrize("fault", [429, 500, 503, "hang", "cut"])
async def test_what_may_succeed_is_tried_again(model: Model, fault: int | str) -> None:
    async with serving(echo, faults=[fault]) as server:
        timeout = 1.0 if fault == "hang" else 30.0
        replies = await ask(make_engine(model, server.base_url, timeout=timeout), [make_request(model)])
    assert [type(reply.result) for reply in replies] == [Completion]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([500, 500, 500], "fault 500"),
        (["hang", "hang", "hang"], "no answer within 1 s"),
        (["cut", "cut", "cut"], "APIConnectionError"),
        ([400], "fault 400"),
        (["garbage", "garbage", "garbage"], "malformed answer"),
        (["no-choices", "no-choices", "no-choices"], "malformed answer: no choices"),
        (["odd-reason", "odd-reason", "odd-reason"], "finish reason 'abort'"),
        (["filtered"], "finish reason 'content_filter'"),
    ],
)
async def test_what_does_not_succeed_is_a_failure_and_never_an_answer(
    model: Model, faults: list[int | str], message: str
) -> None:
    async with serving(echo, faults=faults) as server:
        requests = [make_request(model, 0, samples=2)]
        timeout = 1.0 if "hang" in faults else 30.0
        replies = await ask(make_engine(model, server.base_url, concurrency=1, timeout=timeout), requests)
        again = await ask(make_engine(model, server.base_url), requests)
    failures = [reply.result for reply in replies if isinstance(reply.result, Failure)]
    assert failures
    assert all(message in failure.message for failure in failures)
    assert [type(reply.result) for reply in again] == [Completion] * 2


@pytest.mark.parametrize("samples", [1, 4])
async def test_a_prompt_that_cannot_succeed_is_not_tried_again(model: Model, samples: int) -> None:
    async with serving(echo, faults=[400]) as server:
        replies = await ask(make_engine(model, server.base_url), [make_request(model, samples=samples)])
    assert {type(reply.result) for reply in replies} == {Failure}
    assert len(server.requests) == 1


async def test_a_context_that_is_too_short_is_said_before_anything_is_asked(model: Model) -> None:
    async with serving(echo, context=256) as server:
        with pytest.raises(
            EngineError, match=r"its context is 256 tokens .* `sampling.max_tokens` is 512: .*--max-model-len 512"
        ):
            await ask(make_engine(model, server.base_url), [make_request(model)])
    assert server.requests == []


async def test_a_server_that_saw_another_prompt_ends_the_run(model: Model) -> None:
    async with serving(echo, faults=["other-ids"]) as server:
        with pytest.raises(
            EngineError,
            match=r"saw a prompt that differs from the one sent: \d+ ids for \d+, the first difference at \d+",
        ):
            await ask(make_engine(model, server.base_url), [make_request(model)])


async def test_a_server_that_fails_again_and_again_ends_the_run(model: Model) -> None:
    async with serving(echo, faults=[400] * 100) as server:
        with pytest.raises(EngineError, match="20 samples failed in a row, the last with: .*fault 400"):
            await ask(make_engine(model, server.base_url), [make_request(model, n) for n in range(60)])


async def test_a_server_that_is_not_there_is_said(model: Model) -> None:
    with pytest.raises(EngineError, match=r"http://127.0.0.1:9/v1: cannot be asked for its models"):
        await ask(make_engine(model, "http://127.0.0.1:9/v1", max_retries=0), [make_request(model)])


async def test_a_server_that_goes_away_ends_the_run_and_what_arrived_is_there(model: Model) -> None:
    engine = make_engine(model, "http://127.0.0.1:9/v1", concurrency=1, max_wait=0.5)
    replies = []
    async with serving(echo) as server:
        engine = make_engine(model, server.base_url, concurrency=1, max_wait=0.5)
        arriving = engine.replies(make_request(model, n) for n in range(3))
        replies.append(await anext(arriving))
    with pytest.raises(EngineError, match="the server is gone, for 0.5 s by now"):
        async for reply in arriving:
            replies.append(reply)  # noqa: PERF401
    await engine.close()
    assert replies and all(isinstance(reply.result, Completion) for reply in replies)


async def test_a_wrong_key_ends_the_run_and_is_not_shown(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    async with serving(echo, faults=[401]) as server:
        with pytest.raises(EngineError, match="fault 401") as caught:
            await ask(make_engine(model, server.base_url, api_key_env="MY_KEY"), [make_request(model)])
    assert server.requests[0]["headers"]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in str(caught.value)


def test_a_missing_key_is_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(EngineError, match="environment variable MY_KEY is not set"):
        make_engine(model, "http://127.0.0.1:9/v1", api_key_env="MY_KEY")


async def test_fewer_choices_than_asked_are_kept_and_the_rest_asked_for(model: Model) -> None:
    request = make_request(model, samples=4)
    async with serving(echo, faults=["few-choices"]) as server:
        replies = await ask(make_engine(model, server.base_url), [request])
    assert [reply.sample for reply in replies] == [0, 1, 2, 3]
    assert all(isinstance(reply.result, Completion) for reply in replies)
    assert [(sent.get("n", 1), sent["seed"] - request.seed) for sent in server.requests] == [(4, 0), (3, 1)]


async def test_a_server_that_gives_one_choice_at_a_time_is_asked_for_one(model: Model) -> None:
    requests = [make_request(model, n, samples=3) for n in range(6)]
    async with serving(echo, faults=["few-choices"] * 100) as server:
        replies = await ask(make_engine(model, server.base_url, concurrency=1), requests)
    assert sum(isinstance(reply.result, Completion) for reply in replies) == 18
    assert [sent.get("n", 1) for sent in server.requests][4:] == [1] * (len(server.requests) - 4)


async def test_a_server_that_refuses_n_is_asked_for_one(model: Model) -> None:
    async with serving(echo, faults=["no-n"]) as server:
        replies = await ask(make_engine(model, server.base_url), [make_request(model, samples=3)])
    assert [type(reply.result) for reply in replies] == [Completion] * 3
    assert [sent.get("n", 1) for sent in server.requests] == [3, 1, 1, 1]


async def test_a_spent_budget_is_truncated_without_asking(model: Model) -> None:
    async with serving(echo) as server:
        replies = await ask(make_engine(model, server.base_url), [make_request(model, max_tokens=5)])
    assert [reply.result for reply in replies if isinstance(reply.result, Completion)][0].finish_reason == "length"
    assert server.requests == []


async def test_the_one_model_that_is_served_is_taken_whatever_its_name(model: Model) -> None:
    async with serving(echo, model="another/name") as server:
        await ask(make_engine(model, server.base_url), [make_request(model)])
    assert server.requests[0]["model"] == "another/name"


def test_credentials_in_a_url_are_refused_and_not_shown(model: Model) -> None:
    with pytest.raises(
        UsageError, match=r"^http://host/v1: a user and password in the URL are not sent: .*api_key_env"
    ):
        make_engine(model, "http://me:secret@host/v1")
