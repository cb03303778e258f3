"""A loopback server that renders, tokenises and decodes for real, as vLLM does; only the model is made up.

It can be told to do what servers do to prompts and completions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from support.background import listening

Write = Callable[[str, Random], str]
"""What is written after a prompt's text: the end token is put behind it."""


def think(prompt: str, draw: Random) -> str:
    """Think and answer; open the thinking where the prompt has not, close it where it is open."""
    opening = (
        ""
        if prompt.rpartition("assistant")[2].strip().startswith("<think>") or "<|Assistant|>" in prompt
        else "<think>\n"
    )
    words = " ".join(draw.choice(["two", "three", "five", "Hmm,", "so", "let", "me"]) for _ in range(40))
    return f"{opening} {words}\n</think>\n\nThe answer is \\boxed{{5}}. "


@dataclass
class ChatServer:
    """What the server is, and what it does wrong."""

    folder: Path
    """Of the model, for tokenizer and template."""
    model: str = "tiny"
    write: Write = think
    context: int | None = 40960
    key: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    """Sampling settings of the server's own, for requests that say nothing."""
    heeds: tuple[str, ...] = ("n", "seed", "top_k", "skip_special_tokens", "add_special_tokens", "ids", "text", "chat")
    """What requests may ask for."""
    echoes: bool = True
    counts: bool = True
    trims_prompts: bool = False
    trims_completions: bool = False
    changes_ids: bool = False
    appends: bool = False
    """Puts a prefilled turn behind its own generation prompt."""
    parser: bool = False
    """Takes thinking out of chat replies."""
    lists: bool = True
    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self._calls = 0

    async def models(self, request: web.Request) -> web.Response:
        if not self.lists:
            return _error(404, "Not Found")
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided")
        entry = {"id": self.model, "object": "model", "created": 0, "owned_by": "x", "max_model_len": self.context}
        return web.json_response({"object": "list", "data": [entry]})

    async def completions(self, request: web.Request) -> web.Response:
        body = await request.json()
        prompt = body["prompt"]
        mode = "text" if isinstance(prompt, str) else "ids"
        if mode not in self.heeds:
            return _error(400, f"prompt: {mode} are not taken")
        ids = prompt
        if mode == "text":
            ids = self._encode(prompt.rstrip() if self.trims_prompts else prompt, body)
        return self._answer(body, [*ids[:-1], 7] if self.changes_ids else ids, chat=False)

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "chat" not in self.heeds:
            return _error(404, "Not Found")
        messages, going_on = body["messages"], body.get("continue_final_message", False)
        try:
            if going_on and self.appends:
                text = self._render(messages[:-1]) + messages[-1]["content"]
            else:
                text = self._render(messages, continue_final_message=going_on)
        except ValueError as error:
            return _error(400, str(error))
        return self._answer(body, self._encode(text, {"add_special_tokens": False}), chat=True)

    def _render(self, messages: list[dict[str, Any]], *, continue_final_message: bool = False) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                continue_final_message=continue_final_message,
                add_generation_prompt=not continue_final_message,
            )
        )

    def _encode(self, text: str, body: dict[str, Any]) -> list[int]:
        special = "add_special_tokens" not in self.heeds or body.get("add_special_tokens", True)
        return list(self._tokenizer(text, add_special_tokens=special)["input_ids"])

    def _answer(self, body: dict[str, Any], ids: list[int], *, chat: bool) -> web.Response:
        self.requests.append(body)
        if self.context is not None and len(ids) + body["max_tokens"] > self.context:
            return _error(400, f"This model's maximum context length is {self.context} tokens")
        n = body.get("n", 1) if "n" in self.heeds else 1
        choices = [self._choice(body, ids, index, chat=chat) for index in range(n)]
        answer = {"id": "x", "object": "x", "created": 0, "model": self.model, "choices": choices}
        if self.echoes:
            answer["prompt_token_ids"] = ids
        if self.counts:
            answer["usage"] = {"prompt_tokens": len(ids), "completion_tokens": 1, "total_tokens": len(ids) + 1}
        return web.json_response(answer)

    def _choice(self, body: dict[str, Any], ids: list[int], index: int, *, chat: bool) -> dict[str, Any]:
        self._calls += 1
        settings: dict[str, Any] = {
            **self.defaults,
            **{name: body[name] for name in ("top_k", "min_p", "repetition_penalty") if name in body},
        }
        top_k = settings.get("top_k") if "top_k" in self.heeds else None
        greedy = body["temperature"] == 0 or top_k == 1
        seed = body.get("seed", 0) + index if "seed" in self.heeds else self._calls
        draw = Random("greedy" if greedy else f"{seed}/{None if top_k in (-1, 0) else top_k}")
        prompt = str(self._tokenizer.decode(ids))
        end = self._tokenizer.eos_token
        whole = self._tokenizer(self.write(prompt, draw) + end, add_special_tokens=False)["input_ids"]
        written = whole[: body["max_tokens"]]
        ended = len(written) == len(whole)
        shown = written[:-1] if ended else written
        skip = body.get("skip_special_tokens", True) if "skip_special_tokens" in self.heeds else True
        text = str(self._tokenizer.decode(shown, skip_special_tokens=skip))
        choice: dict[str, Any] = {"index": index, "finish_reason": "stop" if ended else "length"}
        if self.echoes:
            choice["token_ids"] = written
        text = text.strip() if self.trims_completions else text
        if not chat:
            return {**choice, "text": text}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self.parser:
            thinking, _, answer = text.removeprefix("<think>\n").partition("</think>")
            message |= {"reasoning_content": thinking, "content": answer.strip() or None}
        return {**choice, "message": message}


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


@asynccontextmanager
async def chatting(folder: Path, **fields: Any) -> AsyncIterator[ChatServer]:
    """Serve the model of a folder on a free port of the loopback interface."""
    server = ChatServer(folder, **fields)
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/completions", server.completions)
    app.router.add_post("/v1/chat/completions", server.chat)
    async with listening(app) as address:
        server.base_url = f"{address}/v1"
        yield server
