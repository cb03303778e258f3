"""Retries, pacing and waiting, against a real HTTP server on the loopback interface."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from support.background import listening

from offtraj.engines.openai.endpoint import Endpoint, public_url
from offtraj.engines.openai.failure import Absent, Malformed, Rejected, Unanswered
from offtraj.engines.openai.listing import ServedModel
from offtraj.errors import EngineError

Handler = Callable[[int], web.Response]
"""The answer to the so-many-th request."""


@asynccontextmanager
async def answering(handler: Handler, **fields: Any) -> AsyncIterator[tuple[Endpoint, list[float]]]:
    """A server, and when it was asked."""
    times: list[float] = []

    async def handle(_: web.Request) -> web.Response:
        times.append(time.monotonic())
        return handler(len(times) - 1)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with listening(app) as address:
        endpoint = Endpoint(f"{address}/v1", **{"max_retries": 2, "timeout": 10.0, **fields})
        try:
            yield endpoint, times
        finally:
            await endpoint.close()


def fine(_: int) -> web.Response:
    return web.json_response({"it": "is"})


def same(answer: dict[str, Any]) -> dict[str, Any]:
    return answer


def refusing_first(times: int, **headers: str) -> Handler:
    return lambda at: refused(**headers) if at < times else fine(at)


def refused(**headers: str) -> web.Response:
    return web.json_response({"error": {"message": "slow down"}}, status=429, headers=headers)


async def ask(endpoint: Endpoint) -> dict[str, Any]:
    return await endpoint.post("/completions", {"prompt": [1]}, same)


@pytest.mark.parametrize("after", ["1", "1.0", "date"])
async def test_retry_after_is_waited_for_by_all_requests_together(after: str) -> None:
    value = formatdate(time.time() + 2, usegmt=True) if after == "date" else after
    async with answering(refusing_first(1, **{"Retry-After": value})) as (endpoint, times):
        first = asyncio.create_task(ask(endpoint))
        while not times:  # noqa: ASYNC110 - the server's business is in `times`
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        await asyncio.gather(first, *(ask(endpoint) for _ in range(5)))
    assert len(times) == 7
    least = 0.5 if after == "date" else 1.0  # a date has whole seconds
    assert min(times[1:]) - times[0] >= least
    assert endpoint.faults == {"429": 1}


async def test_refusals_do_not_count_as_failures_and_end_after_max_wait() -> None:
    async with answering(refusing_first(8, **{"Retry-After": "0"})) as (endpoint, times):
        assert await ask(endpoint) == {"it": "is"}
    assert len(times) == 9  # more often than max_retries
    async with answering(lambda _: refused(), max_wait=1.0) as (endpoint, times):
        with pytest.raises(Unanswered, match=r"refused for longer than `max_wait`, 1 s: 429: slow down"):
            await ask(endpoint)
    async with answering(lambda _: refused(**{"Retry-After": "3600"})) as (endpoint, times):
        with pytest.raises(Unanswered, match="asks to wait 3600 s more"):
            await ask(endpoint)
    assert len(times) == 1


async def test_refusals_lower_how_much_is_asked_for() -> None:
    async with answering(refusing_first(1, **{"Retry-After": "0"})) as (endpoint, _):
        before = endpoint.limiter.limit
        await ask(endpoint)
    assert endpoint.limiter.limit == before // 2


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (lambda: web.json_response({"error": {"message": "out of luck"}}, status=500), "500: out of luck"),
        (lambda: web.json_response({"detail": "no"}, status=504), "504: no"),
        (lambda: web.Response(text="<html>Bad gateway</html>", status=502, content_type="text/html"), "502: "),
        (lambda: web.Response(text="{", content_type="application/json"), "malformed answer: "),
        (lambda: web.Response(text="hello", content_type="text/html"), "malformed answer: 'hello'"),
        (lambda: web.json_response([1]), "malformed answer: "),
        (lambda: web.Response(status=204), "malformed answer"),
    ],
)
async def test_what_fails_is_tried_again_so_often_and_then_said(
    response: Callable[[], web.Response], message: str
) -> None:
    async with answering(lambda _: response()) as (endpoint, times):
        with pytest.raises(Unanswered) as caught:
            await ask(endpoint)
    assert message in str(caught.value)
    assert len(times) == 3


async def test_what_cannot_be_read_is_asked_for_again() -> None:
    seen: list[int] = []

    def read(answer: dict[str, Any]) -> str:
        seen.append(1)
        if len(seen) < 3:
            raise Malformed("not yet")
        return str(answer["it"])

    async with answering(fine) as (endpoint, times):
        assert await endpoint.post("/completions", {}, read) == "is"
    assert len(times) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_will_never_pass_is_asked_once(status: int) -> None:
    rejection = {"object": "error", "message": "prompt is too long"}
    async with answering(lambda _: web.json_response(rejection, status=status)) as (endpoint, times):
        with pytest.raises(Rejected, match=rf"^{status}: prompt is too long$") as caught:
            await ask(endpoint)
    assert (caught.value.status, len(times)) == (status, 1)


async def test_a_key_that_a_server_repeats_is_not_in_the_message() -> None:
    async with answering(
        lambda _: web.json_response({"error": {"message": "bad key sk-secret"}}, status=401), key="sk-secret"
    ) as (endpoint, _):
        with pytest.raises(Rejected, match=r"bad key \[key\]"):
            await ask(endpoint)


async def test_a_body_that_trickles_is_no_answer_within_the_time() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    app = web.Application()
    app.router.add_post("/v1/completions", trickle)
    async with listening(app) as address:
        endpoint = Endpoint(f"{address}/v1", timeout=0.5, max_retries=0)
        with pytest.raises(Unanswered, match=r"no answer within 0\.5 s"):
            await ask(endpoint)
        await endpoint.close()


async def test_a_server_that_never_was_there_is_absent_at_once() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", max_wait=60)
    started = time.monotonic()
    with pytest.raises(Absent):
        await ask(endpoint)
    with pytest.raises(Absent):
        await endpoint.models()
    assert time.monotonic() - started < 30
    await endpoint.close()


async def test_a_server_that_restarts_is_waited_for_once_for_all() -> None:
    async def handle(_: web.Request) -> web.Response:
        return fine(0)

    def app() -> web.Application:
        made = web.Application()
        made.router.add_route("*", "/{path:.*}", handle)
        return made

    runner = web.AppRunner(app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", max_wait=30)
    await ask(endpoint)
    await runner.cleanup()
    waiting = [asyncio.create_task(ask(endpoint)) for _ in range(10)]
    await asyncio.sleep(1)
    assert not any(task.done() for task in waiting)
    runner = web.AppRunner(app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    assert await asyncio.gather(*waiting) == [{"it": "is"}] * 10
    await endpoint.close()
    await runner.cleanup()


async def test_a_server_of_ours_is_revived_once_for_all() -> None:
    revived: list[int] = []
    async with answering(fine) as (there, _):

        async def revive() -> None:
            revived.append(1)
            await asyncio.sleep(0.1)
            endpoint._client.base_url = f"{there.base_url}/"

        endpoint = Endpoint("http://127.0.0.1:9/v1", revive=revive)
        assert await asyncio.gather(*(ask(endpoint) for _ in range(5))) == [{"it": "is"}] * 5
        await endpoint.close()
    assert revived == [1]


async def test_a_revival_that_fails_ends_everything() -> None:
    async def revive() -> None:
        raise EngineError("it died again")

    endpoint = Endpoint("http://127.0.0.1:9/v1", revive=revive)
    found = await asyncio.gather(*(ask(endpoint) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["it died again"] * 3
    await endpoint.close()


async def test_models_are_listed_with_their_contexts() -> None:
    listed = {"data": [{"id": "a", "max_model_len": 4096}, {"id": "b"}]}
    async with answering(lambda _: web.json_response(listed)) as (endpoint, _):
        assert await endpoint.models() == [ServedModel("a", 4096), ServedModel("b", None)]
    async with answering(lambda _: web.json_response({"object": "list"})) as (endpoint, times):
        with pytest.raises(Unanswered, match="malformed"):
            await endpoint.models()
    assert len(times) == 3


async def test_a_queue_is_read_from_metrics_where_there_are_any() -> None:
    metrics = 'vllm:num_requests_waiting{engine="0",model_name="x"} 3.0\nvllm:num_requests_waiting{engine="1"} 4.0\n'
    async with answering(lambda _: web.Response(text=metrics)) as (endpoint, _):
        assert await endpoint.waiting() == 7
    async with answering(lambda _: web.Response(text="# nothing")) as (endpoint, _):
        assert await endpoint.waiting() is None
    async with answering(lambda _: web.Response(status=404)) as (endpoint, _):
        assert await endpoint.waiting() is None


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    assert public_url("https://me:pw@host:8000/v1?token=x#y") == "https://host:8000/v1"
