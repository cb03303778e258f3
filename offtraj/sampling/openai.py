"""A server that takes token ids on `/v1/completions`: vLLM, SGLang and their relatives."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from offtraj.completion import Completion, Exactness, Failure, Reply, Request
from offtraj.errors import EngineError
from offtraj.reasoner import Reasoner
from offtraj.spec import OpenAISpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Completion as Response

__all__ = ["OpenAIEngine", "detail", "open_client"]

_GIVE_UP_AFTER = 20  # requests in a row that failed for good: the server is of no use


class OpenAIEngine:
    """Requests over HTTP, many at once; the client retries what may succeed, with back-off."""

    exactness: Exactness = "ids"

    def __init__(self, reasoner: Reasoner, spec: OpenAISpec, *, base_url: str) -> None:
        """Make a client; nothing is sent yet.

        Raises:
            EngineError: when the spec names a key that the environment does not hold.
        """
        assert reasoner.path is not None
        self.identity = reasoner.identity
        self._names = (reasoner.path, reasoner.id)
        self._base_url = base_url
        self._concurrency = spec.concurrency
        self._served: str | None = None
        self._client = open_client(spec, base_url)

    async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """A reply for each sample, in the order in which the server answers.

        Raises:
            EngineError: when the server cannot be reached, does not serve the model, refuses the key, saw
                other ids than were sent, or fails one request after the other.
        """
        pending = iter(requests)
        tasks: set[asyncio.Task[list[Reply]]] = set()
        failed_in_a_row = 0
        try:
            exhausted = False
            while True:
                while not exhausted and len(tasks) < self._concurrency:
                    request = next(pending, None)
                    if request is None:
                        exhausted = True
                    else:
                        self._served = self._served or await self._served_name()
                        tasks.add(asyncio.create_task(self._ask(request)))
                if not tasks:
                    return
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    for reply in task.result():
                        failed = isinstance(reply.result, Failure)
                        failed_in_a_row = failed_in_a_row + 1 if failed else 0
                        yield reply
                        if isinstance(reply.result, Failure) and failed_in_a_row >= _GIVE_UP_AFTER:
                            raise EngineError(
                                f"{self._base_url}: {failed_in_a_row} samples failed in a row, the last with: "
                                f"{reply.result.message}"
                            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _served_name(self) -> str:
        import openai

        try:
            served = [model.id async for model in self._client.models.list()]
        except openai.APIError as error:
            raise EngineError(f"{self._base_url}: cannot be asked for its models: {detail(error)}") from error
        for name in self._names:
            if name in served:
                return name
        if len(served) == 1:
            return served[0]
        raise EngineError(
            f"{self._base_url}: serves {', '.join(map(repr, served)) or 'no model'}, none of them "
            f"{self._names[0]!r} or {self._names[1]!r}: serve it under one of these names"
        )

    async def _ask(self, request: Request) -> list[Reply]:
        import openai

        assert request.prompt is not None and self._served is not None
        ids, params = request.prompt.ids, request.params
        budget = params.max_tokens - len(ids)
        if budget <= 0:
            spent = Completion("", "length", len(ids), 0)
            return [Reply(request, sample, spent) for sample in request.samples]
        try:
            response = await self._client.completions.create(
                model=self._served,
                prompt=list(ids),
                n=len(request.samples),
                max_tokens=budget,
                temperature=params.temperature,
                top_p=params.top_p,
                seed=request.seed,
                extra_body={
                    "return_token_ids": True,
                    "add_special_tokens": False,
                    "skip_special_tokens": False,
                    "spaces_between_special_tokens": False,
                },
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise EngineError(f"{self._base_url}: {detail(error)}") from error
        except openai.APIConnectionError as error:  # a time-out is one, too
            if _refused(error):
                raise EngineError(f"{self._base_url}: the server is gone: {detail(error)}") from error
            return _failures(request, detail(error))
        except openai.APIError as error:
            return _failures(request, detail(error))
        except ValueError as error:  # the body is no JSON
            return _failures(request, f"malformed reply: {detail(error)}")
        if not isinstance(getattr(response, "choices", None), list):
            return _failures(request, f"malformed reply: {str(response)[:80]!r}")
        self._check_echo(ids, response)
        return _replies(request, response)

    def _check_echo(self, sent: Sequence[int], response: Response) -> None:
        """Hold what the server saw against what was sent, where it says what it saw."""
        for choice in response.choices:
            seen = (choice.model_extra or {}).get("prompt_token_ids")
            if seen is None or list(seen) == list(sent):
                continue
            pairs = zip(list(sent), list(seen), strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(sent), len(seen)))
            raise EngineError(
                f"{self._base_url}: the server saw another prompt than was sent: {len(seen)} ids for {len(sent)}, "
                f"the first difference at {at}: sent {list(sent)[at : at + 5]}, saw {list(seen)[at : at + 5]}"
            )


def open_client(spec: OpenAISpec, base_url: str) -> AsyncOpenAI:
    """A client of the server that a spec declares; nothing is sent yet.

    Raises:
        EngineError: when the spec names a key that the environment does not hold.
    """
    from openai import AsyncOpenAI, DefaultAioHttpClient

    key = "none"
    if spec.api_key_env is not None:
        key = os.environ.get(spec.api_key_env, "")
        if not key:
            raise EngineError(f"{base_url}: the key's environment variable {spec.api_key_env} is not set")
    return AsyncOpenAI(
        base_url=base_url,
        api_key=key,
        timeout=spec.timeout,
        max_retries=spec.max_retries,
        http_client=DefaultAioHttpClient(timeout=spec.timeout),
    )


def _replies(request: Request, response: Response) -> list[Reply]:
    choices = {choice.index: choice for choice in response.choices}
    prompt_tokens = len(request.prompt.ids) if request.prompt is not None else None
    replies = []
    for index, sample in enumerate(request.samples):
        choice: Any = choices.get(index)
        if choice is None:
            result: Completion | Failure = Failure(f"{len(choices)} choices for {len(request.samples)} asked")
        elif choice.finish_reason not in ("stop", "length") or not isinstance(choice.text, str):
            result = Failure(f"finish reason {choice.finish_reason!r}, text {type(choice.text).__name__}")
        else:
            ids = cast("list[int] | None", (choice.model_extra or {}).get("token_ids"))
            used = response.usage.completion_tokens if response.usage and len(request.samples) == 1 else None
            tokens = used if ids is None else len(ids)
            result = Completion(choice.text, choice.finish_reason, prompt_tokens, tokens)
        replies.append(Reply(request, sample, result))
    return replies


def _refused(error: BaseException) -> bool:
    """Whether nobody listens there any more; the client calls that a time-out, too."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__
    return cause is not None


def _failures(request: Request, message: str) -> list[Reply]:
    return [Reply(request, sample, Failure(message)) for sample in request.samples]


def detail(error: Exception) -> str:
    """The first line of an error and of what caused it: no headers, no key."""
    parts = [f"{type(error).__name__}: {(str(error).strip() or '(no message)').splitlines()[0][:300]}"]
    if error.__cause__ is not None and str(error.__cause__):
        parts.append(str(error.__cause__).splitlines()[0][:300])
    return ": ".join(parts)
