"""The allowance of `benchmarks/engine.py`, against a cache that is played through in every order."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import cast

import pytest

SOURCE = Path(__file__).parent.parent / "benchmarks" / "prefix_cache.py"

Prompts = Sequence[tuple[Sequence[int], int]]
"""Token ids, and how often they are sampled."""
MostHits = Callable[[Prompts, int], tuple[int, int]]


@pytest.fixture(scope="module")
def most_hits() -> MostHits:
    spec = importlib.util.spec_from_file_location("prefix_cache", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("MostHits", module.most_hits)


def played(prompts: Prompts, block: int) -> tuple[int, int]:
    """The best of all orders, request by request, by vLLM's rules."""
    single = [ids for ids, samples in prompts for _ in range(samples)]
    best = 0
    for order in permutations(single):
        kept: set[tuple[int, ...]] = set()
        hits = 0
        for ids in order:
            for end in range(block, len(ids), block):  # never the last token's block
                if tuple(ids[:end]) not in kept:
                    break
                hits += block
            kept.update(tuple(ids[:end]) for end in range(block, len(ids) + 1, block))
        best = max(best, hits)
    return best, sum(map(len, single))


@pytest.mark.parametrize(
    "prompts",
    [
        [([1, 2, 3, 4, 5], 1)],
        [([1, 2, 3, 4, 5], 3)],
        [([1, 2, 3, 4], 3)],
        [([1, 2, 3, 4], 1), ([1, 2, 3, 4, 5], 1)],
        [([1, 2, 3, 4], 1), ([1, 2, 3, 4, 5, 6, 7], 2), ([1, 2, 9, 4, 5], 1)],
        [([1, 2, 3, 4, 5, 6], 2), ([1, 2, 3, 4], 1), ([3, 4, 5], 2)],
        [([1], 4), ([1, 2, 3], 1), ([2, 2, 3], 1)],
    ],
)
def test_the_allowance_is_that_of_the_best_order(most_hits: MostHits, prompts: Prompts) -> None:
    assert most_hits(prompts, 2) == played(prompts, 2)
