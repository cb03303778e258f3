"""A model on an OpenAI-compatible server: prompts as token ids, or as text or chat where the spec says so.

Retries and pacing are left to `endpoint`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, get_args

from offtraj.engines.engine import Opening
from offtraj.engines.openai.endpoint import Endpoint, open_endpoint, public_url
from offtraj.engines.openai.failure import Absent, Rejected, Unanswered
from offtraj.engines.openai.listing import choose_served
from offtraj.engines.openai.wire import PREFILLS, Answer, Mode, difference, read_answer, write_body
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Failure, Reply, Request, SamplingParams, contiguous_runs
from offtraj.model.model import Model
from offtraj.model.prompt import Prompt
from offtraj.spec import OpenAISpec

__all__ = ["OpenAIEngine", "open_openai"]

_GIVE_UP_AFTER = 20  # samples in a row that failed after all retries
_SHORT = 3  # answers in a row with fewer choices than requested: the server's limit
_LOOK_SECONDS = 0.5  # between two reads of the length of the server's queue
_NOT_N = re.compile(r"\bn\b|\bbest_of\b|\bchoices\b", re.IGNORECASE)
_PROBE_PARAMS = SamplingParams(temperature=0.0, top_p=1.0, max_tokens=1, seed=0)


class _Arrived(NamedTuple):
    """The result of a request, on its way to the caller."""

    request: Request
    replies: list[Reply]
    error: Exception | None = None


class OpenAIEngine:
    """Requests over HTTP, as many concurrently as the server can process.

    All samples of a prompt are one request. Requests are sent in their order, so that prompts that share a prefix are
    in flight together. Only requests in flight are in memory.
    """

    def __init__(
        self,
        model: Model,
        endpoint: Endpoint,
        *,
        mode: Mode = "ids",
        start: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            model: The model.
            endpoint: The server.
            mode: How prompts are sent.
            start: Awaited before the first request.
            stop: Awaited at the end.
        """
        assert model.path is not None and model.format is not None
        self.prompt_mode: Mode = mode
        # Another prompt mode is another measurement.
        self.identity = model.identity if mode == "ids" else f"{model.identity}#{mode}"
        self._names = (model.id, model.path)
        self._close = model.format.delimiters.close
        self._bos = str(model.format.tokenizer.bos_token or "")
        self._endpoint, self._start, self._stop = endpoint, start, stop
        self._url = public_url(endpoint.base_url)
        self._served: str | None = None
        self._context: int | None = None
        self._at_most: int | None = None
        self._short = 0
        self._answered = False
        self._prefill = PREFILLS[0]
        self._drop = ""
        (self._probe,) = model.format.steered([("What is 1 + 1?", "Okay, so")])
        self._in_flight = 0

    @classmethod
    async def probed(cls, model: Model, endpoint: Endpoint) -> OpenAIEngine:
        """An engine in the first prompt mode that the server accepts: ids, text, chat.

        Raises:
            EngineError: when it accepts none, or cannot be reached.
        """
        refusals = []
        for mode in get_args(Mode):
            engine = cls(model, endpoint, mode=mode)
            refusal = await engine.refusal()
            if refusal is None:
                return engine
            refusals.append(f"{mode}: {refusal}")
        raise EngineError(f"{public_url(endpoint.base_url)}: accepts prompts in no mode: {'; '.join(refusals)}")

    async def refusal(self) -> str | None:
        """Why the server does not accept a prompt in this mode; `None` where it does. Samples one token.

        Also finds how a chat server is told to continue a turn, and whether a server adds a BOS to a text.

        Raises:
            EngineError: when the server cannot be reached.
        """
        self._served = self._served or await self._served_name()
        prompt = self._probe
        request = Request("", "", prompt, (0,), replace(_PROBE_PARAMS, max_tokens=len(prompt.ids) + 1))
        refusal = ""
        for prefill in PREFILLS if self.prompt_mode == "chat" else PREFILLS[:1]:
            self._prefill = prefill
            try:
                answer = await self._post(request, request.samples)
                if self.prompt_mode == "ids":
                    self._check_ids(prompt.ids, answer)
                if self.prompt_mode == "text" and self._doubles(prompt, answer):
                    self._drop = self._bos
                return None
            except Rejected as error:
                if error.status in (401, 403):
                    raise EngineError(f"{self._url}: {error}") from None
                refusal = str(error)
            except Absent as error:
                raise EngineError(f"{self._url}: {error}") from None
            except (Unanswered, EngineError) as error:  # or it read the ids as something else
                return str(error)
        return refusal

    def facts(self) -> dict[str, Any]:
        """What a run's record says of the engine."""
        return {
            "base_url": self._url,
            "mode": self.prompt_mode,
            "served": self._served,
            "context": self._context,
            "tried_again": dict(self._endpoint.faults),
        }

    async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """A reply for each sample, in the order of the server's answers.

        Raises:
            EngineError: when the server cannot be reached, does not serve the model, refuses the key, saw
                ids that were not sent, has too short a context, or fails request after request.
        """
        pending = iter(requests)
        tasks: set[asyncio.Task[None]] = set()
        arrived: asyncio.Queue[_Arrived | None] = asyncio.Queue()
        failed_in_a_row, looking = 0, False
        self._in_flight = 0
        try:
            while True:
                while self._in_flight < self._endpoint.limiter.limit:
                    request = next(pending, None)
                    if request is None:
                        break
                    if not looking:
                        await self._begin(request.params.max_tokens)
                        tasks.add(asyncio.create_task(self._look(arrived)))
                        looking = True
                    self._in_flight += len(request.samples)
                    task = asyncio.create_task(self._answer(request, arrived))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                if not self._in_flight:
                    return
                found = await arrived.get()
                if found is None:  # wakes this loop after a change of the limit
                    continue
                self._in_flight -= len(found.request.samples)
                for reply in found.replies:
                    failed_in_a_row = failed_in_a_row + 1 if isinstance(reply.result, Failure) else 0
                    yield reply
                error = found.error
                if error is None and failed_in_a_row >= _GIVE_UP_AFTER:
                    error = self._gave_up(failed_in_a_row, found.replies)
                if error is not None:
                    for reply in _left(arrived):  # replies that have arrived are not lost
                        yield reply
                    raise error
        finally:
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections, and stop a server that was started."""
        try:
            await self._endpoint.close()
        finally:
            if self._stop is not None:
                await self._stop()

    def _gave_up(self, failed: int, replies: Sequence[Reply]) -> EngineError:
        last = next(reply.result.message for reply in reversed(replies) if isinstance(reply.result, Failure))
        never = self.prompt_mode == "ids" and not self._answered
        hint = ": if it does not accept token ids, set `prompts` to text, chat or auto" if never else ""
        return EngineError(f"{self._url}: {failed} samples failed in a row, the last with: {last}{hint}")

    async def _begin(self, max_tokens: int) -> None:
        """Start the server where offtraj runs it, and check its model, context and prompt mode."""
        if self._start is not None:
            await self._start()
        self._served = await self._served_name()
        if self._context is not None and self._context < max_tokens:
            raise EngineError(
                f"{self._url}: its context is {self._context} tokens of prompt and completion, and `sampling.max_tokens` is "
                f"{max_tokens}: serve it with a longer context (vLLM: --max-model-len {max_tokens}), or lower max_tokens"
            )
        if self.prompt_mode != "ids":
            refusal = await self.refusal()
            if refusal is not None:
                raise EngineError(f"{self._url}: does not accept prompts as {self.prompt_mode}: {refusal}")

    async def _served_name(self) -> str:
        try:
            listed = await self._endpoint.models()
        except Rejected as error:
            if error.status not in (404, 405, 501):
                raise EngineError(f"{self._url}: cannot be asked for its models: {error}") from None
            return self._names[1]  # it lists none
        except Unanswered as error:
            raise EngineError(f"{self._url}: cannot be asked for its models: {error}") from None
        found = choose_served(listed, self._names)
        if found is None:
            shown = ", ".join(repr(model.id) for model in listed[:10]) + (" …" if len(listed) > 10 else "")
            raise EngineError(
                f"{self._url}: serves {shown or 'no model'}, none of them {self._names[0]!r} or {self._names[1]!r}: "
                "serve it under one of these names"
            )
        self._context = found.max_model_len
        return found.id

    async def _look(self, arrived: asyncio.Queue[_Arrived | None]) -> None:
        """Tell the limiter what the server says of its queue, where it says anything; it may be away meanwhile."""
        told = False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            waiting = await self._endpoint.waiting()
            if waiting is None:
                if not told:
                    return
                continue
            told = True
            before = self._endpoint.limiter.limit
            self._endpoint.limiter.queued(waiting, self._in_flight)
            if self._endpoint.limiter.limit > before:
                arrived.put_nowait(None)

    async def _answer(self, request: Request, arrived: asyncio.Queue[_Arrived | None]) -> None:
        try:
            found = _Arrived(request, await self._ask(request))
        except Exception as error:  # raised in `replies`
            found = _Arrived(request, [], error)
        else:
            tokens = sum(reply.result.tokens or 1 for reply in found.replies if isinstance(reply.result, Completion))
            if tokens:
                self._endpoint.limiter.answered(time.monotonic(), len(found.replies), tokens)
        arrived.put_nowait(found)

    async def _ask(self, request: Request) -> list[Reply]:
        assert request.prompt is not None
        if request.params.max_tokens <= len(request.prompt.ids):
            spent = Completion("", "length", len(request.prompt.ids), 0)
            return [Reply(request, sample, spent) for sample in request.samples]
        results: dict[int, Completion | Failure] = {}
        missing: Sequence[int] = request.samples
        # Fewer choices than requested are no failure: the rest is requested again as long as any arrive.
        while missing:
            parts = list(contiguous_runs(missing, self._at_most))
            for found in await asyncio.gather(*(self._part(request, part) for part in parts)):
                results |= found
            missing = [sample for sample in request.samples if sample not in results]
        return [Reply(request, sample, results[sample]) for sample in request.samples]

    async def _part(self, request: Request, part: tuple[int, ...]) -> dict[int, Completion | Failure]:
        """Samples without a gap, in one request. Those missing in the answer are requested again by the caller."""
        assert request.prompt is not None
        try:
            answer = await self._post(request, part)
        except Rejected as error:
            if error.status in (401, 403, 404):
                raise EngineError(f"{self._url}: {error}") from None
            if len(part) > 1 and self._at_most is None and _NOT_N.search(str(error)):
                self._at_most = 1
                return {}
            return {sample: Failure(f"rejected: {error}") for sample in part}
        except Absent as error:
            raise EngineError(f"{self._url}: {error}") from None
        except Unanswered as error:
            return {sample: Failure(str(error)) for sample in part}
        if self.prompt_mode == "ids":
            self._check_ids(request.prompt.ids, answer)
        self._answered = True
        if len(part) > 1:
            self._short = self._short + 1 if len(answer.choices) < len(part) else 0
            if self._short >= _SHORT:
                self._at_most = max(1, len(answer.choices))
        return {part[index]: result for index, result in answer.choices.items()}

    async def _post(self, request: Request, part: tuple[int, ...]) -> Answer:
        prompt = request.prompt
        assert prompt is not None and self._served is not None
        path, body = write_body(
            self.prompt_mode,
            self._served,
            prompt,
            request.params,
            samples=len(part),
            seed=replace(request, samples=part).seed,
            prefill=self._prefill,
            drop=self._drop,
        )
        read = partial(read_answer, samples=len(part), prompt_tokens=len(prompt.ids), close=self._close)
        return await self._endpoint.post(path, body, read)

    def _doubles(self, prompt: Prompt, answer: Answer) -> bool:
        """Whether the server has added a second BOS to the text."""
        return bool(self._bos) and prompt.text.startswith(self._bos) and answer.prompt_tokens == len(prompt.ids) + 1

    def _check_ids(self, sent: Sequence[int], answer: Answer) -> None:
        """Compare the ids (or their number) that the server reports with those that were sent.

        Raises:
            EngineError: for a difference.
        """
        found = next((text for seen in answer.prompt_ids if (text := difference(sent, seen))), None)
        if found is None and not answer.prompt_ids and answer.prompt_tokens not in (None, len(sent)):
            found = f"it counts {answer.prompt_tokens} ids for {len(sent)}"
        if found is not None:
            raise EngineError(f"{self._url}: the server saw a prompt that differs from the one sent: {found}")


def _left(arrived: asyncio.Queue[_Arrived | None]) -> Iterator[Reply]:
    while not arrived.empty():
        found = arrived.get_nowait()
        if found is not None:
            yield from found.replies


async def open_openai(spec: OpenAISpec, opening: Opening) -> OpenAIEngine:
    """The model on the server that a spec declares.

    Raises:
        SpecError: for a variable that is not set.
        EngineError: for a key that is not set, or when `prompts: auto` finds no mode that the server takes.
    """
    file = opening.file
    endpoint = open_endpoint(spec, spec.base_url if file is None else file.expand(spec.base_url, "engines"))
    if spec.prompts != "auto":
        return OpenAIEngine(opening.model, endpoint, mode=spec.prompts)
    try:
        return await OpenAIEngine.probed(opening.model, endpoint)
    except BaseException:
        await endpoint.close()
        raise
