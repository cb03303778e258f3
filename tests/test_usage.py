"""Token usage and unscored outcomes: from a server's finish reasons to tables, exports and the page."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from support.background import in_background
from support.browser import browser_or_skip, visit
from support.factories import SPEC, write_small_benchmark
from support.server import CompletionServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LIMIT = 250
FAILED = 2


class Ran(NamedTuple):
    """A run that met failures, the same command once more, and what was seen."""

    folder: Path
    first: subprocess.CompletedProcess[str]
    failed: dict[str, Any]
    """`run.json` and `scores.json` of the first."""
    asked_first: int
    second: subprocess.CompletedProcess[str]
    server: CompletionServer

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return list(pq.read_table(self.folder / "run" / "outcomes.parquet").to_pylist())

    def read(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / "run" / name).read_text()))


def offtraj(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "offtraj", *map(str, arguments)],
        cwd=folder, env={**os.environ, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "sesame"}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def answer(ids: list[int], _: int) -> str:
    return f" so it goes on </think>\\boxed{{{10 * (len(ids) % 6) + 1}}}"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, r1: Path) -> Ran:
    """Prefixes of any length up to and over the limit, a server that needs 60 tokens, and two requests that fail."""
    folder = tmp_path_factory.mktemp("usage")
    spec = write_small_benchmark(folder)
    text = SPEC.replace("samples: 4}", f"samples: 4, max_tokens: {LIMIT}}}")
    spec.write_text(text.replace("[default, keep-first-paragraph, cross-model]", "[default]"))  # no prompt twice
    built = offtraj(folder, "build", spec, "--out", "data/small-1.0.0")
    assert built.returncode == 0, built.stderr
    with in_background(lambda: serving(answer, tokens=60, faults=["", *[400] * FAILED])) as server:
        command = ["run", "data/small-1.0.0", "--model", r1, "--on", "weak", "--test", "recoverability"]
        first = offtraj(folder, *command, "--engine", server.base_url, "--out", "run")
        failed = {name: json.loads((folder / "run" / name).read_text()) for name in ("run.json", "scores.json")}
        asked = len(server.requests)
        second = offtraj(folder, *command, "--engine", server.base_url, "--out", "run")
    return Ran(folder, first, failed, asked, second, server)


@pytest.fixture(scope="module")
def browser(ran: Ran) -> Iterator[Browser]:
    """Opened behind the run, whose server has an event loop."""
    with browser_or_skip() as found:
        yield found


def test_what_failed_is_listed_with_its_reason_and_asked_for_again(ran: Ran) -> None:
    assert ran.first.returncode == 3, ran.first.stderr
    (one,) = ran.failed["run.json"]["unscored"]
    total = sum(ran.failed["run.json"]["outcomes"].values())
    assert one["n"] == ran.failed["run.json"]["outcomes"]["unscored"] == FAILED
    assert one["reason"].startswith("not_sampled: ") and "fault 400" in one["reason"]
    assert len(one["rows"]) == FAILED
    assert ran.failed["scores.json"]["unscored"] == [one]
    (line,) = [line for line in ran.first.stdout.splitlines() if line.startswith("unscored:")]
    assert line == (
        f"unscored: {one['n']} of {total}: {one['reason']} ({one['n']}); for example row {one['rows'][0][:12]}; "
        "the same command tries them again"
    )
    assert ran.second.returncode == 0, ran.second.stderr
    assert ran.read("run.json")["unscored"] == ran.read("scores.json")["unscored"] == []
    assert "unscored:" not in ran.second.stdout
    assert len(ran.server.requests) - ran.asked_first == FAILED


def test_outcomes_record_the_limit_on_their_tokens(ran: Ran) -> None:
    over = [o for o in ran.outcomes if o["prompt_tokens"] >= LIMIT]
    cut = [o for o in ran.outcomes if o["prompt_tokens"] < LIMIT < o["prompt_tokens"] + 60]
    whole = [o for o in ran.outcomes if o["prompt_tokens"] + 60 <= LIMIT]
    assert over and cut and whole
    assert {o["max_tokens"] for o in ran.outcomes} == {LIMIT}
    assert {(o["completion"], o["finish_reason"], o["tokens"]) for o in over} == {("", "length", 0)}
    assert all(o["finish_reason"] == "length" and o["prompt_tokens"] + o["tokens"] == LIMIT for o in cut)
    assert {(o["finish_reason"], o["tokens"]) for o in whole} == {("stop", 60)}
    assert {o["reason"] for o in over + cut} == {"truncated"}
    assert max(map(len, ran.server.asked())) < LIMIT  # a prompt that reaches the limit is not sent


def test_scores_say_what_was_cut_off_and_what_prefixes_took(ran: Ran) -> None:
    cells = ran.read("scores.json")["scores"]
    assert len(cells) == 12
    for cell in cells:
        inside = [
            o for o in ran.outcomes
            if o["variant"] == cell["variant"] and cell["subset"] in o["subsets"]
            and (cell["position"] is None or abs(o["position"] - cell["position"]) < 1e-6)
        ]  # fmt: skip
        shares = [o["prefix_tokens"] / LIMIT for o in inside]
        assert cell["usage"] == {
            "completions": len(inside),
            "cut_off": sum(o["finish_reason"] == "length" for o in inside),
            "cut_early": 0,
            "mean_tokens": pytest.approx(mean(o["tokens"] for o in inside)),
            "median_tokens": median(o["tokens"] for o in inside),
            "mean_prefix_share": pytest.approx(mean(shares)),
            "max_prefix_share": max(shares),
        }
    by_place = [c["usage"] for c in cells if (c["variant"], c["subset"]) == ("default", "shared") and c["position"] is not None]  # fmt: skip
    assert len(by_place) == 5
    assert [usage["cut_off"] for usage in by_place] == sorted(usage["cut_off"] for usage in by_place)
    assert by_place[0]["cut_off"] == 0 and by_place[-1]["cut_off"] == by_place[-1]["completions"]
    assert by_place[-1]["max_prefix_share"] > 1 > by_place[0]["max_prefix_share"]


def test_terminal_and_exports_say_the_same(ran: Ran) -> None:
    written = ran.read("scores.json")
    shown, as_json, as_csv = (offtraj(ran.folder, "report", *options, "run") for options in ([], ["--json"], ["--csv"]))
    (told,) = json.loads(as_json.stdout)["runs"]
    for name in ("exactness", "max_tokens", "usage", "unscored", "scores"):
        assert told[name] == written[name], name
    lines = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    for line, cell in zip(lines, [*written["scores"], *written["strata"]], strict=True):
        assert int(line["completions"]) == cell["usage"]["completions"]
        assert int(line["cut_off_completions"]) == cell["usage"]["cut_off"]
        assert float(line["mean_tokens"]) == cell["usage"]["mean_tokens"]
        assert float(line["max_prefix_share"]) == cell["usage"]["max_prefix_share"]
        assert line["run_exactness"] == f"ids:{len(ran.outcomes)}"
    places = [c["usage"] for c in written["scores"] if (c["variant"], c["subset"]) == ("default", "individual")]
    whole, *rest = places  # the average comes first there, and last here
    (row,) = [line for line in shown.stdout.splitlines() if line.split()[:4] == ["default", "individual", "cut", "off"]]
    assert row.split()[4:] == [f"{usage['cut_off']}/{usage['completions']}" for usage in (*rest, whole)]
    usage = written["usage"]
    said = (
        f"token usage: {usage['cut_off']} of {usage['completions']} completions ended by length; {usage['mean_tokens']:.0f} tokens "
        f"on average, {usage['median_tokens']:.0f} in the median; prefixes took {100 * usage['mean_prefix_share']:.1f} % of "
        f"the limit on average, {100 * usage['max_prefix_share']:.1f} % at most; the limit is {LIMIT} tokens, prompt included"
    )
    assert said in ran.second.stdout.splitlines()
    assert f"tiny-r1: {said}" in shown.stdout.splitlines()
    assert "tiny-r1: prompts: as token ids" in shown.stdout.splitlines()


def test_a_run_says_how_it_was_sent_and_keeps_no_credentials(ran: Ran) -> None:
    engine = ran.read("run.json")["engine"]
    assert (engine["mode"], engine["served"], engine["base_url"]) == ("ids", "tiny", ran.server.base_url)
    assert {request["headers"]["Authorization"] for request in ran.server.requests} == {"Bearer sesame"}
    assert "sesame" not in "".join(
        path.read_text() for path in (ran.folder / "run").iterdir() if path.suffix == ".json"
    )
    assert ran.read("run.json")["exactness"] == {"ids": len(ran.outcomes)}


def test_the_page_shows_where_tokens_ran_out(ran: Ran, browser: Browser) -> None:
    assert offtraj(ran.folder, "report", "run").returncode == 0
    over = next(o for o in ran.outcomes if o["prompt_tokens"] >= LIMIT)
    usages = [cell for cell in ran.read("scores.json")["scores"] if cell["variant"] == "default"]
    with visit(browser, ran.folder / "run" / "report.html", f"#row={over['row_id']}") as there:
        there.opened()
        facts = there.page.inner_text("#row .facts")
        assert f"after {over['prefix_tokens']} tokens, {100 * over['prefix_tokens'] / LIMIT:.1f} % of the {LIMIT} allowed" in facts  # fmt: skip
        assert "wrote 0 tokens" in facts and "ended by length" in facts and "sent as ids" in facts
        assert "the prompt itself reaches the limit on tokens" in there.page.inner_text("#row .notice")
        found = there.ask(
            "[...document.querySelectorAll('#usage tbody tr')].map(r => [...r.cells].map(c => c.textContent.trim()))"
        )
        assert [[row[1], *row[3:]] for row in found] == [
            [
                cell["subset"],
                str(cell["usage"]["completions"]),
                str(cell["usage"]["cut_off"]),
                f"{cell['usage']['mean_tokens']:.0f}",
                f"{cell['usage']['median_tokens']:.0f}",
                f"{100 * cell['usage']['mean_prefix_share']:.1f}",
                f"{100 * cell['usage']['max_prefix_share']:.1f}",
            ]
            for cell in usages
        ]
        label = next(t for t in there.page.locator("select[name=finish] option").all_inner_texts() if "length" in t)
        there.page.select_option("select[name=finish]", label=label)
        count = sum(o["finish_reason"] == "length" for o in ran.outcomes)
        assert there.page.inner_text("#count") == f"{count} of {len(ran.outcomes)} trajectories"
        assert there.page.locator(".sent").count() == 0  # all prompts were sent as ids
