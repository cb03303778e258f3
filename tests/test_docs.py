"""The documentation: its examples run, its links resolve, and what it generates covers the code."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

import offtraj
from offtraj.run.outcome import outcome_schema
from offtraj.run.row import row_schema
from offtraj_builders.definitions import TESTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README_LIMIT = 8_192


def load(name: str) -> ModuleType:
    """A module of the documentation, which is no package."""
    found = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


examples = load("examples")
generate = load("generate")
WITH_EXAMPLES = [page for page in PAGES if examples.examples(page.read_text())]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_examples_have_the_output_that_the_page_shows(page: Path, tmp_path: Path) -> None:
    examples.prepare(tmp_path)
    for example in examples.examples(page.read_text()):
        actual = examples.run(example, tmp_path)
        assert examples.fits(example.text, actual), f"python docs/examples.py {page.name} rewrites this:\n{actual}"


@pytest.mark.parametrize(
    ("expected", "actual", "fit"),
    [
        ("$ a\nx  1\n", "$ a\n x 1 ", True),
        ("$ a\n…\nend", "$ a\none\ntwo\nend", True),
        ("$ a\n…\nend", "$ a\nend", True),
        ("$ a\n…\nend", "$ a\nend\nmore", False),
        ("took … s", "took 3.2 s", True),
        ("took … s", "took 3\n4 s", False),
        ("n 10", "n 11", False),
        ("x.y", "xzy", False),
    ],
)
def test_an_output_fits_when_only_marked_parts_differ(expected: str, actual: str, fit: bool) -> None:
    assert examples.fits(expected, actual) is fit


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_LIMIT


def test_the_readmes_python_calls_functions_that_take_these_arguments() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    calls = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and "ot." in ast.unparse(node.func)
    ]
    assert len(calls) > 5
    for call in calls:
        function = getattr(offtraj, ast.unparse(call.func).removeprefix("ot."))
        inspect.signature(function).bind(*call.args, **{str(given.arg): given.value for given in call.keywords})


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_links_within_the_repository_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / unquote(target.partition("#")[0])).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    named = re.findall(r"`((?:offtraj|builders|benchmarks|tests|specs|docs)/[\w./-]+)`", page.read_text())
    for name in named:
        assert (ROOT / name.rstrip(".")).exists(), f"{page.name}: {name}"


def test_every_module_has_a_line_in_the_file_map() -> None:
    lines = generate.file_map()
    for path in generate.modules():
        assert re.search(rf"^\| `{re.escape(path.name)}` \| \S", section(lines, str(path.parent)), re.MULTILINE), path


def section(text: str, package: str) -> str:
    """The part of the file map that is about a package."""
    return text.partition(f"### `{package}/`\n")[2].partition("\n### ")[0]


def test_every_floor_of_the_layers_is_shown() -> None:
    from test_layers import LAYERS

    table = generate.floors()
    assert table.count("\n") == len(LAYERS) + 1
    assert all(f"`{name}`" in table for names in LAYERS for name in names)


def test_every_key_of_a_spec_is_documented_with_its_meaning() -> None:
    from offtraj.spec import json_schema

    page = generate.spec()
    schema: dict[str, Any] = dict(json_schema())
    for part in [schema, *schema["$defs"].values()]:
        for key in part.get("properties", {}):
            assert re.search(rf"^\| `{key}` \| .+ \| .* \| .*\w.* \|$", page, re.MULTILINE), key


def test_every_command_and_option_is_documented() -> None:
    done = subprocess.run([sys.executable, "-m", "offtraj", "--help"], capture_output=True, text=True, check=True)
    page = generate.cli()
    commands = re.findall(r"^  ([a-z]+)  ", done.stdout.partition("Commands")[2], re.MULTILINE)
    assert len(commands) > 10
    assert all(f"## `offtraj {name}" in page for name in commands)
    assert "`--limit N`" in page
    assert "`--workspace DIR`" in page


def test_every_test_variant_and_column_is_explained() -> None:
    concepts, data = (DOCS / "concepts.md").read_text(), (DOCS / "datasets.md").read_text()
    for test in TESTS:
        assert all(f"`{name}`" in concepts for name in (test.name, *(variant.name for variant in test.variants)))
    assert all(f"`{name}`" in data for name in [*row_schema().names, *outcome_schema().names])


def test_the_changelog_has_the_headings_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed"}
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed")
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


class Fetched(HTMLParser):
    """What a browser loads with a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.addresses.append(str(given["src"]))
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload"):
            self.addresses.append(str(given["href"]))


def test_the_site_builds_without_a_warning_and_has_every_page(site: Path) -> None:
    for page in PAGES:
        text = (site / page.with_suffix(".html").name).read_text()
        assert "<!-- generate:" not in text


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        found = Fetched(path.read_text()).addresses
        assert found
        assert not [address for address in found if re.match(r"(https?:)?//", address)], path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", path.read_text()), path.name
