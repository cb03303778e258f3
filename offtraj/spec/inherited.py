"""What a spec takes from the one that it extends. Nothing here reads a spec.

From a spec in another local folder, relative paths are rewritten, so that they mean the same files. From a spec that
came from a URL or the Hub, nothing is taken that would make this machine run a program, open a local file, read a key
or a variable, or connect to a host: such values are withheld, and refused unless the extending spec replaces them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from offtraj.spec.document import Loc, Node, Withheld
from offtraj.spec.variables import LEADING, has_variable

__all__ = ["NOT_TAKEN", "with_paths_from", "withhold"]

NOT_TAKEN = ("engines", "publish")
"""Keys of a spec from a URL or the Hub that are left out: who samples, and where the result goes."""


def with_paths_from(node: Node, folder: Path, *, to: Path) -> Node:
    """A spec of one folder with its relative paths rewritten so that they mean the same from another folder."""
    if folder.resolve() == to.resolve():
        return node
    between = os.path.relpath(folder.resolve(), to.resolve())
    prefix = between if between.startswith("..") else f"./{between}"

    def rewritten(value: str, kind: str) -> str:
        if kind == "command" and "/" not in value:
            return value
        if kind in ("model", "judge") and not _is_folder(value, kind, folder):
            return value
        if (variable := LEADING.match(value)) is not None:
            default = variable["value"]
            if default is None or default.startswith(("/", "~")):
                return value
            return f"${{{variable['name']}:-{prefix}/{default}}}{value[variable.end() :]}"
        if value.startswith(("/", "~")):
            return value
        return f"{prefix}/{PurePath(value).as_posix()}"

    return _mapped(node, _paths(node), rewritten)


def withhold(node: Node, folder: Path) -> Node:
    """A foreign spec without what is not taken from one.

    Args:
        node: The spec, resolved.
        folder: Of the local spec that extends it: a name of a model there is no Hub id, but a local folder.
    """

    def withheld(value: str, kind: str) -> str | Withheld:
        if kind in ("file", "command"):
            return Withheld(f"the local path {value!r}")
        if has_variable(value):
            return Withheld(f"the variable in {value!r}")
        if _is_folder(value, kind, folder):
            return Withheld(f"the local folder {value!r}")
        return value

    assert isinstance(node.value, dict)
    kept = Node({key: child for key, child in node.value.items() if key not in NOT_TAKEN}, node.place)
    kept = _mapped(kept, _paths(kept), withheld)
    return _replaced(kept, ("judge", "engine"), lambda found: Node(Withheld("the judge's engine"), found.place))


def _is_folder(value: str, kind: str, folder: Path) -> bool:
    """Whether a model's name is taken for a folder; a judge's may have slashes at its server."""
    if value.startswith(("/", ".", "~", "${")) or (folder / value).is_dir():
        return True
    return kind == "model" and value.count("/") > 1


def _paths(node: Node) -> Iterator[tuple[Loc, str]]:
    """Where a spec names files, commands (a name or a path), and models and a judge (a Hub id or a folder)."""
    for index in _keys(node, "benchmarks"):
        yield ("benchmarks", index, "source", "file"), "file"
    for name in _keys(node, "engines"):
        for index in _keys(node, "engines", name, "files"):
            yield ("engines", name, "files", index), "file"
        yield ("engines", name, "python"), "command"
    for group in ("models", "guides"):
        for index in _keys(node, group):
            yield (group, index, "path"), "model"
            yield (group, index, "tokenizer"), "model"
    yield ("judge", "model"), "judge"
    yield ("publish", "card"), "file"


def _keys(node: Node, *loc: str | int) -> list[str] | list[int]:
    for part in loc:
        value = node.value
        if isinstance(value, dict) and part in value:
            node = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int):
            node = value[part]
        else:
            return []
    value = node.value
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def _mapped(node: Node, paths: Iterator[tuple[Loc, str]], change: Callable[[str, str], str | Withheld]) -> Node:
    for loc, kind in list(paths):

        def changed(found: Node, kind: str = kind) -> Node:
            value = found.value
            if not isinstance(value, str) or (kind == "model" and value == "words"):
                return found
            return Node(change(value, kind), found.place)

        node = _replaced(node, loc, changed)
    return node


def _replaced(node: Node, loc: Loc, change: Callable[[Node], Node]) -> Node:
    """The tree with the value at a place changed; the same tree where there is none."""
    if not loc:
        return change(node)
    value, part = node.value, loc[0]
    if isinstance(value, dict) and isinstance(part, str) and part in value:
        return Node({**value, part: _replaced(value[part], loc[1:], change)}, node.place)
    if isinstance(value, list) and isinstance(part, int):
        replaced = _replaced(value[part], loc[1:], change)
        return Node([*value[:part], replaced, *value[part + 1 :]], node.place)
    return node
