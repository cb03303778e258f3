"""Selection by hash, with counts of what was dropped and why.

A selection depends on the seed and the ids of its candidates only. There is no shared random stream, so that adding a
model or a question changes no other selection.
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
    """The number of items that one selection kept and dropped, by reason."""

    test: TestName
    model: str
    variant: str | None
    """`None` where the selection is for all variants."""
    subset: Subset | None
    """`None` where it is for all subsets."""
    of: SelectionOf
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def keep(self, items: Iterable[T], reason: Callable[[T], str | None]) -> list[T]:
        """The items for which `reason` returns `None`; all items are counted."""
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
        """The first `most` of the kept items; the others are counted as dropped, `over_limit`."""
        if over := max(0, len(items) - most):
            self.dropped["over_limit"] += over
            self.kept -= over
        return list(items[:most])


def spread(
    items: Iterable[T], *, group: Callable[[T], K], order: Callable[[T], int], group_order: Callable[[K], int]
) -> list[T]:
    """All items: the first of each group, then the second of each, and so on.

    The first n items are then of as many groups (questions) as possible, which gives n observations the most
    information, and the paper's solve-rate strata (Table 9).

    Args:
        items: The items.
        group: The group of an item.
        order: The rank of an item in its group.
        group_order: The rank of a group.
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
    """The pool in an order that is a hash of `own` and the members' ids (rendezvous hashing).

    A new member of the pool does not change the order of the others.

    Args:
        seed: The spec's seed.
        own: Ids of what the selection is for.
        pool: The candidates.
        ids: The id of each candidate.
    """
    key = rank(seed, *own).to_bytes(8, "big")
    order = sorted((hashlib.blake2b(key + one, digest_size=8).digest(), at) for at, one in enumerate(ids))
    return [pool[at] for _, at in order]
