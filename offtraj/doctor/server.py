"""Requests to a server as a run would send them, and its unprocessed answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from offtraj.engines.openai.endpoint import Endpoint, public_url
from offtraj.engines.openai.failure import Malformed, Rejected, Unanswered
from offtraj.engines.openai.wire import PREFILLS, Mode, write_body
from offtraj.model.completion import SamplingParams
from offtraj.model.prompt import ChatFormat, Prompt
from offtraj.spec import SamplingSpec

__all__ = ["Refusal", "Said", "Server"]

_ATTEMPTS = 2


class Said(NamedTuple):
    """One choice of an answer, and what the answer reports of the prompt."""

    text: str
    ids: tuple[int, ...] | None
    """The ids of the text, where the server reports them."""
    ended: str | None
    """Its finish reason."""
    reasoning: bool
    """Whether thinking is in a separate field instead of the text."""
    choices: int
    seen: tuple[int, ...] | None
    """The prompt's ids that the server reports."""
    counted: int | None
    """The number of prompt tokens that the server reports."""


class Refusal(Exception):
    """The server did not accept the request."""


@dataclass
class Server:
    """A server, and a model on it."""

    endpoint: Endpoint
    model: str
    chat: ChatFormat
    sampling: SamplingSpec
    prefill: str | None = None
    """The way to continue a turn that it has accepted; `None` before the first."""
    drop: str = ""
    """The BOS that it adds to every text, which requests therefore leave out."""

    @property
    def url(self) -> str:
        """Its URL, without secrets."""
        return public_url(self.endpoint.base_url)

    async def ask(
        self,
        mode: Mode,
        prompt: Prompt,
        tokens: int,
        *,
        n: int = 1,
        seed: int = 0,
        temperature: float | None = None,
        without: Sequence[str] = (),
        **fields: object,
    ) -> Said:
        """The answer to a request as a run would send it.

        Args:
            mode: The prompt mode.
            prompt: The prompt.
            tokens: Largest number of tokens of the completion.
            n: Number of choices.
            seed: Seed of the first choice.
            temperature: The spec's by default.
            without: Fields of a run's request that are left out.
            fields: Fields that are added or changed.

        Raises:
            Refusal: when the server does not accept it, with the reason.
        """
        params = SamplingParams(
            temperature=self.sampling.temperature if temperature is None else temperature,
            top_p=self.sampling.top_p,
            max_tokens=len(prompt.ids) + tokens,
            seed=seed,
        )
        going_on = mode == "chat" and bool(prompt.thinking)
        refusal = ""
        for prefill in PREFILLS if going_on and self.prefill is None else (self.prefill or PREFILLS[0],):
            path, body = write_body(
                mode, self.model, prompt, params, samples=n, seed=seed, prefill=prefill, drop=self.drop
            )
            body = {name: value for name, value in body.items() if name not in without} | fields
            try:
                said = await self.endpoint.post(path, body, _read, attempts=_ATTEMPTS)
            except (Rejected, Unanswered) as error:  # the first refusal is the most specific
                refusal = refusal or str(error)
            else:
                self.prefill = prefill if going_on else self.prefill
                return said
        raise Refusal(refusal)


def _read(answer: dict[str, Any]) -> Said:
    try:
        first = min(answer["choices"], key=lambda choice: choice.get("index", 0))
        message = first.get("message") or {}
        thought = message.get("reasoning_content") or message.get("reasoning")
        text = first["text"] if "text" in first else message["content"] or ""
        seen = answer.get("prompt_token_ids") or first.get("prompt_token_ids")
        ids = first.get("token_ids")
        return Said(
            text=str(text),
            ids=None if ids is None else tuple(map(int, ids)),
            ended=first.get("finish_reason"),
            reasoning=bool(thought),
            choices=len(answer["choices"]),
            seen=None if seen is None else tuple(map(int, seen)),
            counted=(answer.get("usage") or {}).get("prompt_tokens"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(str(answer)[:80]) from error
