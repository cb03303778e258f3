"""What a real server says it saw of real prompts: for whichever fixture serves one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from offtraj.engines.openai.endpoint import Endpoint
from offtraj.engines.openai.wire import Mode, read_answer, write_body
from offtraj.model.completion import SamplingParams
from offtraj.model.prompt import ChatFormat, Prompt
from support.prefixes import hundred_prefixes

_AT_ONCE = 16


def hundred_prompts(chat: ChatFormat, data: Path) -> list[Prompt]:
    """A hundred real prefixes of all kinds, behind their questions."""
    return chat.steered([(one.question, one.prefix) for one in hundred_prefixes(data, chat.tokens)])


async def echoed(
    base_url: str, prompts: Sequence[Prompt], *, key: str | None = None, mode: Mode = "ids"
) -> list[tuple[int, ...] | None]:
    """The ids that a server says it saw of each prompt; it is asked for one token after each.

    Args:
        base_url: Of a server with one model.
        prompts: What is sent.
        key: Of the server.
        mode: How they are sent.
    """
    endpoint = Endpoint(base_url, key=key, timeout=120, max_retries=0)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(prompt: Prompt, model: str) -> tuple[int, ...] | None:
        params = SamplingParams(temperature=0.6, top_p=0.95, max_tokens=len(prompt.ids) + 1, seed=0)
        path, body = write_body(mode, model, prompt, params, samples=1, seed=0)
        async with slots:
            answer = await endpoint.post(path, body, partial(read_answer, samples=1, prompt_tokens=len(prompt.ids)))
        return tuple(answer.prompt_ids[0]) if answer.prompt_ids else None

    try:
        (served,) = await endpoint.models()
        return await asyncio.gather(*(ask(prompt, served.id) for prompt in prompts))
    finally:
        await endpoint.close()
