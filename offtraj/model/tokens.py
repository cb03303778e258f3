"""Where a text's tokens stand: the unit in which all lengths of the protocol are counted.

Lengths are counted with the tokenizer of the model that wrote the text, or in words where that
tokenizer is not at hand. Rendering prompts is left to `prompt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

__all__ = ["HubTokens", "TokenSpans", "Tokens", "Words"]


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """The tokens of one text, as character offsets."""

    starts: NDArray[np.int64]
    """First character of each token, ascending."""
    ends: NDArray[np.int64]
    """Behind the last character of each token."""

    def __len__(self) -> int:
        return len(self.starts)

    def before(self, end: int) -> int:
        """How many tokens start before a character: the length, in tokens, of what ends there."""
        return int(np.searchsorted(self.starts, end, side="left"))

    def budget(self, share: float) -> int:
        """A share of the text's tokens, rounded to a whole number of tokens."""
        return int(share * len(self) + 0.5 + 1e-9)

    def end_of(self, count: int) -> int:
        """Behind the last character of the first `count` tokens, in characters."""
        if count <= 0:
            return 0
        return int(self.ends[min(count, len(self)) - 1]) if len(self) else 0


class Tokens(Protocol):
    """A way to count lengths."""

    @property
    def unit(self) -> str:
        """What is counted, for manifest and card: `words`, or the tokenizer's name and revision."""

    def spans(self, text: str) -> TokenSpans:
        """Where the text's tokens stand, without special tokens."""

    def count(self, text: str) -> int:
        """How many tokens the text has; less work than to say where they stand."""


class Words:
    """Words: maximal runs of non-space with the space that follows them.

    Leading space belongs to the first word, so that the words of a text, joined, are the text.
    """

    unit = "words"

    def spans(self, text: str) -> TokenSpans:
        """Where the text's words stand."""
        space = _is_space(text)
        begins = ~space
        begins[1:] &= space[:-1]
        starts = np.flatnonzero(begins).astype(np.int64)
        if len(starts):
            starts[0] = 0
        ends = np.append(starts[1:], len(text)).astype(np.int64) if len(starts) else starts
        return TokenSpans(starts, ends)

    def count(self, text: str) -> int:
        """How many words the text has."""
        return len(text.split())


class HubTokens:
    """A fast tokenizer of the transformers library."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, unit: str) -> None:
        self._tokenizer = tokenizer
        self.unit = unit

    def spans(self, text: str) -> TokenSpans:
        """Where the text's tokens stand. Tokens that share one character share its offsets."""
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = np.asarray(encoding["offset_mapping"], dtype=np.int64).reshape(-1, 2)
        return TokenSpans(np.ascontiguousarray(offsets[:, 0]), np.ascontiguousarray(offsets[:, 1]))

    def count(self, text: str) -> int:
        """How many tokens the text has."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])  # the last is no space, as all beyond it


def _is_space(text: str) -> NDArray[np.bool_]:
    if text.isascii():
        return _SPACES[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return _SPACES[np.minimum(codes, len(_SPACES) - 1)]
