"""Choosing by hash."""

from __future__ import annotations

from collections import Counter

from offtraj._util.digest import rank
from offtraj_builders.selection import SelectionCounts, preference, spread


def choose(items: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return spread(
        items,
        group=lambda item: item[0],
        order=lambda item: rank(0, *item),
        group_order=lambda name: rank(0, name),
    )


def test_every_group_comes_once_before_any_comes_twice() -> None:
    items = [(f"q{q}", n) for q in range(7) for n in range(q + 1)]
    ordered = choose(items)
    assert sorted(ordered) == sorted(items)
    assert len({name for name, _ in ordered[:7]}) == 7
    assert len({name for name, _ in ordered[7:13]}) == 6


def test_the_order_does_not_depend_on_the_order_given() -> None:
    items = [(f"q{q}", n) for q in range(7) for n in range(4)]
    assert choose(items) == choose(list(reversed(items)))


def test_a_new_question_moves_no_one_elses_choice() -> None:
    items = [(f"q{q}", n) for q in range(20) for n in range(4)]
    before, after = choose(items), choose([*items, ("new", 0)])
    assert [item for item in after if item[0] != "new"] == before


def test_a_new_member_leaves_the_others_in_their_order() -> None:
    pool = [f"d{n}" for n in range(20)]
    larger = [*pool[:7], "new", *pool[7:]]

    def order(own: int, members: list[str]) -> list[str]:
        return preference(0, ("own", own), members, [member.encode() for member in members])

    for own in range(50):
        assert [member for member in order(own, larger) if member != "new"] == order(own, pool)
    firsts = Counter(order(own, pool)[0] for own in range(2000))
    assert len(firsts) == 20
    assert min(firsts.values()) > 50


def test_a_tally_counts_everything() -> None:
    counts = SelectionCounts("recoverability", "m", None, None, "rows")
    kept = counts.keep(range(10), lambda n: "odd" if n % 2 else None)
    assert counts.limit(kept, 3) == [0, 2, 4]
    assert (counts.kept, counts.dropped) == (3, Counter(odd=5, over_limit=2))
