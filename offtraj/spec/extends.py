"""Following `extends`: a spec's text becomes one resolved document.

How two documents are merged is left to `merge`, what is taken from the extended one to `inherited`, and where it is
read from to `origin`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from offtraj.errors import HubError, SpecError
from offtraj.spec.document import Node, read_document
from offtraj.spec.inherited import NOT_TAKEN, with_paths_from, withhold
from offtraj.spec.merge import merge
from offtraj.spec.origin import LocalFile, Origin, origin_of
from offtraj.spec.variables import expand, has_variable

__all__ = ["EXTENDS", "Resolved", "resolve"]

EXTENDS = "extends"
"""The key that names the spec to start from; the first key of a spec."""

_MOST = 8
_RENAMED = {"patience": "max_wait"}  # of an engine


class Resolved(NamedTuple):
    """A document without `extends`."""

    root: Node
    extended: bool
    """Whether there was an `extends` to follow."""
    notes: tuple[str, ...]
    """What a user should know: deprecated keys, and what was not taken from a foreign spec."""


def resolve(text: str, path: Path, *, follow: bool = True) -> Resolved:
    """The document that a spec's text stands for.

    Args:
        text: The text.
        path: The file that it was read from; relative references start at its folder.
        follow: Whether `extends` is followed. A spec in a data set is resolved already, and may name no other file.

    Raises:
        SpecError: naming file, line and column, for malformed YAML, or an `extends` that cannot be followed.
        HubError: when a spec on the Hub cannot be fetched.
    """
    notes: list[str] = []
    origin = LocalFile(path)
    node = read_document(text, origin.name)
    extended = EXTENDS in _keys(node)
    if extended and not follow:
        place = _keys(node)[EXTENDS].place
        raise SpecError(f"{place}: {EXTENDS}: the spec of a data set is complete, so this key is not followed in it")
    root = _resolved(node, origin, (origin,), notes)
    return Resolved(root, extended, tuple(dict.fromkeys(notes)))


def _resolved(node: Node, origin: Origin, chain: tuple[Origin, ...], notes: list[str]) -> Node:
    node = _with_new_names(node, notes)
    keys = _keys(node)
    if EXTENDS not in keys:
        return node
    reference = keys[EXTENDS]
    at = f"{reference.place}: {EXTENDS}"
    if next(iter(keys)) != EXTENDS:
        raise SpecError(f"{at}: must be the first key of a spec, so that a reader sees what the rest is added to")
    if not isinstance(reference.value, str) or not reference.value:
        raise SpecError(f"{at}: expected a path, an https URL, or hf://ORG/NAME@REVISION/spec.yaml, got {_shown(node)}")
    base = _base(reference.value, origin, reference, at)
    if base.key in [one.key for one in chain]:
        names = " → ".join(one.name for one in (*chain, base))
        raise SpecError(f"{at}: {reference.value!r} extends itself: {names}")
    if len(chain) > _MOST:
        raise SpecError(f"{at}: {reference.value!r} is more than {_MOST} specs deep: extend one of the earlier ones")
    below = _resolved(_read(base, at), base, (*chain, base), notes)
    if isinstance(origin, LocalFile):
        below = _taken(below, base, origin, notes)
    above = Node({key: child for key, child in keys.items() if key != EXTENDS}, node.place)
    return merge(below, above)


def _base(reference: str, origin: Origin, said: Node, at: str) -> Origin:
    if has_variable(reference):
        if origin.foreign:
            raise SpecError(f"{at}: {reference!r}: a spec from {origin.name} may not read variables")
        reference = expand(reference, said.place)
    try:
        return origin_of(reference, origin)
    except ValueError as error:
        raise SpecError(f"{at}: {said.value!r}: {error}") from None


def _read(base: Origin, at: str) -> Node:
    try:
        text = base.read()
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    except HubError as error:
        raise HubError(f"{at}: {error}") from error
    return read_document(text, base.name, foreign=base.foreign)


def _taken(below: Node, base: Origin, origin: LocalFile, notes: list[str]) -> Node:
    """What a local spec takes from the one that it extends."""
    folder = origin.path.parent
    if isinstance(base, LocalFile):
        return with_paths_from(below, base.path.parent, to=folder)
    left_out = [f"`{key}`" for key in NOT_TAKEN if key in _keys(below)]
    if left_out:
        notes.append(f"{origin.name}: {' and '.join(left_out)} of {base.name} not taken: say your own")
    return withhold(below, folder)


def _with_new_names(node: Node, notes: list[str]) -> Node:
    """The document with keys of earlier versions under their new names."""
    engines = _keys(node).get("engines")
    if engines is None or not isinstance(engines.value, dict):
        return node
    renamed = {
        name: Node(dict(_renamed(engine, notes)), engine.place)
        for name, engine in _keys(engines).items()
        if isinstance(engine.value, dict)
    }
    return Node({**_keys(node), "engines": Node({**engines.value, **renamed}, engines.place)}, node.place)


def _renamed(engine: Node, notes: list[str]) -> Iterator[tuple[str, Node]]:
    keys = _keys(engine)
    for key, child in keys.items():
        new = _RENAMED.get(key)
        if new is None or new in keys:
            yield key, child
        else:
            notes.append(f"{child.place}: the key {key!r} is deprecated: write {new!r}")
            yield new, child


def _keys(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}


def _shown(node: Node) -> str:
    value = _keys(node)[EXTENDS].value
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else repr(value)
