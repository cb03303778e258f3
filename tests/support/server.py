"""A loopback server that speaks vLLM's part of the completions protocol, and can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.background import listening

Answer = Callable[[list[int], int], str]
"""What is written after these ids, with this seed: the request's, and one more for each further choice, as in vLLM."""


@dataclass
class CompletionServer:
    """What was asked, and what goes wrong."""

    answer: Answer
    model: str = "tiny"
    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    faults: list[int | str] = field(default_factory=list)
    """For the next requests: a status, or a name that is found below."""
    context: int | None = None
    waiting: int = 0
    tokens: int = 3
    """What each completion takes; with less room it is cut in the middle."""

    async def models(self, _: web.Request) -> web.Response:
        listed = {"id": self.model, "object": "model", "created": 0, "owned_by": "x"}
        if self.context is not None:
            listed["max_model_len"] = self.context
        return web.json_response({"object": "list", "data": [listed]})

    async def completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append({**body, "headers": dict(request.headers)})
        self.waiting += 1
        self.most_at_once = max(self.most_at_once, self.waiting)
        try:
            await asyncio.sleep(0)
            return await self._reply(request, body)
        finally:
            self.waiting -= 1

    async def _reply(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else ""
        if isinstance(fault, int):
            return web.json_response(
                {"error": {"message": f"fault {fault}"}}, status=fault, headers={"Retry-After": "0"}
            )
        if fault == "cut":
            response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"id": "x"')
            assert request.transport is not None
            request.transport.abort()
            return response
        if fault == "no-n" and body.get("n", 1) > 1:
            return web.json_response({"error": {"message": "this server supports only n = 1"}}, status=400)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "no-choices":
            return web.json_response({"id": "x", "object": "text_completion", "created": 0, "model": self.model})
        if fault == "garbage":
            return web.Response(text="{not json", content_type="application/json")
        seen = [*body["prompt"], 1] if fault == "other-ids" else body["prompt"]
        room = min(self.tokens, body.get("max_tokens", self.tokens))
        cut = room < self.tokens
        choices = [
            {
                "index": index,
                "text": text[: len(text) // 2] if cut else text,
                "finish_reason": {"odd-reason": "abort", "filtered": "content_filter"}.get(
                    str(fault), "length" if cut else "stop"
                ),
                "logprobs": None,
                "prompt_token_ids": seen,
                "token_ids": [1] * room,
            }
            for index in range(1 if fault == "few-choices" else body.get("n", 1))
            for text in [self.answer(body["prompt"], body.get("seed", 0) + index)]
        ]
        usage = {"prompt_tokens": len(seen), "completion_tokens": room, "total_tokens": len(seen) + room}
        return web.json_response(
            {
                "id": "x",
                "object": "text_completion",
                "created": 0,
                "model": self.model,
                "choices": choices,
                "usage": usage,
            }
        )

    def asked(self) -> Counter[tuple[int, ...]]:
        """How often each prompt was asked for."""
        return Counter(tuple(request["prompt"]) for request in self.requests)


@asynccontextmanager
async def serving(answer: Answer, **fields: Any) -> AsyncIterator[CompletionServer]:
    """Serve on a free port of the loopback interface."""
    server = CompletionServer(answer, **fields)
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/completions", server.completions)
    async with listening(app) as address:
        server.base_url = f"{address}/v1"
        yield server
