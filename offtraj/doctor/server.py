"""Asking a server what a run would ask it, and keeping what it says as it says it."""

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
    """One choice of an answer, and what the answer says of the prompt."""

    text: str
    ids: tuple[int, ...] | None
    """Of the text, where the server says them."""
    ended: str | None
    """Its finish reason."""
    reasoning: bool
    """Whether thinking is in a field of its own, taken out of the text."""
    choices: int
    seen: tuple[int, ...] | None
    """The prompt's ids, as the server says it saw them."""
    counted: int | None
    """How many there were, as it says."""


class Refusal(Exception):
    """The server did not take the request."""


@dataclass
class Server:
    """A server, and the model that is asked there."""

    endpoint: Endpoint
    model: str
    chat: ChatFormat
    sampling: SamplingSpec
    prefill: str | None = None
    """How it is told to go on with a turn, once it has taken one."""
    drop: str = ""
    """The BOS that it puts before every text, and that is left out of ours."""

    @property
    def url(self) -> str:
        """Its address, without secrets."""
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
        """Send what a run would send.

        Args:
            mode: How the prompt is sent.
            prompt: What to go on from.
            tokens: To write at most.
            n: Choices.
            seed: Of the first.
            temperature: The spec's by default.
            without: Fields of a run's request that are left out.
            fields: Fields that are put in, or changed.

        Raises:
            Refusal: saying why.
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
            except (Rejected, Unanswered) as error:  # the first refusal is that of the way that says most
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
