"""A chat model in this process: every caller gets an answer, whatever the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from offtraj.engines.chat import LocalChat
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Message, Reply, Request
from offtraj.spec import TransformersSpec

HELLO = [Message("user", "Hello")]


def make_chat(path: Path) -> LocalChat:
    return LocalChat(TransformersSpec(kind="transformers", batch=4), str(path))


async def ask(chat: LocalChat) -> object:
    return await asyncio.wait_for(chat.ask(HELLO, max_tokens=4, seed=0), 30)


async def test_an_error_of_any_class_reaches_the_caller(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        list(requests)
        raise ZeroDivisionError("broken")
        yield

    chat = make_chat(qwen3)
    monkeypatch.setattr("offtraj.engines.transformers.LocalEngine.replies", broken)
    found = await asyncio.gather(ask(chat), ask(chat), return_exceptions=True)
    assert [type(error) for error in found] == [ZeroDivisionError] * 2
    await chat.close()


async def test_a_request_without_a_reply_is_an_error(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: object, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        for request in list(requests)[:1]:
            yield Reply(request, 0, Completion("yes", "stop", 1, 1))

    chat = make_chat(qwen3)
    monkeypatch.setattr("offtraj.engines.transformers.LocalEngine.replies", silent)
    answered, missing = await asyncio.gather(ask(chat), ask(chat), return_exceptions=True)
    assert isinstance(answered, Completion)
    assert isinstance(missing, EngineError)
    await chat.close()


async def test_a_caller_that_gives_up_takes_no_other_with_it(qwen3: Path) -> None:
    chat = make_chat(qwen3)
    impatient, patient = asyncio.create_task(ask(chat)), asyncio.create_task(ask(chat))
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert isinstance(await patient, Completion)
    await chat.close()
