"""A YAML 1.2 text as a tree of plain data in which each value knows the file, line and column that said it.

What the values mean is left to `spec`; following `extends` to `extends`.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import NamedTuple, TypeAlias

from offtraj.errors import SpecError

__all__ = ["Loc", "Node", "Place", "Scalar", "Withheld", "flatten", "read_document", "write_document"]

Loc: TypeAlias = tuple[str | int, ...]
"""Where a value is in a spec: keys and indices from the top."""

Scalar: TypeAlias = "str | int | float | bool | None"

_PLAIN_TAGS = {"bool", "float", "int", "map", "null", "seq", "str"}
_WIDTH = 120


class Place(NamedTuple):
    """A position in a file."""

    source: str
    """The file as messages name it: a path, a URL or `hf://…`."""
    line: int
    """Counted from 1."""
    column: int
    """Counted from 1."""
    foreign: bool = False
    """Whether the file came from a URL or the Hub."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


class Withheld(NamedTuple):
    """Stands for a value that was not taken from a foreign spec."""

    reason: str
    """What it was, and why it was not taken, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where its file says it. For a mapping's entry, that is the place of the key."""

    value: dict[str, Node] | list[Node] | Scalar | Withheld
    place: Place


def read_document(text: str, source: str, *, foreign: bool = False) -> Node:
    """The mapping that a YAML text holds.

    Args:
        text: The text.
        source: The file as messages name it.
        foreign: Whether it came from a URL or the Hub.

    Raises:
        SpecError: with the line and column, for malformed YAML, a repeated key, a tag, a key that is not text, or a
            document that is no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        key = str(error.problem).partition(" with value")[0].removeprefix("found duplicate key ")
        raise SpecError(f"{source}:{mark.line + 1}:{mark.column + 1}: the key {key} is given twice") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise SpecError(f"{where}: malformed YAML: {error.problem or error.context}") from None
    except (YAMLError, RecursionError) as error:
        raise SpecError(f"{source}: malformed YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, dict):
        raise SpecError(f"{source}:1:1: expected a mapping with the keys name, version, benchmarks …, got {root!r}")
    return _node(root, Place(source, 1, 1, foreign))


def flatten(node: Node) -> tuple[object, dict[Loc, Place], dict[Loc, Withheld]]:
    """The tree as plain data, the place of each value, and the values that are withheld (`None` in the data)."""
    places: dict[Loc, Place] = {}
    withheld: dict[Loc, Withheld] = {}

    def plain(node: Node, loc: Loc) -> object:
        places[loc] = node.place
        value = node.value
        if isinstance(value, dict):
            return {key: plain(child, (*loc, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [plain(child, (*loc, index)) for index, child in enumerate(value)]
        if isinstance(value, Withheld):
            withheld[loc] = value
            return None
        return value

    return plain(node, ()), places, withheld


def write_document(values: object, comment: str) -> str:
    """Plain data as YAML that reads as the same data, after a comment; equal data give equal text."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = None  # lists and mappings of scalars stay on one line
    yaml.width = _WIDTH
    yaml.allow_unicode = True
    stream = StringIO()
    yaml.dump(values, stream)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + "\n" + stream.getvalue()


def _node(value: object, place: Place) -> Node:
    tag = getattr(getattr(value, "tag", None), "value", None)
    if tag is not None and str(tag).removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
        raise SpecError(f"{place}: the tag {tag!r}: a spec holds plain data only")
    if isinstance(value, dict):
        children: dict[str, Node] = {}
        for key, child in value.items():
            if not isinstance(key, str):
                raise SpecError(f"{place}: the key {key!r}: expected text")
            children[str(key)] = _node(child, _place_in(value, key, place))
        return Node(children, place)
    if isinstance(value, list):
        return Node([_node(child, _place_in(value, index, place)) for index, child in enumerate(value)], place)
    return Node(_scalar(value), place)


def _place_in(container: object, key: str | int, fallback: Place) -> Place:
    data = getattr(getattr(container, "lc", None), "data", None) or {}
    if key not in data:  # from a merge key (`<<`)
        return fallback
    line, column = data[key][:2]
    return fallback._replace(line=line + 1, column=column + 1)


def _scalar(value: object) -> Scalar:
    from ruamel.yaml.scalarbool import ScalarBoolean

    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ScalarBoolean):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)
