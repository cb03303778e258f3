"""What is asked of a model, and what it wrote."""

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
"""`stop`: the model ended; `length`: it ran out of tokens."""

PromptMode = Literal["ids", "text", "chat", "recorded"]
"""How a prompt reached the model: as token ids, as text, as a prefilled chat turn; or long ago."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to sample. Tokens are those of prompt and completion together."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Request:
    """Some samples of one prompt."""

    key: str
    """Content hash under which the completions are kept."""
    subject: str
    """What is asked about: a question's id, or a steered row's."""
    prompt: Prompt | None
    """None where nothing is sampled: recordings."""
    samples: tuple[int, ...]
    """Sample numbers that are wanted, ascending."""
    params: SamplingParams
    context: object = None
    """The asker's own; handed back with each reply."""

    @property
    def seed(self) -> int:
        """Seed of the request: it differs from prompt to prompt, and by one from sample to sample."""
        return (rank(self.params.seed, "samples", self.key) + self.samples[0]) % 2**31


def contiguous_runs(numbers: Sequence[int], most: int | None = None) -> Iterator[tuple[int, ...]]:
    """Split ascending sample numbers into runs without a gap, of at most `most`: what one request can ask for."""
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
    """What the model wrote, exactly, special tokens of its vocabulary included."""

    text: str
    finish_reason: FinishReason | None
    """None where a recording does not say."""
    prompt_tokens: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that did not give a completion, after all retries."""

    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One sample of a request, or why there is none."""

    request: Request
    sample: int
    result: Completion | Failure
