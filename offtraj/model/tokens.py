"""Token offsets in a text: the unit of all lengths in the protocol.

Lengths are counted with the tokenizer of the model that wrote the text, or in words where that tokenizer is not
available. Rendering prompts is left to `prompt`.
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
    """End of each token: the index after its last character."""

    def __len__(self) -> int:
        return len(self.starts)

    def before(self, end: int) -> int:
        """The length, in tokens, of the text before a character: the number of tokens that start before it."""
        return int(np.searchsorted(self.starts, end, side="left"))

    def budget(self, share: float) -> int:
        """A share of the text's tokens, rounded to a whole number of tokens."""
        return int(share * len(self) + 0.5 + 1e-9)

    def end_of(self, count: int) -> int:
        """The length, in characters, of the first `count` tokens."""
        if count <= 0:
            return 0
        return int(self.ends[min(count, len(self)) - 1]) if len(self) else 0


class Tokens(Protocol):
    """A way to count lengths."""

    @property
    def unit(self) -> str:
        """The unit, for manifest and card: `words`, or the tokenizer's name and revision."""

    def spans(self, text: str) -> TokenSpans:
        """The offsets of the text's tokens, without special tokens."""

    def count(self, text: str) -> int:
        """Number of tokens in the text; faster than `spans`."""


class Words:
    """Words: maximal runs of non-space characters with the space after them.

    Leading space belongs to the first word, so that the joined words are the text.
    """

    unit = "words"

    def spans(self, text: str) -> TokenSpans:
        """The offsets of the text's words."""
        space = _is_space(text)
        begins = ~space
        begins[1:] &= space[:-1]
        starts = np.flatnonzero(begins).astype(np.int64)
        if len(starts):
            starts[0] = 0
        ends = np.append(starts[1:], len(text)).astype(np.int64) if len(starts) else starts
        return TokenSpans(starts, ends)

    def count(self, text: str) -> int:
        """Number of words in the text."""
        return len(text.split())


class HubTokens:
    """A fast tokenizer of the transformers library."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, unit: str) -> None:
        self._tokenizer = tokenizer
        self.unit = unit

    def spans(self, text: str) -> TokenSpans:
        """The offsets of the text's tokens. Tokens that share a character share its offsets."""
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = np.asarray(encoding["offset_mapping"], dtype=np.int64).reshape(-1, 2)
        return TokenSpans(np.ascontiguousarray(offsets[:, 0]), np.ascontiguousarray(offsets[:, 1]))

    def count(self, text: str) -> int:
        """Number of tokens in the text."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])  # the last is no space, as all beyond it


def _is_space(text: str) -> NDArray[np.bool_]:
    if text.isascii():
        return _SPACES[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return _SPACES[np.minimum(codes, len(_SPACES) - 1)]
