"""Generated parts of the documentation, inserted by mkdocs where a page says `<!-- generate: NAME -->`.

Every function returns Markdown and reads only the package and this repository. What is written by hand stays in
the pages; console examples are `examples.py`'s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "GENERATED",
    "api",
    "changelog",
    "cli",
    "file_map",
    "floors",
    "insert",
    "modules",
    "on_page_markdown",
    "spec",
]

ROOT = Path(__file__).parents[1]
_MARK = re.compile(r"^<!-- generate: ([a-z-]+) -->$", re.MULTILINE)
_TREES = ("offtraj", "builders/offtraj_builders")
_OTHERS = ("benchmarks", "docs", "tests/support")


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page's Markdown with its generated parts: the hook that mkdocs calls for each page."""
    return insert(markdown)


def insert(markdown: str) -> str:
    """A page's Markdown with each mark replaced.

    Raises:
        KeyError: for a mark whose name is not in `GENERATED`.
    """
    return _MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


# --- Spec -------------------------------------------------------------------------------------------------------------


def spec() -> str:
    """The keys of a spec, a table for each part, from the JSON Schema of the pydantic models."""
    from offtraj.spec import Spec

    schema: dict[str, Any] = Spec.model_json_schema()
    parts: dict[str, Any] = schema["$defs"]
    lines = [*_part("Spec", schema), ""]
    for name in _referenced(schema, parts):
        lines += [*_part(name, parts[name]), ""]
    return "\n".join(lines)


def _referenced(schema: object, parts: Mapping[str, Any], seen: dict[str, None] | None = None) -> list[str]:
    """Names of the parts that hold keys, in the order in which a spec refers to them."""
    seen = {} if seen is None else seen
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                name = value.removeprefix("#/$defs/")
                if name not in seen and "properties" in parts[name]:
                    seen[name] = None
                    _referenced(parts[name], parts, seen)
            elif key not in ("$defs", "mapping"):
                _referenced(value, parts, seen)
    elif isinstance(schema, list):
        for value in schema:
            _referenced(value, parts, seen)
    return list(seen)


def _part(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    yield f"## {name} {{ #{name.lower()} }}"
    yield ""
    yield from schema.get("description", "").splitlines()
    yield ""
    yield "| key | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else _default(value)
        yield f"| `{key}` | {_type(value)} | {default} | {_line(value.get('description', ''))} |"


def _default(value: Mapping[str, Any]) -> str:
    import json

    if "default" not in value or value["default"] in (None, {}) or "$ref" in value:
        return ""
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`"


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].removeprefix("#/$defs/")
        return "any value" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    for union in ("anyOf", "oneOf"):
        if union in value:
            return " or ".join(_type(one) for one in value[union] if one.get("type") != "null")
    match value.get("type"):
        case "array":
            return f"list of {_type(value['items'])}"
        case "object":
            return f"map of {_type(value.get('additionalProperties', {}))}"
        case "string":
            return "text"
        case "boolean":
            return "true or false"
        case "integer" | "number" as kind:
            return " ".join(["integer" if kind == "integer" else "number", *_bounds(value)])
    return "any value"


def _bounds(value: Mapping[str, Any]) -> Iterator[str]:
    for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<")):
        if key in value:
            yield f"{sign} {value[key]:g}"


# --- Command line -----------------------------------------------------------------------------------------------------


def cli() -> str:
    """Every command with its arguments and options, from the typer application."""
    import typer.main

    from offtraj.cli.app import app

    lines: list[str] = []
    for path, command in _commands(typer.main.get_command(app), "offtraj"):
        lines += [*_command(path, command), ""]
    return "\n".join(lines)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children or path == "offtraj":
        yield path, command
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _command(path: str, command: Any) -> Iterator[str]:
    shown = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [p for p in shown if not p.opts[0].startswith("-")]
    usage = " ".join(
        [path, *(p.metavar or p.name.upper() for p in arguments), "[OPTIONS]" if len(shown) > len(arguments) else ""]
    )
    yield f"## `{path}`"
    yield ""
    yield from (command.help or "").splitlines()
    yield ""
    yield f"```text\n{usage.strip()}\n```"
    if shown:
        yield ""
        yield "| argument or option | meaning |"
        yield "| --- | --- |"
    for parameter in shown:
        yield f"| {_spelling(parameter)} | {_line(parameter.help or '')}{_environment(parameter)} |"


def _spelling(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return ", ".join(f"`{name}{value}`" for name in parameter.opts)


def _environment(parameter: Any) -> str:
    default = parameter.default
    said = f" Default: `{default}`." if default is not None and default is not False and parameter.show_default else ""
    return f"{said} Environment: `{parameter.envvar}`." if parameter.envvar else said


# --- Architecture -----------------------------------------------------------------------------------------------------


def modules() -> list[Path]:
    """Every module of the package, relative to the repository: one that only marks a package is left out."""
    found = [path for tree in _TREES for path in (ROOT / tree).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def file_map() -> str:
    """One line a file: the first sentence of its docstring."""
    lines: list[str] = []
    for package, files in _by_package(modules()).items():
        head = next((file for file in files if file.name == "__init__.py"), None)
        lines += [f"### `{package}/`", "", *([_purpose(head), ""] if head else [])]
        lines += ["| file | purpose |", "| --- | --- |"]
        lines += [f"| `{file.name}` | {_line(_purpose(file))} |" for file in files]
        lines.append("")
    lines += ["### Outside the packages", "", "| file | purpose |", "| --- | --- |"]
    for folder in _OTHERS:
        lines += [
            f"| `{f.relative_to(ROOT)}` | {_line(_purpose(f.relative_to(ROOT)))} |"
            for f in sorted((ROOT / folder).glob("*.py"))
        ]
    return "\n".join(lines)


def _by_package(files: list[Path]) -> dict[str, list[Path]]:
    packages: dict[str, list[Path]] = {}
    for file in files:
        packages.setdefault(str(file.parent), []).append(file)
    return dict(sorted(packages.items()))


def _purpose(file: Path) -> str:
    text = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def floors() -> str:
    """The layers that imports run down through, from the table that the tests hold them to."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    (table,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    ]
    layers = list(enumerate(ast.literal_eval(table)))
    lines = ["| floor | packages |", "| ---: | --- |"]
    lines += [f"| {floor} | {', '.join(f'`{name}`' for name in sorted(names))} |" for floor, names in reversed(layers)]
    return "\n".join(lines)


# --- Other pages ------------------------------------------------------------------------------------------------------


def changelog() -> str:
    """The changelog without its title."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2]


def api() -> str:
    """The public Python API, as mkdocstrings reads it: what `import offtraj` exports, functions first.

    Errors have a page of their own.
    """
    exported = (name for name in _exports() if not name.startswith("offtraj.errors."))
    names = sorted(exported, key=lambda name: (name.rpartition(".")[2][0].isupper(), name.rpartition(".")[2]))
    return "\n\n".join(f"::: {name}" for name in names)


def _exports() -> Iterator[str]:
    """Full names of what the package exports, from the imports that it declares for type checkers."""
    tree = ast.parse((ROOT / "offtraj" / "__init__.py").read_text(encoding="utf-8"))
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for node in block.body:
                if isinstance(node, ast.ImportFrom):
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _line(text: str) -> str:
    """A text in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


GENERATED: Mapping[str, Callable[[], str]] = {
    "api": api,
    "changelog": changelog,
    "cli": cli,
    "file-map": file_map,
    "floors": floors,
    "spec": spec,
}
"""What a mark may name."""
