"""Token ids that decode to exactly the text that they were made from.

Rendering prompts is left to `prompt`, counting lengths to `tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from offtraj.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

__all__ = ["Encoder", "difference"]

_SHOWN = 12  # characters on either side of a difference


class Encoder:
    """A fast tokenizer whose ids are checked to decode to the encoded text.

    Some tokenizers (Qwen's) first normalise text to Unicode's form NFC. A model can write any characters and must
    continue from exactly these, so that step is removed; any other change of the text is an error.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, name: str) -> None:
        """Remove the normalisation, for every user of this tokenizer."""
        from tokenizers import normalizers

        self._tokenizer = tokenizer
        self._name = name
        self.normalizes = isinstance(tokenizer.backend_tokenizer.normalizer, normalizers.NFC)
        """Whether the tokenizer normalised text originally, as a server's copy of it still does."""
        if self.normalizes:
            tokenizer.backend_tokenizer.normalizer = None

    def encode(self, texts: Sequence[str]) -> list[tuple[list[int], NDArray[np.int64]]]:
        """Ids without special tokens added, and the end of each id's text in characters.

        Several texts are encoded in parallel. Decoding them again costs a sixth of the encoding.

        Raises:
            EngineError: when the ids of a text decode to a different text.
        """
        if not texts:
            return []
        encoding = self._tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        decoded = self._tokenizer.backend_tokenizer.decode_batch(encoding["input_ids"], skip_special_tokens=False)
        for text, again in zip(texts, decoded, strict=True):
            if text != again:
                raise EngineError(
                    f"{self._name}: its tokenizer does not reproduce a prompt's text, {difference(text, again)}: "
                    "its prefixes cannot be exact; look at the normalizer and decoder of its tokenizer.json"
                )
        return [
            (ids, np.asarray(offsets, dtype=np.int64).reshape(-1, 2)[:, 1])
            for ids, offsets in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
        ]


def difference(sent: str, seen: str) -> str:
    """Where two texts first differ, with what each has there, in ASCII so that look-alikes can be distinguished."""
    pairs = zip(sent, seen, strict=False)
    at = next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(sent), len(seen)))
    around = slice(max(0, at - _SHOWN), at + _SHOWN)
    return f"first at character {at}: {sent[around]!a} became {seen[around]!a}"
