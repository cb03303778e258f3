"""The JSON Schema of a spec file, for editors: of a whole spec, and of one that extends another."""

from __future__ import annotations

from typing import Any

__all__ = ["json_schema"]

_EXTENDS = {
    "type": "string",
    "minLength": 1,
    "description": "The spec to start from: a path, an https URL, or `hf://ORG/NAME@REVISION/spec.yaml`. Mappings are "
    "merged, lists of entries with an `id` by id, everything else is replaced, and `null` removes a key.",
}
_DEFS = "#/$defs/"
_PART = "Part."


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file.

    Under `extends` no key is required but the `id` of an entry, and any key may be `null`.
    """
    from offtraj.spec.spec import Spec

    whole = Spec.model_json_schema()
    definitions = whole.pop("$defs")
    title, description = whole.pop("title"), whole.pop("description")
    part = _part(whole)
    part["properties"] = {"extends": _EXTENDS} | part["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        "if": {"required": ["extends"]},
        "then": part,
        "else": whole,
        "$defs": definitions | {_PART + name: _part(definition) for name, definition in definitions.items()},
    }


def _part(schema: Any) -> Any:
    """A schema of values of which another spec says the rest."""
    if isinstance(schema, list):
        return [_part(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {("anyOf" if key == "oneOf" else key): _part(value) for key, value in schema.items()}
    found.pop("discriminator", None)
    if "$ref" in found:
        found["$ref"] = found["$ref"].replace(_DEFS, _DEFS + _PART)
    if isinstance(schema.get("required"), list):
        found["required"] = [name for name in schema["required"] if name == "id"]
    if "properties" in schema:
        found["properties"] = {
            name: one if name == "id" else _or_null(one) for name, one in found["properties"].items()
        }
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _or_null(found["additionalProperties"])
    return {key: value for key, value in found.items() if value != [] or key != "required"}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("description", "title", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    members = rest["anyOf"] if list(rest) == ["anyOf"] else [rest]
    if {"type": "null"} in members:
        return schema
    return {"anyOf": [*members, {"type": "null"}], **about}
