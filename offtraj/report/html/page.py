"""Writes a page: `report.html`, and `report_data/` next to it with the texts of its trajectories.

The page needs neither network nor server. Its Content-Security-Policy allows its own script, by hash, and script files,
of which it loads only its chunks. Model output is text in it and never markup.
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

from offtraj._util.atomic import new_folder
from offtraj._util.digest import content_id, file_sha256
from offtraj._util.version import __version__
from offtraj.errors import OutputError
from offtraj.evaluate.run_folder import OUTCOMES
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.intervals import percent, question_count
from offtraj.report.html.chunk import ChunkWriter, script_json
from offtraj.report.html.drawing import SERIES
from offtraj.report.html.figure import DASHES, MARKERS
from offtraj.report.html.figures import Figure, axis_figures, solo_figures, strata_figures
from offtraj.report.html.index import Index
from offtraj.report.html.page_run import PageRun
from offtraj.report.html.prefixes import Prefixes, find_data
from offtraj.report.labels import NO_INTERVAL, NOT_DECIDED, SMALL, SUBSETS, axis_of, footnotes, is_guided, ordered_tests
from offtraj.run.outcome import Outcome
from offtraj.run.row import Segment
from offtraj_builders.definitions import test_names

__all__ = ["PageFiles", "page_files", "write_page"]

_HERE = Path(__file__).resolve().parent
_CHUNK = re.compile(r"\d{3,}\.js")


class PageFiles(NamedTuple):
    """The files of a page."""

    html: Path
    data: Path
    """The folder with the texts of its trajectories."""


def page_files(html: Path) -> PageFiles:
    """The files of a page: the texts of `report.html` are in `report_data`.

    Raises:
        OutputError: when that folder holds other files, which would be lost.
    """
    if html.is_dir():
        raise OutputError(f"{html}: is a folder: choose another --html")
    data = html.with_name(f"{html.stem}_data")
    if data.exists() and not (data.is_dir() and all(_CHUNK.fullmatch(path.name) for path in data.iterdir())):
        raise OutputError(f"{data}: holds something else than a page's texts: choose another --html")
    return PageFiles(html, data)


def write_page(runs: Sequence[ScoredRun], html: Path, *, data: Sequence[str] = ()) -> PageFiles:
    """Write the page of some runs. The same runs give the same bytes.

    Outcomes and prefixes are streamed: memory grows by a few words for each outcome.

    Args:
        runs: At least one run.
        html: The file; the texts are written to a folder next to it.
        data: Data sets that are tried before `data/NAME-VERSION`.

    Raises:
        DataError: for outcomes or a data set that cannot be read.
        OutputError: when the page cannot be written, or would replace something else.
    """
    files = page_files(html)
    shown = [PageRun(number, one, *find_data(one, data)) for number, one in enumerate(runs)]
    stamp = content_id("page/2", __version__, [file_sha256(run.path / OUTCOMES) for run in runs])[:16]
    index = Index()
    missing = [0] * len(shown)
    with new_folder(files.data, option="--html") as folder:
        chunks = ChunkWriter(folder, stamp)
        for one in shown:
            prefixes = Prefixes(one.data, one.configs)
            for outcome in one.scored.folder.outcomes(texts=True):
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
                "name": one.scored.name,
                "close": "" if one.scored.record.think is None else one.scored.record.think.close,
                "why": _why(one, missing[one.number]),
            }
            for one in shown
        ],
        **index.to_json(),
    }
    _write(files.html, _render(shown, listed))
    return files


def _why(one: PageRun, missing: int) -> str:
    if one.why_no_data:
        return one.why_no_data
    return (
        ""
        if not missing
        else f"{missing:,} of {one.scored.outcomes:,} rows are not in the data set {one.data and one.data.path}."
    )


def _texts(outcome: Outcome, segments: Sequence[Segment] | None) -> list[object]:
    """The texts that the viewer shows of a row, in the order in which the script reads them."""
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


def _render(shown: Sequence[PageRun], listed: dict[str, object]) -> str:
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
    environment.filters |= {
        "visible": visible,
        "percent": percent,
        "thousands": lambda number: f"{number:,}",
        "questions": question_count,
    }
    template = environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
    cells = [cell for one in shown for cell in one.scored.cells]
    tests = ordered_tests(cells)
    columns = ordered_tests(cells, all_known=True)
    averages = [one.averages(columns) for one in shown]

    def marked(figures: Sequence[Figure]) -> list[tuple[str, str, Markup]]:
        return [(one.caption, one.note, Markup(one.svg)) for one in figures]  # noqa: S704 - serialised as XML

    return template.render(
        version=__version__,
        policy=policy,
        script=Markup(script),  # noqa: S704 - a file of the package
        style=Markup(style),  # noqa: S704 - a file of the package
        runs=shown,
        columns=columns,
        subsets=SUBSETS,
        averages=averages,
        footnotes=footnotes([score for row in averages for score in row]),
        small=SMALL if any(cell.is_small for cell in cells) else "",
        no_interval=NO_INTERVAL if any(cell.interval is None for cell in cells) else "",
        not_decided=NOT_DECIDED,
        tests=[
            {
                "id": test if test in test_names() else f"test-{number}",
                "name": test,
                "axis": axis_of(test, cells),
                "guided": is_guided(test, cells),
                "known": test in test_names(),
                "figures": marked(axis_figures(number, test, shown)),
            }
            for number, test in enumerate(tests)
        ],
        guided={test: is_guided(test, cells) for test in tests},
        solo_figures=marked(solo_figures(shown)),
        strata_figures=marked(strata_figures(tests, shown)),
        keys=[_key(one.number) for one in shown],
        usages=any(one.usages for one in shown),
        listed=Markup(script_json(listed)),  # noqa: S704 - escaped for a script element
        data_sets=sorted({one.data_name for one in shown}),
        outcomes=sum(one.scored.outcomes for one in shown),
        most=max((count.n for one in shown for count in one.scored.verdicts), default=1),
    )


def _key(number: int) -> dict[str, object]:
    """Colour, marker and dash of a run in the legend, as in `figure`."""
    dash = DASHES[number // len(SERIES) % len(DASHES)]
    return {
        "colour": number % len(SERIES),
        "marker": MARKERS[number % len(MARKERS)],
        "dash": "" if isinstance(dash, str) else " ".join(str(1.8 * length) for length in dash[1]),
    }


def visible(text: object) -> str:
    """Foreign text for the page's markup: characters that would reorder or hide text are shown as code points."""
    return "".join(_visible(str(text)))


def _visible(text: str) -> Iterator[str]:
    for character in text:
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        yield f"[U+{ord(character):04X}]" if hidden else character


def _hash(text: str) -> str:
    """The source in a Content-Security-Policy for an element with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    waiting = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    try:
        waiting.write_text(text, encoding="utf-8", newline="")
        os.replace(waiting, path)
    except OSError as error:
        waiting.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}: choose another --html") from error
