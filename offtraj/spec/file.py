"""Reading a spec from YAML 1.2, with every problem at its file, line and column.

The spec itself is a frozen value; what depends on this machine (the environment, the spec's folder) is
resolved here, when it is needed, so that a spec reads the same everywhere.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.digest import content_id
from offtraj.errors import SpecError

if TYPE_CHECKING:
    from offtraj.spec.references import Loc, Problem
    from offtraj.spec.spec import Spec

__all__ = ["SpecFile", "json_schema", "load_spec"]

_PLAIN_TAGS = {"bool", "float", "int", "map", "null", "seq", "str"}
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class SpecFile:
    """A spec, the file it came from, and where in it each value stands."""

    spec: Spec
    path: Path
    text: str
    """The file as it was read."""
    places: Mapping[Loc, tuple[int, int]]
    """Line and column, counted from 1, of each value."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of what the spec says: layout, comments, defaults and the environment do not matter.

        So a key that a later version knows, too, changes the digest of no spec without it.
        """
        return content_id(self.spec.model_dump(mode="json", exclude_defaults=True))

    def place(self, *loc: str | int) -> str:
        """`file:line:column` of a value, or of what it would stand in."""
        return _place(self.path, self.places, loc)

    def expand(self, value: str, *loc: str | int) -> str:
        """Replace `${NAME}` and `${NAME:-default}` from the environment.

        Raises:
            SpecError: for a variable that is not set, naming where the spec asks for it.
        """

        def replacement(match: re.Match[str]) -> str:
            name, default = match[1], match[2]
            found = os.environ.get(name) or default
            if found is None:
                raise SpecError(
                    f"{self.place(*loc)}: {value!r} needs the environment variable {name}, which is not set: "
                    f"export {name}=…"
                )
            return found

        return _REFERENCE.sub(replacement, value)

    def file(self, value: str, *loc: str | int) -> Path:
        """A file's path, expanded, relative to the spec's folder.

        Raises:
            SpecError: when there is no such file.
        """
        path = self.path.parent / Path(self.expand(value, *loc)).expanduser()
        if not path.is_file():
            raise SpecError(f"{self.place(*loc)}: {value!r}: there is no file {str(path)!r}")
        return path

    def model_path(self, value: str, *loc: str | int) -> str:
        """A model's folder as an absolute path, or its Hub id as it stands.

        Raises:
            SpecError: when it looks like a path and is no folder.
        """
        expanded = self.expand(value, *loc)
        folder = self.path.parent / Path(expanded).expanduser()
        if folder.is_dir():
            return str(folder.resolve())
        if expanded.startswith(("/", ".", "~")) or expanded.count("/") > 1:
            raise SpecError(f"{self.place(*loc)}: {value!r}: there is no folder {str(folder)!r}")
        return expanded

    def check_paths(self) -> None:
        """See that every local path of the spec exists and every variable is set; nothing is opened.

        Raises:
            SpecError: with a line for each problem.
        """
        problems = [str(error) for error in self._path_errors()]
        if problems:
            raise SpecError("\n".join(problems))

    def _path_errors(self) -> Iterator[SpecError]:
        from offtraj.spec.benchmark import FileSource
        from offtraj.spec.engine import OpenAISpec, RecordedSpec, VllmSpec

        spec = self.spec
        checks: list[tuple[str, str, Loc]] = []
        for index, benchmark in enumerate(spec.benchmarks):
            if isinstance(benchmark.source, FileSource):
                checks.append(("file", benchmark.source.file, ("benchmarks", index, "source", "file")))
        for name, engine in spec.engines.items():
            if isinstance(engine, RecordedSpec):
                checks += [("file", file, ("engines", name, "files", i)) for i, file in enumerate(engine.files)]
            elif isinstance(engine, OpenAISpec):
                checks.append(("text", engine.base_url, ("engines", name, "base_url")))
            elif isinstance(engine, VllmSpec):
                checks.append(("text", engine.python or "", ("engines", name, "python")))
                checks += [
                    ("text", text, ("engines", name, "environment", k)) for k, text in engine.environment.items()
                ]
        for group, models in (("models", spec.models), ("guides", spec.guides)):
            for index, model in enumerate(models):
                if model.path is not None:
                    checks.append(("model", model.path, (group, index, "path")))
        if spec.publish is not None and spec.publish.card is not None:
            checks.append(("file", spec.publish.card, ("publish", "card")))
        resolve = {"file": self.file, "text": self.expand, "model": self.model_path}
        for kind, value, loc in checks:
            try:
                resolve[kind](value, *loc)
            except SpecError as error:
                yield error


def load_spec(path: Path | str) -> SpecFile:
    """Read and check a spec.

    Raises:
        SpecError: with one line for each problem: file, line, column, key, what was expected, the value.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    return parse_spec(text, path)


def parse_spec(text: str, path: Path) -> SpecFile:
    """Check a spec's text; `path` is where it came from, for messages and relative paths.

    Raises:
        SpecError: as `load_spec` does.
    """
    from pydantic import ValidationError

    from offtraj.spec.spec import Spec

    values, places = _parse_yaml(text, path)
    try:
        # Through JSON, where strictness admits lists for tuples and nothing else.
        spec = Spec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        from offtraj.spec.problems import describe

        lines = [_line(path, places, problem) for problem in describe(error, places)]
        raise SpecError("\n".join(lines)) from None
    return SpecFile(spec=spec, path=path, text=text, places=places)


def json_schema() -> dict[str, object]:
    """The JSON Schema of a spec, for editors."""
    from offtraj.spec.spec import Spec

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}


def _place(path: Path, places: Mapping[Loc, tuple[int, int]], loc: Loc) -> str:
    while loc not in places and loc:
        loc = loc[:-1]
    line, column = places.get(loc, (1, 1))
    return f"{path}:{line}:{column}"


def _line(path: Path, places: Mapping[Loc, tuple[int, int]], problem: Problem) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.loc)
    return f"{_place(path, places, problem.loc)}: {key.removeprefix('.') + ': ' if key else ''}{problem.message}"


def _parse_yaml(text: str, path: Path) -> tuple[object, dict[Loc, tuple[int, int]]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        key = str(error.problem).partition(" with value")[0].removeprefix("found duplicate key ")
        raise SpecError(f"{path}:{mark.line + 1}:{mark.column + 1}: the key {key} stands there twice") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SpecError(f"{where}: malformed YAML: {error.problem or error.context}") from None
    except YAMLError as error:
        raise SpecError(f"{path}: malformed YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, dict):
        raise SpecError(f"{path}:1:1: expected a mapping with the keys name, version, benchmarks …, got {root!r}")
    places: dict[Loc, tuple[int, int]] = {(): (1, 1)}
    return _plain(root, (), places, path), places


def _plain(node: object, loc: Loc, places: dict[Loc, tuple[int, int]], path: Path) -> object:
    """The node as plain data; records where its children stand. YAML holds data: tags are refused."""
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag is not None and str(tag).removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
        line, column = places[loc]
        raise SpecError(f"{path}:{line}:{column}: the tag {tag!r}: a spec holds plain data only")
    if isinstance(node, dict):
        result: dict[str, object] = {}
        for key, value in node.items():
            if not isinstance(key, str):
                line, column = places[loc]
                raise SpecError(f"{path}:{line}:{column}: the key {key!r}: expected text")
            child = (*loc, key)
            places[child] = _position(node, key, places[loc])
            result[key] = _plain(value, child, places, path)
        return result
    if isinstance(node, list):
        for index in range(len(node)):
            places[(*loc, index)] = _position(node, index, places[loc])
        return [_plain(value, (*loc, index), places, path) for index, value in enumerate(node)]
    return _plain_scalar(node)


def _position(container: object, key: str | int, fallback: tuple[int, int]) -> tuple[int, int]:
    data = getattr(getattr(container, "lc", None), "data", None) or {}
    if key not in data:  # came in through a merge key
        return fallback
    line, column = data[key][:2]
    return line + 1, column + 1


def _plain_scalar(value: object) -> object:
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
