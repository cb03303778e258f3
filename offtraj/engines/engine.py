"""The protocol between requests and completions. The engines themselves are in `kinds`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from offtraj._util.progress import Progress, no_progress
from offtraj.model.completion import PromptMode, Reply, Request
from offtraj.model.model import Model
from offtraj.spec import ModelSpec, SpecFile

__all__ = ["Engine", "Opening"]


class Engine(Protocol):
    """Turns requests into replies, in any order.

    It pulls requests only as fast as it can serve them, so that a million of them need no memory. It retries what may
    succeed, and replies with a `Failure` otherwise. It never strips text.
    """

    @property
    def identity(self) -> str:
        """The key of its completions in the store: changes with the weights, or with the recording."""

    @property
    def prompt_mode(self) -> PromptMode:
        """How prompts reach the model (`exactness` in a run's outcomes)."""

    def facts(self) -> Mapping[str, Any]:
        """What a run's record says of the engine besides kind and identity; no secrets."""

    def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """A reply for each sample of each request.

        Raises:
            EngineError: when the run cannot go on: the server is gone, or saw a prompt that was not sent.
        """

    async def close(self) -> None:
        """Release what it holds. It cannot be used afterwards."""


class Opening(NamedTuple):
    """What an engine is opened for."""

    model: Model
    """The model that it runs."""
    file: SpecFile | None = None
    """The spec that declares it, for paths and variables; none for an engine that is given by hand."""
    declared: ModelSpec | None = None
    """The model's declaration; needed for recordings."""
    progress: Progress = no_progress
    """Is told what is waited for."""
