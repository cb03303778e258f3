"""A spec file: the spec, the folder that its paths start at, and where each of its values is said.

The spec itself is a frozen value that reads the same on every machine; what depends on the machine (the environment,
the spec's folder) is looked up here, when it is needed. Following `extends` is left to `extends`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.digest import content_id
from offtraj.errors import SpecError
from offtraj.spec.document import Loc, Place, Withheld, flatten, write_document
from offtraj.spec.extends import resolve
from offtraj.spec.origin import LocalFile
from offtraj.spec.variables import expand

if TYPE_CHECKING:
    from offtraj.spec.references import Problem
    from offtraj.spec.spec import Spec

__all__ = ["SpecFile", "load_spec", "parse_spec"]

_DESCRIPTIVE = {"__all__": {"family", "tier"}}
_RESOLVED = (
    "The resolved spec: what it extends is written out, and relative paths start at the extending spec's folder."
)


@dataclass(frozen=True)
class SpecFile:
    """A spec, the file that it came from, and where each of its values is said."""

    spec: Spec
    """The spec, with what it extends."""
    path: Path
    """The file; of the extending spec, where there are several."""
    text: str
    """The file as it was read; the resolved spec as YAML that loads by itself, where it extends another."""
    places: Mapping[Loc, Place]
    """File, line and column of each value."""
    notes: tuple[str, ...] = ()
    """What its author should know: deprecated keys, and what was not taken from a foreign spec."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the resolved spec: layout, comments, defaults and the environment have no effect.

        A key that a later version adds therefore changes the digest of no spec without it. Keys that only describe
        (`family` and `tier` of a model) are left out, and a renamed key counts under its first name, so that data sets
        that are built stay current.
        """
        values = self.spec.model_dump(
            mode="json", exclude_defaults=True, by_alias=True, exclude={"models": _DESCRIPTIVE, "guides": _DESCRIPTIVE}
        )
        return content_id(values)

    def place(self, *loc: str | int) -> str:
        """`file:line:column` of a value, or of the nearest one around it that is there."""
        return str(_place(self.places, loc))

    def expand(self, value: str, *loc: str | int) -> str:
        """Replace `${NAME}` and `${NAME:-default}` from the environment.

        Raises:
            SpecError: for a variable that is not set, naming where the spec asks for it.
        """
        return expand(value, _place(self.places, loc))

    def file(self, value: str, *loc: str | int) -> Path:
        """A file's path, expanded, relative to the spec's folder.

        Raises:
            SpecError: when there is no such file.
        """
        path = self._local(self.expand(value, *loc), *loc)
        if not path.is_file():
            raise SpecError(f"{self.place(*loc)}: {value!r}: there is no file {str(path)!r}")
        return path

    def model_path(self, value: str, *loc: str | int) -> str:
        """A model's folder as an absolute path, or its Hub id as it stands.

        Raises:
            SpecError: when it looks like a path and is no folder.
        """
        expanded = self.expand(value, *loc)
        folder = self._local(expanded, *loc)
        if folder.is_dir():
            return str(folder.resolve())
        if expanded.startswith(("/", ".", "~")) or expanded.count("/") > 1:
            raise SpecError(f"{self.place(*loc)}: {value!r}: there is no folder {str(folder)!r}")
        return expanded

    def _local(self, expanded: str, *loc: str | int) -> Path:
        try:
            return self.path.parent / Path(expanded).expanduser()
        except RuntimeError as error:  # `~NAME` of a user who does not exist
            raise SpecError(f"{self.place(*loc)}: {expanded!r}: {error}") from None

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


def load_spec(path: Path | str, *, follow: bool = True) -> SpecFile:
    """Read and check a spec, with what it extends.

    Args:
        path: The file.
        follow: Whether `extends` is followed. It is refused in the spec of a data set, which is resolved already.

    Raises:
        SpecError: with one line for each problem: file, line, column, key, what was expected, the value.
        HubError: when it extends a spec on the Hub that cannot be fetched.
    """
    path = Path(path)
    return parse_spec(LocalFile(path).read(), path, follow=follow)


def parse_spec(text: str, path: Path, *, follow: bool = True) -> SpecFile:
    """Check a spec's text; `path` is where it came from, for messages and relative paths.

    Raises:
        SpecError: as `load_spec` does.
        HubError: as `load_spec` does.
    """
    from pydantic import ValidationError

    from offtraj.spec.references import Problem
    from offtraj.spec.spec import Spec

    document = resolve(text, path, follow=follow)
    values, places, withheld = flatten(document.root)
    if withheld:
        problems = [Problem(loc, _not_taken(value, loc, path)) for loc, value in withheld.items()]
        raise SpecError("\n".join(_line(places, problem) for problem in problems))
    try:
        # Through JSON, where strictness admits lists for tuples and nothing else.
        spec = Spec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        from offtraj.spec.problems import describe

        lines = [_line(places, _with_remedy(problem, places, path)) for problem in describe(error, places)]
        raise SpecError("\n".join(lines)) from None
    if document.extended:
        text = write_document(values, _RESOLVED)
    return SpecFile(spec=spec, path=path, text=text, places=places, notes=document.notes)


def _place(places: Mapping[Loc, Place], loc: Loc) -> Place:
    while loc not in places and loc:
        loc = loc[:-1]
    return places[loc]


def _line(places: Mapping[Loc, Place], problem: Problem) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.loc)
    return f"{_place(places, problem.loc)}: {key.removeprefix('.') + ': ' if key else ''}{problem.message}"


def _not_taken(value: Withheld, loc: Loc, path: Path) -> str:
    what = "a spec from a URL or the Hub"
    remedy = f"say `{loc[-1]}` in {path}" + (", or `judge: null`" if loc[0] == "judge" else "")
    return f"{value.reason} is not taken from {what}: {remedy}"


def _with_remedy(problem: Problem, places: Mapping[Loc, Place], path: Path) -> Problem:
    """What a foreign spec's model is sampled by is left to the spec that extends it."""
    if problem.loc[-1:] != ("engine",) or not _place(places, problem.loc).foreign:
        return problem
    remedy = f"engines are not taken from a spec from a URL or the Hub: declare it under `engines` in {path}"
    return problem._replace(message=f"{problem.message}; {remedy}")
