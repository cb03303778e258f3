"""A model that answers chat messages, over HTTP or in this process: how a judge is asked.

Models under test are not asked this way, because chat endpoints rewrite thinking that is put before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from offtraj._util.digest import content_id
from offtraj.engines.openai.endpoint import open_endpoint, public_url
from offtraj.engines.openai.failure import Malformed, Rejected, Unanswered
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Failure, Message, Request, SamplingParams
from offtraj.model.prompt import Prompt
from offtraj.spec import OpenAISpec, TransformersSpec

if TYPE_CHECKING:
    from offtraj.engines.transformers import LocalEngine

__all__ = ["Chat", "LocalChat", "OpenAIChat", "open_chat"]

_AT_ONCE = 64  # requests in flight


class Chat(Protocol):
    """A model that answers messages, greedily."""

    @property
    def identity(self) -> str:
        """The key of its replies in the store."""

    async def ask(self, messages: Sequence[Message], *, max_tokens: int, seed: int) -> Completion | Failure:
        """One reply at temperature 0.

        Args:
            messages: The conversation.
            max_tokens: Tokens of the reply, thinking included.
            seed: For servers that are not deterministic at temperature 0.

        Returns:
            The reply, with finish reason `None` where that is neither `stop` nor `length`; a `Failure` where all of the
            client's retries failed.

        Raises:
            EngineError: when the server refuses the key, or does not know the model.
        """

    async def close(self) -> None:
        """Release what it holds."""


def open_chat(spec: OpenAISpec | TransformersSpec, model: str) -> Chat:
    """A model by its name at a server, or by its folder or Hub id in this process.

    Raises:
        EngineError: for a key that is not set, or a model that cannot be found.
    """
    return OpenAIChat(spec, model) if isinstance(spec, OpenAISpec) else LocalChat(spec, model)


class OpenAIChat:
    """`/v1/chat/completions`, with the retries and the pacing of an `Endpoint`."""

    def __init__(self, spec: OpenAISpec, model: str) -> None:
        """Nothing is sent yet.

        Raises:
            EngineError: when the key's environment variable is not set.
        """
        self.identity = f"chat:{model}"
        self._model = model
        self._endpoint = open_endpoint(spec, spec.base_url)
        self._slots = asyncio.Semaphore(spec.concurrency or _AT_ONCE)

    async def ask(self, messages: Sequence[Message], *, max_tokens: int, seed: int) -> Completion | Failure:
        """One reply."""
        body = {
            "model": self._model,
            "messages": [message._asdict() for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "seed": seed,
        }
        try:
            async with self._slots:
                return await self._endpoint.post("/chat/completions", body, _read)
        except Rejected as error:
            if error.status in (401, 403, 404):
                raise EngineError(
                    f"{public_url(self._endpoint.base_url)}: the judge {self._model!r} cannot be asked: {error}"
                ) from None
            return Failure(f"rejected: {error}")
        except Unanswered as error:
            return Failure(str(error))

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


def _read(answer: dict[str, Any]) -> Completion:
    try:
        message, ended = answer["choices"][0]["message"], answer["choices"][0].get("finish_reason")
        text = message["content"] or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Malformed(str(answer)[:80]) from None
    usage = answer.get("usage") or {}
    return Completion(
        text=text,
        finish_reason=ended if ended in ("stop", "length") else None,
        prompt_tokens=usage.get("prompt_tokens"),
        tokens=usage.get("completion_tokens"),
    )


class LocalChat:
    """A model in this process, through its own chat template; concurrent requests form one batch."""

    def __init__(self, spec: TransformersSpec, path: str) -> None:
        """Load the tokenizer; the weights are loaded at the first request.

        Raises:
            EngineError: for a tokenizer that cannot be loaded, or has no chat template.
        """
        from offtraj.engines.transformers import LocalEngine
        from offtraj.model.model import model_at
        from offtraj.model.trajectory import THINK

        model = model_at(path, delimiters=THINK)
        assert model.format is not None
        self.identity = f"chat:{model.identity}"
        self._tokenizer = model.format.tokenizer
        self._engine: LocalEngine = LocalEngine(
            model, batch=spec.batch, dtype=spec.dtype, device=spec.device, clip=True
        )
        self._waiting: list[tuple[Request, asyncio.Future[Completion | Failure]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, messages: Sequence[Message], *, max_tokens: int, seed: int) -> Completion | Failure:
        """One reply."""
        chat = [message._asdict() for message in messages]
        text = str(self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
        ids = tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        params = SamplingParams(temperature=0.0, top_p=1.0, max_tokens=len(ids) + max_tokens, seed=seed)
        reply: asyncio.Future[Completion | Failure] = asyncio.get_running_loop().create_future()
        request = Request(content_id(text), "judge", Prompt(ids, text, 0), (0,), params, reply)
        self._waiting.append((request, reply))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await reply

    async def close(self) -> None:
        """Release the model; calls that still wait for a reply are cancelled."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        await self._engine.close()

    async def _work(self) -> None:
        """Reply to what is waiting, batch by batch; every failure goes to the callers that wait for a reply."""
        await asyncio.sleep(0)  # so that concurrent messages become one batch
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                async for done in self._engine.replies(request for request, _ in batch):
                    reply = done.request.context
                    assert isinstance(reply, asyncio.Future)
                    if not reply.done():  # else its caller was cancelled
                        reply.set_result(done.result)
                error: BaseException = EngineError(f"{self.identity}: the engine ended without a reply")
            except asyncio.CancelledError:
                for _, reply in (*batch, *self._waiting):
                    reply.cancel()
                raise
            except Exception as raised:
                error = raised
            for _, reply in batch:
                if not reply.done():
                    reply.set_exception(error)
