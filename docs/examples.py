"""Console and Python examples of the documentation: reading them from pages, running them, comparing their output.

An example is a fenced block behind a mark: `<!-- run -->` for one that is run, `<!-- file: NAME -->` for one that is
written into the folder in which the page's examples run, one after the other. In what is expected, a line `…` stands
for any lines, and `…` within a line for any text.

`python docs/examples.py PAGE…` runs the examples of pages and replaces the outputs that differ.
"""  # noqa: INP001

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["Example", "examples", "fits", "prepare", "rewritten", "run"]

ROOT = Path(__file__).parents[1]
_MARKED = re.compile(r"<!-- (run|file: (?P<name>\S+)) -->\n+```(?P<language>\w+)[^\n]*\n(?P<text>.*?)\n```", re.DOTALL)
_PREFIX = "offtraj: "  # of messages on the standard error


@dataclass(frozen=True)
class Example:
    """A marked block of a page."""

    file: str | None
    """The file that it is written to; `None` for one that is run."""
    language: str
    """`console`, `python` or `pycon` for one that is run."""
    text: str
    span: tuple[int, int]
    """Where the text stands in the page, in characters."""


def examples(page: str) -> list[Example]:
    """The marked blocks of a page, in their order."""
    return [
        Example(found["name"], found["language"], found["text"], found.span("text")) for found in _MARKED.finditer(page)
    ]


def prepare(folder: Path) -> None:
    """Put into a folder what examples start from: the small benchmark with its spec, and the repository's `specs`."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.factories import write_small_benchmark

    write_small_benchmark(folder).unlink()
    (folder / "specs").symlink_to(ROOT / "specs")
    for example in examples((ROOT / "docs" / "spec.md").read_text(encoding="utf-8")):
        if example.file is not None:
            run(example, folder)


def run(example: Example, folder: Path) -> str:
    """Run an example in a folder, or write its file.

    Returns:
        The block's text with the output that the example has today.
    """
    if example.file is not None:
        (folder / example.file).write_text(f"{example.text}\n", encoding="utf-8")
        return example.text
    match example.language:
        case "console":
            commands = [line for line in example.text.splitlines() if line.startswith("$ ")]
            return "\n".join(f"{command}\n{_console(command[2:], folder)}".rstrip("\n") for command in commands)
        case "pycon":
            script = folder / "example.txt"
            script.write_text(f"{example.text}\n".replace("…", "..."), encoding="utf-8")
            options = ("-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE")
            done = _process([sys.executable, "-m", "doctest", *options, str(script)], folder)
            return example.text if done.returncode == 0 else done.stdout
        case _:
            done = _process([sys.executable, "-c", example.text], folder)
            return example.text if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def _console(command: str, folder: Path) -> str:
    """Output of a command: what it prints, and messages of errors."""
    program, *arguments = shlex.split(command, comments=True)
    if program != "offtraj":
        raise ValueError(f"{command!r}: examples run offtraj only")
    done = _process([sys.executable, "-m", "offtraj", *arguments], folder)
    lines = [*done.stdout.splitlines(), *(line for line in done.stderr.splitlines() if line.startswith(_PREFIX))]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _process(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / ".hf"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def fits(expected: str, actual: str) -> bool:
    """Whether an output is what the page shows, apart from white space and what `…` stands for."""
    pattern = ""
    for line in _normalised(expected):
        pattern += r"(?:[^\n]*\n)*?" if line == "…" else re.escape(line).replace("…", r"[^\n]*") + "\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _normalised(actual))) is not None


def _normalised(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if words := " ".join(re.sub("─+", "─", line).split()):
            yield words


def rewritten(page: str) -> str:
    """A page with today's outputs in place of those that differ."""
    with TemporaryDirectory(prefix="offtraj-docs-") as name:
        folder = Path(name)
        prepare(folder)
        done = [(example, run(example, folder)) for example in examples(page)]
    for example, text in reversed(done):
        if not fits(example.text, text):
            start, end = example.span
            page = page[:start] + text + page[end:]
    return page


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
