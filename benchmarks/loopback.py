"""A server of completions that answers at once: what a request then takes is what its client takes.

    python benchmarks/loopback.py [--characters 8000]

It prints its address, and serves until it is ended. Completions and chat completions are answered alike: reasoning of so
many characters, the end of thinking, and a boxed answer, one in four of which needs algebra to be compared. Who asks for
token ids is told those of the prompt, as they came, and made-up ones of the answer, one for four characters, as vLLM does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from typing import Any

from aiohttp import web

SENTENCE = "So \\( x^2 + 3x \\) is what we have, and from this it follows that the sum of both has to be even. "


class Loopback:
    """Answers of one length."""

    def __init__(self, characters: int) -> None:
        self._thinking = (SENTENCE * (characters // len(SENTENCE) + 1))[:characters]
        self._ids = json.dumps([at % 500 + 10 for at in range(characters // 4)], separators=(",", ":"))
        self._asked = 0

    async def completion(self, request: web.Request) -> web.Response:
        """Answer a request of either kind."""
        body: dict[str, Any] = json.loads(await request.read())
        chat = request.path.endswith("chat/completions")
        prompt = body["messages"] if chat else body["prompt"]
        prompts = prompt if not chat and prompt and isinstance(prompt[0], list) else [prompt]  # lm-eval sends lists
        sent = [self._choice(body, one, chat) for one in prompts for _ in range(body.get("n") or 1)]
        numbered = ",".join(f'{{"index":{index},{choice}}}' for index, choice in enumerate(sent))
        used = json.dumps({"prompt_tokens": 0, "completion_tokens": len(self._thinking) // 4, "total_tokens": 0})
        kind = "chat.completion" if chat else "text_completion"
        head = f'"id":"{self._asked}","object":"{kind}","created":0,"model":{json.dumps(body["model"])}'
        text = f'{{{head},"choices":[{numbered}],"usage":{used}}}'
        return web.Response(text=text, content_type="application/json")

    def _choice(self, body: dict[str, Any], prompt: object, chat: bool) -> str:
        number = self._asked = self._asked + 1
        answer = f"x + {number % 10}" if number % 4 == 0 else str(number % 10)
        text = json.dumps(f"{number}. {self._thinking}\n</think>\n\nThe answer is \\boxed{{{answer}}}.")
        said = f'"message":{{"role":"assistant","content":{text}}}' if chat else f'"text":{text}'
        ids = ""
        if body.get("return_token_ids"):
            ids = f',"prompt_token_ids":{json.dumps(prompt)},"token_ids":{self._ids}'
        return f'{said},"logprobs":null,"finish_reason":"stop"{ids}'

    async def models(self, _request: web.Request) -> web.Response:
        """The one model that there is."""
        return web.json_response({"object": "list", "data": [{"id": "sturdy", "object": "model"}]})


async def serve(characters: int) -> None:
    """Serve until ended."""
    loopback = Loopback(characters)
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/v1/models", loopback.models)
    app.router.add_post("/v1/completions", loopback.completion)
    app.router.add_post("/v1/chat/completions", loopback.completion)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        site = web.SockSite(runner, listening, backlog=8192)
        await site.start()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=8_000, help="of reasoning, in each answer")
    asyncio.run(serve(parser.parse_args().characters))
