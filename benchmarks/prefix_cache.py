"""What of some prompts a server's prefix cache could serve at best, whatever the order in which they come. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["most_hits"]


def most_hits(prompts: Iterable[tuple[Sequence[int], int]], block: int) -> tuple[int, int]:
    """Tokens that the cache could serve, and tokens that are looked up: what vLLM counts as hits and queries.

    A block of tokens can be served when another request had it before, with the same tokens before it. The block that
    holds a prompt's last token is always computed, for the logits of what follows; what is computed is kept, though.

    Args:
        prompts: Token ids, and how often they are sampled: each sample looks its prompt up by itself.
        block: Tokens in a block.
    """
    takers: Counter[int] = Counter()  # by everything up to the block's end
    left: set[int] = set()  # by requests that may not take it themselves
    tokens = 0
    for ids, samples in prompts:
        tokens += samples * len(ids)
        before = 0
        for end in range(block, len(ids) + 1, block):
            before = hash((before, tuple(ids[end - block : end])))
            if end < len(ids):
                takers[before] += samples
            else:
                left.add(before)
    served = sum(count if found in left else count - 1 for found, count in takers.items())
    return served * block, tokens
