"""Prompts: the chat template rendered locally, followed by the prefix, tokenised once.

Chat endpoints rewrite given thinking (empty think blocks, trimmed white space, a second BOS), so the generation prompt
is rendered from the model's own template, and token ids are sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from offtraj.errors import EngineError
from offtraj.model.encoding import Encoder
from offtraj.model.tokens import HubTokens
from offtraj.model.trajectory import THINK, THOUGHT, Delimiters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["ChatFormat", "Prompt", "fill_template", "find_delimiters", "question_template"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids and their text."""

    ids: tuple[int, ...]
    text: str
    prefix_tokens: int
    """Number of ids that belong to the prefix; 0 for solo sampling."""
    user: str = ""
    """The user's turn, for servers that accept chat messages only."""
    thinking: str = ""
    """The given part of the assistant's turn: opening delimiter and prefix; empty for solo sampling."""

    @property
    def sha256(self) -> str:
        """SHA-256, in hex, of the ids as little-endian 32-bit integers."""
        return hashlib.sha256(np.asarray(self.ids, dtype="<i4").tobytes()).hexdigest()


class ChatFormat:
    """A model's tokenizer, chat template and thinking delimiters."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, delimiters: Delimiters | None, *, name: str) -> None:
        """Check the template; `delimiters` are the spec's, or `None` to find them.

        Raises:
            EngineError: without a chat template, with a slow tokenizer, or when no delimiters are found.
        """
        if not tokenizer.is_fast:
            raise EngineError(f"{name}: its tokenizer is a slow one, which gives no token offsets")
        if not tokenizer.chat_template:
            raise EngineError(f"{name}: its tokenizer has no chat template")
        self.tokenizer = tokenizer
        self._name = name
        self._encoder = Encoder(tokenizer, name=name)
        self.normalizes = self._encoder.normalizes
        self.delimiters = delimiters or find_delimiters(tokenizer, self.generation_prompt("?"), name)
        self.tokens = HubTokens(tokenizer, unit=name)

    def generation_prompt(self, question: str) -> str:
        """The rendered template up to the model's turn: one user turn, no system prompt."""
        messages = [{"role": "user", "content": question}]
        try:
            return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        except Exception as error:  # templates are programs and may raise any error
            raise EngineError(f"{self._name}: its chat template cannot be rendered: {error}") from error

    def solo(self, question: str) -> Prompt:
        """The prompt with nothing injected."""
        text = self.generation_prompt(question)
        return Prompt(tuple(self._encoder.encode([text])[0][0]), text, 0, question)

    def steered(self, pairs: Sequence[tuple[str, str]]) -> list[Prompt]:
        """The prompts of (question, prefix) pairs: each prefix directly after the opening delimiter.

        The part of the delimiter that the template does not write is added. Several pairs are tokenised in parallel.
        """
        opened = []
        for question, _ in pairs:
            rendered = self.generation_prompt(question)
            opened.append(rendered + self._missing_opening(rendered))
        texts = [opening + prefix for opening, (_, prefix) in zip(opened, pairs, strict=True)]
        return [
            Prompt(
                tuple(ids),
                text,
                int(np.count_nonzero(ends > len(opening))),
                question,
                self.delimiters.open + prefix,
            )
            for (question, prefix), opening, text, (ids, ends) in zip(
                pairs, opened, texts, self._encoder.encode(texts), strict=True
            )
        ]

    def _missing_opening(self, rendered: str) -> str:
        opening = self.delimiters.open
        for written in range(len(opening), len(opening.rstrip("\n")) - 1, -1):
            if rendered.endswith(opening[:written]):
                return opening[written:]
        return opening


def find_delimiters(tokenizer: PreTrainedTokenizerFast, rendered: str, name: str) -> Delimiters:
    """The thinking delimiters in a model's rendered prompt, template or added tokens.

    Raises:
        EngineError: when there are none.
    """
    known = f"{rendered} {tokenizer.chat_template} {' '.join(tokenizer.get_added_vocab())}"
    for delimiters in (THINK, THOUGHT):
        if delimiters.close in known or delimiters.open.rstrip("\n") in known:
            return delimiters
    raise EngineError(
        f"{name}: neither its chat template nor its tokens show thinking delimiters: state `think` in the spec, "
        "as {open: …, close: …}, or as `none` for a model that thinks and answers in one text"
    )


def question_template(domain: str, override: str | None) -> str:
    """The text around a question, with `{question}` once: the spec's, or the domain's."""
    if override is not None:
        return override
    return files("offtraj.model").joinpath("prompts", f"{domain}.txt").read_text(encoding="utf-8").removesuffix("\n")


def fill_template(template: str, question: str) -> str:
    """The template with the question in place of `{question}`; placeholders in the question are not filled."""
    before, _, after = template.partition("{question}")
    return before + question + after
