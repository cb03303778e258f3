"""A loopback server that speaks `/v1/chat/completions`, plays a judge's replies, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.background import listening

Reply = Mapping[str, str | None]
"""`reply` and `finish_reason`, as recorded ones have them."""

CORRECT = {"reply": "<analysis>the same</analysis>\n<judge>CORRECT</judge>", "finish_reason": "stop"}
WRONG = {"reply": "<analysis>they differ</analysis>\n<judge>WRONG</judge>", "finish_reason": "stop"}


@dataclass
class JudgeServer:
    """What was asked, what is replied, and what goes wrong."""

    reply: Callable[[str], Reply]
    """The reply to a user's message."""
    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[int | str] = field(default_factory=list)
    """For the next requests: a status, `slow`, `garbage`, `no-choices`, `cut` or ``."""

    async def completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        fault = self.faults.pop(0) if self.faults else ""
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "no"}}, status=fault, headers={"Retry-After": "0"})
        if fault == "slow":
            await asyncio.sleep(60)
        if fault == "garbage":
            return web.Response(text="{not json", content_type="application/json")
        if fault == "no-choices":
            return web.json_response({"id": "x", "object": "chat.completion", "created": 0, "model": "j"})
        if fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        reply = self.reply(body["messages"][-1]["content"])
        message = {"role": "assistant", "content": reply["reply"]}
        return web.json_response(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": reply["finish_reason"]}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        )

    @property
    def answers(self) -> list[str]:
        """The students' answers that were judged, in their order."""
        return [student(body["messages"][-1]["content"]) for body in self.requests]


def student(message: str) -> str:
    """The student's answer in a judge's prompt."""
    return message.partition("\n\nStudent Answer: ")[2]


def standard(message: str) -> str:
    """The standard answer in a judge's prompt."""
    found = re.search(r"\n\nStandard Answer: (.*?)\n\nStudent Answer: ", message, re.DOTALL)
    assert found is not None
    return found[1]


@asynccontextmanager
async def judging(reply: Callable[[str], Reply], **fields: Any) -> AsyncIterator[JudgeServer]:
    """Serve on a free port of the loopback interface."""
    server = JudgeServer(reply, **fields)
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", server.completions)
    async with listening(app) as address:
        server.base_url = f"{address}/v1"
        yield server
