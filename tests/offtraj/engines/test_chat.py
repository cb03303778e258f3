"""A chat model in this process: whatever happens to it, nobody waits for a reply that never comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from offtraj.engines.chat import LocalChat
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Message, Reply, Request
from offtraj.spec import TransformersSpec

DONE = Completion("yes", "stop", 1, 1)


@pytest.fixture
def chat(qwen3: Path) -> LocalChat:
    return LocalChat(TransformersSpec(kind="transformers"), str(qwen3))


async def ask(chat: LocalChat, question: str) -> object:
    return await asyncio.wait_for(chat.ask([Message("user", question)], max_tokens=4, seed=0), 10)


def replying(chat: LocalChat, monkeypatch: pytest.MonkeyPatch, *events: object) -> None:
    """Have the engine reply so: a completion for a request, an error that it raises, or none for silence."""

    async def replies(requests: Iterable[Request]) -> AsyncIterator[Reply]:
        for request, event in zip(requests, events, strict=False):
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Completion):
                yield Reply(request, 0, event)

    monkeypatch.setattr(chat._engine, "replies", replies)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), EngineError("gone"), ValueError("no")])
async def test_an_error_of_any_kind_reaches_everyone_who_waits(
    chat: LocalChat, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    replying(chat, monkeypatch, DONE, error)
    found = await asyncio.gather(*(ask(chat, f"{n}?") for n in range(4)), return_exceptions=True)
    assert found == [DONE, error, error, error]
    replying(chat, monkeypatch, DONE)
    assert await ask(chat, "and now?") == DONE  # it can be asked again
    await chat.close()


async def test_a_request_without_a_reply_fails(chat: LocalChat, monkeypatch: pytest.MonkeyPatch) -> None:
    replying(chat, monkeypatch, DONE, None)
    found = await asyncio.gather(*(ask(chat, f"{n}?") for n in range(2)), return_exceptions=True)
    assert found[0] == DONE
    assert isinstance(found[1], EngineError)
    await chat.close()


async def test_a_caller_that_gives_up_costs_nobody_else_a_reply(
    chat: LocalChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    replying(chat, monkeypatch, DONE, DONE)
    first, second = (asyncio.create_task(ask(chat, f"{n}?")) for n in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == DONE
    await chat.close()


async def test_closing_ends_every_wait(chat: LocalChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def replies(requests: Iterable[Request]) -> AsyncIterator[Reply]:
        await asyncio.sleep(60)
        yield Reply(next(iter(requests)), 0, DONE)

    monkeypatch.setattr(chat._engine, "replies", replies)
    task = asyncio.create_task(ask(chat, "?"))
    await asyncio.sleep(0.05)
    await chat.close()
    with pytest.raises(asyncio.CancelledError):
        await task
