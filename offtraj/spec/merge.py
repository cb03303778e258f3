"""One spec on top of another, as trees of plain data: what `extends` means. Pure functions.

- Mappings are merged key by key. One that is of another kind (`kind`, or a source of `file` instead of `hub`) is
  replaced.
- Lists whose entries all have an `id` are merged by it: the base's order first, new entries appended.
- Everything else is replaced.
- `null` removes a key of the base, so that its default holds; in `columns`, `id: null` stays the value that it is.
"""

from __future__ import annotations

from offtraj.spec.document import Loc, Node

__all__ = ["merge"]

_SOURCES = {"file", "hub"}
_NULL_IS_A_VALUE = ("columns", "id")  # numbers the rows


def merge(base: Node, over: Node, loc: Loc = ()) -> Node:
    """What `over` makes of `base`. A value that both have a part in has the place of `over`."""
    below, above = base.value, over.value
    if isinstance(below, dict) and isinstance(above, dict):
        if _differ_in_kind(below, above):
            return over
        merged = dict(below)
        for key, child in above.items():
            here = (*loc, key)
            if key not in below:
                merged[key] = child
            elif child.value is None and here[-2:] != _NULL_IS_A_VALUE:
                del merged[key]
            else:
                merged[key] = merge(below[key], child, here)
        return Node(merged, over.place)
    if isinstance(below, list) and isinstance(above, list):
        ids, new = _ids(below), _ids(above)
        if ids and new:
            return Node(_merge_entries(below, ids, above, new, loc), over.place)
    return over


def _merge_entries(below: list[Node], ids: list[str], above: list[Node], new: list[str], loc: Loc) -> list[Node]:
    merged = list(below)
    for index, (name, entry) in enumerate(zip(new, above, strict=True)):
        if name in ids and name not in new[:index]:
            at = ids.index(name)
            merged[at] = merge(below[at], entry, (*loc, at))
        else:  # an id that is given twice stays so, and is refused with the spec
            merged.append(entry)
    return merged


def _ids(entries: list[Node]) -> list[str]:
    """The entries' ids; empty where not every entry has one."""
    ids = [entry.value["id"].value for entry in entries if isinstance(entry.value, dict) and "id" in entry.value]
    names = [name for name in ids if isinstance(name, str)]
    return names if len(names) == len(entries) else []


def _differ_in_kind(below: dict[str, Node], above: dict[str, Node]) -> bool:
    if "kind" in below and "kind" in above:
        return below["kind"].value != above["kind"].value
    return bool(_SOURCES & above.keys() - below.keys()) and bool(_SOURCES & below.keys() - above.keys())
