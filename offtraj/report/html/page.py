"""Writing a page: `report.html`, and `report_data/` beside it with the texts of its trajectories.

The page needs no network and no server. Its Content-Security-Policy allows its own script, by its hash, and scripts
that lie on the disk, of which it loads nothing but its chunks; what models wrote is text in it and never markup.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from offtraj import __version__
from offtraj._util.atomic import new_folder
from offtraj._util.digest import content_id, file_sha256
from offtraj.errors import OutputError
from offtraj.evaluate.run_folder import OUTCOMES, RunFolder
from offtraj.metrics.scores import percent
from offtraj.report.html.chunk import ChunkWriter, script_json
from offtraj.report.html.contents import Shown, all_figures, name_runs, shown_run
from offtraj.report.html.drawing import SERIES
from offtraj.report.html.figure import DASHES, MARKERS
from offtraj.report.html.index import Index
from offtraj.report.html.prefixes import Prefixes, find_data
from offtraj.run.outcome import Outcome
from offtraj.run.row import Segment

__all__ = ["PageFiles", "page_files", "write_page"]

_HERE = Path(__file__).resolve().parent
_CHUNK = re.compile(r"\d{3,}\.js")


class PageFiles(NamedTuple):
    """Where a page lies."""

    html: Path
    data: Path
    """The folder of its texts."""


def page_files(html: Path) -> PageFiles:
    """A page's files: `report.html` has its texts in `report_data`.

    Raises:
        OutputError: when that folder holds something else, which would be lost.
    """
    data = html.with_name(f"{html.stem}_data")
    if html.is_dir():
        raise OutputError(f"{html}: is a folder: choose another --html")
    if data.exists() and not (data.is_dir() and all(_CHUNK.fullmatch(path.name) for path in data.iterdir())):
        raise OutputError(f"{data}: holds something else than a page's texts: choose another --html")
    return PageFiles(html, data)


def write_page(runs: Sequence[RunFolder], html: Path, *, data: Sequence[str] = ()) -> PageFiles:
    """Write the page of some runs. The same runs give the same bytes.

    Outcomes and prefixes are streamed: memory grows by a few words an outcome.

    Args:
        runs: At least one.
        html: The file; its texts are put into a folder beside it.
        data: Where to look for data sets, before `data/NAME-VERSION`.

    Raises:
        DataError: for outcomes or a data set that cannot be read.
        OutputError: when the page cannot be written, or would replace something else.
    """
    files = page_files(html)
    shown = [
        shown_run(number, name, run, *find_data(run, data))
        for number, (name, run) in enumerate(zip(name_runs(runs), runs, strict=True))
    ]
    stamp = content_id("page/2", __version__, [file_sha256(run.path / OUTCOMES) for run in runs])[:16]
    index = Index()
    missing = [0] * len(shown)
    with new_folder(files.data, option="--html") as folder:
        chunks = ChunkWriter(folder, stamp)
        for one in shown:
            prefixes = Prefixes(one.data, (one.run.info.get("data") or {}).get("configs") or [])
            for outcome in one.run.outcomes(texts=True):
                index.add(one.number, outcome, several=len(shown) > 1)
                chunks.add(_texts(outcome, prefixes.of(outcome.row_id)))
            missing[one.number] = prefixes.missing
        chunks.flush()
    listed = {
        "stamp": stamp,
        "folder": files.data.name,
        "firsts": chunks.firsts,
        "runs": [
            {
                "name": one.name,
                "close": (one.run.info.get("think") or {}).get("close") or "",
                "why": _why(one, missing[one.number]),
            }
            for one in shown
        ],
        **index.to_json(),
    }
    _write(files.html, _render(shown, listed))
    return files


def _why(one: Shown, missing: int) -> str:
    if one.why_no_data:
        return one.why_no_data
    return (
        ""
        if not missing
        else f"{missing:,} of {one.outcomes:,} rows are not in the data set {one.data and one.data.path}."
    )


def _texts(outcome: Outcome, segments: Sequence[Segment] | None) -> list[object]:
    """What the viewer shows of a row, and the list does not need."""
    pieces = None
    if segments is not None:
        pieces = [list(asdict(segment).values()) for segment in segments]
    return [
        outcome.row_id,
        outcome.question,
        outcome.answer,
        pieces,
        outcome.completion,
        outcome.built_for,
        outcome.prefix_tokens,
        outcome.reason,
    ]


def _render(shown: Sequence[Shown], listed: dict[str, object]) -> str:
    import jinja2
    from markupsafe import Markup

    script, style = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' 'self' file:; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types offtraj-chunks"
    )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "percent": percent, "thousands": lambda number: f"{number:,}"}
    template = environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
    figures = {
        section: [(one.caption, one.note, Markup(one.svg)) for one in found]  # noqa: S704 - drawn here, serialised as XML
        for section, found in all_figures(shown).items()
    }
    return template.render(
        version=__version__,
        policy=policy,
        script=Markup(script),  # noqa: S704 - a file of the package
        style=Markup(style),  # noqa: S704 - likewise
        runs=shown,
        figures=figures,
        keys=[_key(one.number) for one in shown],
        usages=any(one.usages for one in shown),
        listed=Markup(script_json(listed)),  # noqa: S704 - escaped for a script element
        data_sets=sorted({_data_name(one) for one in shown}),
        outcomes=sum(one.outcomes for one in shown),
        most=max((count.n for one in shown for count in one.verdicts), default=1),
    )


def _data_name(one: Shown) -> str:
    data = one.run.info.get("data") or {}
    return f"{data.get('name')} {data.get('version')}"


def _key(number: int) -> dict[str, object]:
    """How the legend draws a run, as `offtraj/page/figure.py` does."""
    dash = DASHES[number // len(SERIES) % len(DASHES)]
    return {
        "colour": number % len(SERIES),
        "marker": MARKERS[number % len(MARKERS)],
        "dash": "" if isinstance(dash, str) else " ".join(str(1.8 * length) for length in dash[1]),
    }


def visible(text: object) -> str:
    """Foreign text in the page's own markup: what would reorder or hide other text is shown by its number."""
    return "".join(_visible(str(text)))


def _visible(text: str) -> Iterator[str]:
    for character in text:
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        yield f"[U+{ord(character):04X}]" if hidden else character


def _hash(text: str) -> str:
    """A source in a Content-Security-Policy: the hash of an element's exact text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def _write(path: Path, text: str) -> None:
    """Put a file in place, whole or not at all."""
    waiting = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    try:
        waiting.write_text(text, encoding="utf-8", newline="")
        os.replace(waiting, path)
    except OSError as error:
        waiting.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}: choose another --html") from error
