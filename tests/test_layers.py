"""Imports run strictly downwards, and what is public is said to be."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import offtraj
import offtraj_builders

ROOT = Path(__file__).parents[1]

# From the bottom to the top; modules on one line do not import each other.
LAYERS = [
    {"offtraj"},
    {"errors"},
    {"_util"},
    {"spec"},
    {"model"},
    {"store"},
    {"engines"},
    {"grading"},
    {"run"},
    {"offtraj_builders"},
    {"dataset", "metrics"},
    {"evaluate", "hub"},
    {"build"},
    {"check", "doctor", "report", "studies"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> list[tuple[str, Path]]:
    """Every module's dotted name and file."""
    files = [*(ROOT / "offtraj").rglob("*.py"), *(ROOT / "builders" / "offtraj_builders").rglob("*.py")]
    found = []
    for path in files:
        base = ROOT / "builders" if "builders" in path.parts else ROOT
        parts = path.relative_to(base).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return sorted(found)


def unit(module: str) -> str:
    """The part of the design that a module belongs to."""
    parts = module.split(".")
    return parts[0] if parts[0] == "offtraj_builders" or len(parts) == 1 else parts[1]


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "offtraj"}
    return {name for name in names if name.split(".")[0] in ("offtraj", "offtraj_builders")}


@pytest.mark.parametrize(("module", "path"), modules(), ids=str)
def test_imports_run_strictly_downwards(module: str, path: Path) -> None:
    here = unit(module)
    assert here in LEVEL, f"{module}: say in LAYERS where it belongs"
    for name in imported(path):
        there = unit(name)
        if there not in LEVEL:  # a name of the package itself, such as its version
            continue
        assert there == here or LEVEL[there] < LEVEL[here], f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=str)
def test_files_are_one_noun_and_say_what_it_is(module: str, path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"


@pytest.mark.parametrize("package", [offtraj, offtraj_builders], ids=lambda package: package.__name__)
def test_public_names_are_said_sorted_and_there(package: object) -> None:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        if info.name.rpartition(".")[2] in ("__main__", "worker"):
            continue
        module = importlib.import_module(info.name)
        assert module.__all__ == sorted(
            module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
        ), info.name
        for name in module.__all__:
            assert getattr(module, name) is not None, f"{info.name}.{name}"


def test_the_versions_agree() -> None:
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] in (offtraj.__version__, "Unreleased")
    assert next(version for version in versions if version != "Unreleased") == offtraj.__version__
    assert f"\nversion: {offtraj.__version__}\n" in (ROOT / "CITATION.cff").read_text()
