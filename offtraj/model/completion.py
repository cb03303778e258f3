"""Requests to a model, and its completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from offtraj._util.digest import rank
from offtraj.model.prompt import Prompt

__all__ = [
    "Completion",
    "Failure",
    "FinishReason",
    "Message",
    "PromptMode",
    "Reply",
    "Request",
    "SamplingParams",
    "contiguous_runs",
]

FinishReason = Literal["stop", "length"]
"""`stop`: the model ended its text; `length`: the token limit was reached."""

PromptMode = Literal["ids", "text", "chat", "recorded"]
"""How a prompt reached the model: as token ids, as text, or as a prefilled chat turn; `recorded` where that is unknown.

Data sets and run records call it `exactness`.
"""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Sampling parameters. `max_tokens` counts prompt and completion together."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Request:
    """Some samples of one prompt."""

    key: str
    """Content hash: the key of the completions in the store."""
    subject: str
    """The id of the question or steered row."""
    prompt: Prompt | None
    """None for recordings, where nothing is sampled."""
    samples: tuple[int, ...]
    """Numbers of the requested samples, ascending."""
    params: SamplingParams
    context: object = None
    """A value of the caller; returned with each reply."""

    @property
    def seed(self) -> int:
        """Seed of the request: it differs from prompt to prompt, and by one from sample to sample."""
        return (rank(self.params.seed, "samples", self.key) + self.samples[0]) % 2**31


def contiguous_runs(numbers: Sequence[int], most: int | None = None) -> Iterator[tuple[int, ...]]:
    """Runs without a gap in ascending sample numbers, each of at most `most` numbers: the samples of one request."""
    start = 0
    for index in range(1, len(numbers) + 1):
        full = most is not None and index - start >= most
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1 or full:
            yield tuple(numbers[start:index])
            start = index


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user"]
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """The model's text, unchanged and with special tokens."""

    text: str
    finish_reason: FinishReason | None
    """None for recordings without finish reasons."""
    prompt_tokens: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a completion, after all retries."""

    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One sample of a request, or the reason why there is none."""

    request: Request
    sample: int
    result: Completion | Failure
