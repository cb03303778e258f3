"""Choosing by hash, and counting what was not chosen.

A choice depends on the seed and the ids of what is chosen among, on nothing else: there is no shared
random stream, so adding a model or a question moves no one else's choice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from offtraj._util.digest import rank
from offtraj.spec import Subset, TestName

__all__ = ["SelectionCounts", "SelectionOf", "preference", "spread"]

SelectionOf = Literal["questions", "trajectories", "distractors", "guide trajectories", "rows"]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass
class SelectionCounts:
    """What one selection kept and what it dropped, with the reasons."""

    test: TestName
    model: str
    variant: str | None
    """None where the selection serves every variant."""
    subset: Subset | None
    """None where it serves every subset."""
    of: SelectionOf
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def keep(self, items: Iterable[T], reason: Callable[[T], str | None]) -> list[T]:
        """Those items for which there is no reason to drop them; all are counted."""
        kept = []
        for item in items:
            why = reason(item)
            if why is None:
                kept.append(item)
            else:
                self.dropped[why] += 1
        self.kept += len(kept)
        return kept

    def limit(self, items: Sequence[T], most: int) -> list[T]:
        """The first so many of what was kept; the others are dropped as `over_limit`."""
        if over := max(0, len(items) - most):
            self.dropped["over_limit"] += over
            self.kept -= over
        return list(items[:most])


def spread(
    items: Iterable[T], *, group: Callable[[T], K], order: Callable[[T], int], group_order: Callable[[K], int]
) -> list[T]:
    """All items, one of each group first, then a second of each, and so on.

    So the first n stand on as many groups (questions) as possible: the paper's solve-rate strata come
    about like this (Table 9), and n observations tell the most.

    Args:
        items: What to order.
        group: Which group an item belongs to.
        order: Rank of an item in its group.
        group_order: Rank of a group.
    """
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    ranked = [
        (place, group_order(key), item)
        for key, members in groups.items()
        for place, item in enumerate(sorted(members, key=order))
    ]
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]


def preference(seed: int, own: Sequence[str | int], pool: Sequence[T], ids: Sequence[bytes]) -> list[T]:
    """The pool in an order of `own`'s own, by hash (rendezvous hashing).

    A new member is put in somewhere, and all others keep their order.

    Args:
        seed: The spec's.
        own: Who chooses.
        pool: What is chosen from.
        ids: Each member's id.
    """
    key = rank(seed, *own).to_bytes(8, "big")
    order = sorted((hashlib.blake2b(key + one, digest_size=8).digest(), at) for at, one in enumerate(ids))
    return [pool[at] for _, at in order]
