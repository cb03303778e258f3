"""Pydantic's errors as messages that name the key, the value and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from offtraj.spec.document import Loc
from offtraj.spec.references import Problem, ReferenceProblems
from offtraj.spec.spec import Spec

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["describe"]

_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "finite_number": "expected a finite number",
}


def describe(error: ValidationError, places: Mapping[Loc, object]) -> list[Problem]:
    """One problem for each wrong value, with the value's location in the YAML."""
    found: list[Problem] = []
    of_union: dict[Loc, list[str]] = {}
    for detail in error.errors():
        for loc, message in _problems(detail, places):
            if len(loc) < len(detail["loc"]) and detail["type"] != "missing":
                of_union.setdefault(loc, []).append(message)
            else:
                found.append(Problem(loc, message))
    # A value that fits no member of a union fails once for each member: one line for all of them.
    found += [Problem(loc, ", or ".join(dict.fromkeys(messages))) for loc, messages in of_union.items()]
    return found


def _problems(detail: ErrorDetails, places: Mapping[Loc, object]) -> Iterator[tuple[Loc, str]]:
    loc = _in_yaml(detail["loc"], places)
    kind, context = detail["type"], detail.get("ctx", {})
    value: object = detail["input"]
    if isinstance(context.get("error"), ReferenceProblems):
        yield from ((problem.loc, problem.message) for problem in context["error"].problems)
    elif kind == "missing":
        yield loc, f"the key {detail['loc'][-1]!r} is missing"
    elif kind == "extra_forbidden":
        yield loc, _unknown_key(str(loc[-1]), loc[:-1])
    elif kind == "literal_error":
        yield (
            loc,
            f"expected {context['expected']}, got {_shown(value)}{_did_you_mean(value, str(context['expected']))}",
        )
    elif kind == "union_tag_invalid":
        tag, tags = str(context["tag"]), str(context["expected_tags"])
        yield (*loc, "kind"), f"expected one of {tags}, got {tag!r}{_did_you_mean(tag, tags)}"
    elif kind == "union_tag_not_found":
        yield loc, f"the key {str(context['discriminator']).strip(chr(39))!r} is missing"
    elif kind == "source":
        yield loc, f"{detail['msg']}, got {_shown(value)}"
    elif kind == "value_error":
        yield loc, str(context["error"])
    elif kind == "string_pattern_mismatch":
        yield loc, f"{_shown(value)} does not have the form {context['pattern']}{_form_hint(loc)}"
    elif kind == "too_short":
        if not value:  # else its members were refused, and their own lines say why
            yield loc, "must not be empty"
    elif kind in _EXPECTED:
        yield loc, f"{_EXPECTED[kind]}, got {_shown(value)}"
    else:
        message = detail["msg"].replace("Input should be ", "must be ")
        yield loc, f"{message}, got {_shown(value)}{_percent_hint(value, context)}"


def _in_yaml(loc: Loc, places: Mapping[Loc, object]) -> Loc:
    """The location without the union tags that pydantic adds, and without keys that are not in the file."""
    result: Loc = ()
    for part in loc:
        if (*result, part) in places:
            result = (*result, part)
    return result


def _percent_hint(value: object, context: Mapping[str, Any]) -> str:
    limit = context.get("lt", context.get("le"))
    if limit == 1 and isinstance(value, int | float) and 1 < value <= 100:
        return f": it is a share, not a percentage: write {value / 100:g}"
    return ""


def _form_hint(loc: Loc) -> str:
    return ": a version such as 1.0.0" if loc == ("version",) else ""


def _did_you_mean(value: object, expected: str) -> str:
    options = [option.strip(" '\"") for option in expected.replace(" or ", ",").split(",")]
    close = get_close_matches(str(value), options, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def _unknown_key(key: str, parent: Loc) -> str:
    known = sorted(_keys_at(parent))
    close = get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
    return f"unknown key {key!r}: {hint}"


def _keys_at(loc: Loc) -> set[str]:
    """The keys that the schema has at a location, over all members of a union."""
    schema = Spec.model_json_schema()
    nodes = _branches(schema, schema)
    for part in loc:
        children = [child for node in nodes if (child := _child(node, part)) is not None]
        nodes = [branch for child in children for branch in _branches(child, schema)]
    return {key for node in nodes for key in node.get("properties", {})}


def _child(node: Mapping[str, Any], part: str | int) -> Mapping[str, Any] | None:
    child = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
    child = child or node.get("additionalProperties")
    return child if isinstance(child, Mapping) else None


def _branches(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "$ref" in node:
        return _branches(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    members = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [branch for member in members for branch in _branches(member, schema)] if members else [node]


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:80] + "…"
