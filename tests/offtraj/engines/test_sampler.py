"""Asking for what the store lacks, and for nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace

from support.factories import PARAMS

from offtraj.engines.sampler import request_key, sample
from offtraj.model.completion import Completion, Failure, PromptMode, Reply, Request, SamplingParams
from offtraj.model.prompt import Prompt
from offtraj.store import Store


class Echo:
    """An engine that writes the sample's number, and fails where it is told to."""

    identity = "echo"
    prompt_mode: PromptMode = "ids"

    def __init__(self, fails: set[int] | None = None) -> None:
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self.fails = fails or set()

    def facts(self) -> Mapping[str, object]:
        return {}

    async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        for request in requests:
            self.asked.append((request.subject, request.samples))
            for number in request.samples:
                failed = number in self.fails
                yield Reply(request, number, Failure("no") if failed else Completion(str(number), "stop", 1, 1))

    async def close(self) -> None:
        pass


def make_request(subject: str = "q", samples: int = 4) -> Request:
    return Request(f"key/{subject}", subject, None, tuple(range(samples)), PARAMS)


async def test_new_completions_are_kept_before_they_are_yielded(store: Store) -> None:
    count = 0
    async for reply in sample([make_request()], Echo(), store, model="m"):
        assert store.completion("key/q", reply.sample) == reply.result
        count += 1
    assert count == 4


async def test_what_is_stored_is_not_asked_for_again(store: Store) -> None:
    counted: list[int] = []
    first, second = Echo(fails={2}), Echo()
    assert len([r async for r in sample([make_request()], first, store, model="m")]) == 4
    replies = [r async for r in sample([make_request()], second, store, model="m", stored=counted.append)]
    assert second.asked == [("q", (2,))]
    assert [reply.sample for reply in replies] == [2]
    assert counted == [3]
    third = Echo()
    assert [r async for r in sample([make_request()], third, store, model="m")] == []
    assert third.asked == []


async def test_samples_that_are_no_neighbours_are_asked_for_apart(store: Store) -> None:
    """A request's seed counts from its first sample: sample 4 gets the same seed alone or after 3."""
    store.put_completions([("key/q", 2, Completion("x", "stop", 1, 1))])
    engine = Echo()
    replies = [r async for r in sample([make_request(samples=5)], engine, store, model="m")]
    assert engine.asked == [("q", (0, 1)), ("q", (3, 4))]
    assert [r.request.seed + r.sample - r.request.samples[0] for r in replies] == [
        make_request().seed + n for n in (0, 1, 3, 4)
    ]


async def test_what_is_in_flight_is_not_asked_for_again_and_answers_all(store: Store) -> None:
    class Patient(Echo):
        """Takes all requests before it answers the first."""

        async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
            async for reply in super().replies(list(requests)):
                yield reply

    engine = Patient(fails={1})
    wanted = [replace(make_request(samples=2), context="a"), replace(make_request(samples=3), context="b")]
    replies = [r async for r in sample(wanted, engine, store, model="m")]
    assert engine.asked == [("q", (0, 1)), ("q", (2,))]
    assert sorted(((r.request.context, r.sample, type(r.result)) for r in replies), key=lambda x: x[:2]) == [
        ("a", 0, Completion),
        ("a", 1, Failure),
        ("b", 0, Completion),
        ("b", 1, Failure),
        ("b", 2, Completion),
    ]


async def test_requests_are_pulled_one_by_one(store: Store) -> None:
    pulled: list[int] = []

    def requests() -> Iterable[Request]:
        for number in range(1000):
            pulled.append(number)
            yield make_request(f"q{number}", samples=1)

    async for _ in sample(requests(), Echo(), store, model="m"):
        assert len(pulled) <= 2
        if len(pulled) == 2:
            break


def test_a_key_changes_with_what_reaches_the_model_and_with_nothing_else() -> None:
    prompt = Prompt((1, 2, 3), "x", 0)
    key = request_key("model", "q", prompt, PARAMS)
    assert key == request_key("model", "another subject", Prompt((1, 2, 3), "x", 2), PARAMS)
    others = [
        request_key("other", "q", prompt, PARAMS),
        request_key("model", "q", Prompt((1, 2), "x", 0), PARAMS),
        *(
            request_key("model", "q", prompt, SamplingParams(*changed))
            for changed in [(0.7, 0.95, 512, 0), (0.6, 0.9, 512, 0), (0.6, 0.95, 513, 0), (0.6, 0.95, 512, 1)]
        ),
    ]
    assert len({key, *others}) == 7
    recorded = request_key("tape", "q", None, PARAMS)
    assert (
        recorded == request_key("tape", "q", None, SamplingParams(0, 1, 9, 9)) != request_key("tape", "p", None, PARAMS)
    )
