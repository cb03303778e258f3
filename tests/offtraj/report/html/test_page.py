"""The page of a report, in a real browser: what it shows, that it is quick, and that nothing in it can run."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import browser_or_skip, visit
from support.factories import make_record, write_small_benchmark

from offtraj.dataset.folder import open_folder
from offtraj.errors import OutputError
from offtraj.evaluate.run_folder import RunFolder, read_run, write_run
from offtraj.evaluate.scored_run import score_runs
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion
from offtraj.report.html.chunk import script_json
from offtraj.report.html.page import page_files, visible, write_page
from offtraj.run.outcome import Outcome, outcome_of
from offtraj.run.record import RunModel
from offtraj.run.row import SteeredRow, read_rows
from offtraj_builders.definitions import TESTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)></script></textarea></pre><svg onload=alert(3)>"
    "<style>*{display:none}</style><base href='https://example.org/'><a href=javascript:alert(4)>"
    "&lt;b&gt; <!-- ]]> ${alert(5)} `"
)
OVERRIDE = "ab\u202edc\u2066 \u200f\x00\x1b[31m\r\u2028 end"
LONG = "x" * 1_000_000
UNKNOWN = "relay <b>x</b>"
WRITTEN = (HOSTILE + "\n</think>\n\nThe answer is \\boxed{1}.", OVERRIDE, LONG)


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    """Opened behind the folder: its driver has an event loop in this thread, in which no other may run."""
    with browser_or_skip() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose traces are hostile, too, in `data/`, and two runs on it, in `runs/`."""
    folder = tmp_path_factory.mktemp("page")
    spec = write_small_benchmark(folder)
    traces = folder / "traces.jsonl"
    traces.write_text(traces.read_text().replace("apples", "<img src=x onerror=alert(6)>"))
    built = [sys.executable, "-m", "offtraj", "build", str(spec), "--out", "data/small-1.0.0"]
    subprocess.run(built, cwd=folder, check=True, capture_output=True)
    make_run(folder, "first")
    make_run(folder, "<i>second</i>\u202e$x$")
    make_inexact_run(folder)
    make_unknown_run(folder)
    return folder


def make_unknown_run(folder: Path) -> None:
    """The first run's outcomes with a position as if a later version had made them, of a test with a hostile name."""
    first = read_run(folder / "runs" / "small-1.0.0--first")

    async def outcomes() -> AsyncIterator[Outcome]:
        for outcome in first.outcomes(texts=True):
            if outcome.position is not None:
                yield replace(outcome, test=UNKNOWN)

    asyncio.run(write_run(folder / "others" / "unknown", first.record, outcomes()))


def make_inexact_run(folder: Path) -> None:
    """The first run's outcomes as if every other prompt had been sent as text, and one not at all."""
    first = read_run(folder / "runs" / "small-1.0.0--first")
    why = "<b>not_sampled</b>: \u202egone"

    async def outcomes() -> AsyncIterator[Outcome]:
        for at, outcome in enumerate(first.outcomes(texts=True)):
            yield replace(outcome, exactness="text" if at % 2 else "ids", reason=why if at == 2 else outcome.reason)

    record = first.record.model_copy(update={"model": RunModel(id="other")})
    asyncio.run(write_run(folder / "others" / "inexact", record, outcomes()))


def make_run(folder: Path, model: str) -> RunFolder:
    data = open_folder(str(folder / "data" / "small-1.0.0"))
    configs = ["recoverability--weak", "guidability--weak"]
    rows = [row for config in configs for row in read_rows(data.files(config))]

    async def outcomes() -> AsyncIterator[Outcome]:
        for number, row in enumerate(rows):
            yield make_outcome(row, number)

    info: dict[str, Any] = {
        "data": {"name": "small", "version": "1.0.0", "spec_sha256": data.manifest.spec_sha256, "configs": configs},
        "model": {"id": model, "path": "<b>there</b>"},
        "solo": {"sums": {"3/4": 6}},
        "engine": {"kind": "transformers"},
        "sampling": {"samples": 1},
        "think": {"open": "<think>\n", "close": "</think>"},
        "judge": None,
    }
    name = re.sub(r"\W", "", model)
    return asyncio.run(write_run(folder / "runs" / f"small-1.0.0--{name}", make_record(**info), outcomes()))


def make_outcome(row: SteeredRow, number: int) -> Outcome:
    text = WRITTEN[number] if number < len(WRITTEN) else f"So it goes on, for the {number}th time.\n</think>\nDone."
    verdict = (
        Verdict("correct", "rule", "boxed"),
        Verdict("incorrect", "judge", "<b>boxed</b>"),
        Verdict("unscored", None, "timeout"),
    )[number % 3]
    completion = Completion(text, "stop", 90, 30) if number != 4 else None
    outcome = outcome_of(row, 0, completion, verdict, exactness="ids", prefix_tokens=60)
    return replace(outcome, question_id=HOSTILE, question=HOSTILE) if number == 0 else outcome


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[RunFolder]:
    return [read_run(folder / "runs" / f"small-1.0.0--{name}") for name in ("first", "isecondix")]


@pytest.fixture(scope="module")
def html(runs: list[RunFolder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(score_runs(runs), tmp_path_factory.mktemp("a page, #1 %41") / "report.html").html


def keys(html: Path) -> list[str]:
    found = re.search(r'<script type="application/json" id="index">(.*)</script>', html.read_text())
    assert found is not None
    return list(json.loads(found[1])["columns"]["id"])


def test_a_page_opens_from_disk_and_shows_a_trajectory_piece_by_piece(browser: Browser, html: Path) -> None:
    with visit(browser, html, f"#row={keys(html)[7]}") as there:
        assert there.opened() == keys(html)[7]
        segments = there.page.locator("#row > .segment")
        kinds = [name.split()[1] for name in segments.evaluate_all("all => all.map(one => one.className)")]
        assert kinds == ["question", "own", "transition", "steer", "continuation", "answer"]
        assert "the model continues from here" in there.page.inner_text("#row")
        assert "for the 7th time" in there.page.inner_text(".continuation")
        assert there.page.inner_text(".answer .prose").strip() == "Done."


def test_the_pieces_are_what_the_data_set_says(browser: Browser, html: Path, folder: Path) -> None:
    data = open_folder(str(folder / "data" / "small-1.0.0"))
    row = list(read_rows(data.files("recoverability--weak")))[8]
    with visit(browser, html, f"#row={row.id}") as there:
        assert there.opened() == f"{row.id[:16]}@0"
        for segment in row.segments:
            if segment.text:
                shown = there.page.locator(f".segment.{segment.role} .prose").evaluate("node => node.textContent")
                assert shown.replace("↵", "") == segment.text


def test_what_a_model_wrote_never_runs(browser: Browser, html: Path) -> None:
    with visit(browser, html, f"#row={keys(html)[0]}") as there:
        there.opened()
        assert there.page.locator(".continuation .prose").evaluate("node => node.textContent") == HOSTILE + "\n"
        assert there.page.locator(".question .prose").evaluate("node => node.textContent") == HOSTILE
        assert HOSTILE in there.page.locator("#list").evaluate("node => node.textContent")
        assert there.page.locator("#row :is(script, img, style, base, textarea)").count() == 0
        assert there.page.locator("#table-1 i, dl b, .counts b").count() == 0
        assert there.ask("document.scripts.length") == 2


def test_the_policy_refuses_what_would_run_or_leave(browser: Browser, html: Path) -> None:
    with visit(browser, html) as there:
        there.opened()
        tried = there.ask(
            """async () => {
              const found = {};
              try { document.body.innerHTML = "<b>x</b>"; found.markup = true } catch { found.markup = false }
              const script = document.createElement("script");
              try { script.src = "https://example.org/x.js"; found.script = true } catch { found.script = false }
              const node = document.createElement("div");
              node.setAttribute("style", "color: red");
              found.style = node.style.color;
              try { await fetch("https://example.org/"); found.fetch = true } catch { found.fetch = false }
              return found;
            }"""
        )
        assert tried == {"markup": False, "script": False, "style": "", "fetch": False}
        there.complaints.clear()  # the browser says what it refused
        there.foreign.clear()  # and reports a request that its policy stopped


def test_controls_and_overrides_are_shown_by_name(browser: Browser, html: Path) -> None:
    with visit(browser, html, f"#row={keys(html)[1]}") as there:
        there.opened()
        marks = there.page.locator(".continuation .mark").all_inner_texts()
        assert marks == [
            "RLO U+202E", "LRI U+2066", "RLM U+200F", "NUL U+0000", "ESC U+001B", "CR U+000D", "LSEP U+2028"
        ]  # fmt: skip
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", there.ask("document.body.innerText"))
    assert visible("a\u202eb\x00") == "a[U+202E]b[U+0000]"


def test_a_line_of_a_megabyte_is_shown_at_once_and_whole(browser: Browser, html: Path) -> None:
    with visit(browser, html) as there:
        there.opened()
        took = there.ask(
            f"""async () => {{
              const started = performance.now();
              location.hash = "row={keys(html)[2]}";
              while (document.getElementById("row").dataset.row !== "{keys(html)[2]}") await new Promise(requestAnimationFrame);
              return performance.now() - started;
            }}"""
        )
        assert took < 3000
        assert there.ask("document.querySelector('.continuation .prose').textContent.length") == len(LONG)


def test_the_table_is_sorted_by_any_column(browser: Browser, runs: list[RunFolder], tmp_path: Path) -> None:
    other = replace(runs[1], record=runs[1].record.model_copy(update={"model": RunModel(id="another")}))
    page = write_page(score_runs([runs[0], other]), tmp_path / "two.html")
    assert page.data == tmp_path / "two_data"
    with visit(browser, page.html) as there:
        models = "[...document.querySelectorAll('#table-1 tbody th')].map(cell => cell.textContent.trim())"
        assert there.ask(models) == ["first", "another"]
        there.page.click("#table-1 th button:text('model')")
        assert there.ask(models) == ["another", "first"]
        there.page.click("#table-1 th button:text('model')")
        assert there.ask(models) == ["first", "another"]
        there.page.click("summary:text('Every cell')")
        there.page.click("#cells th button:text('solved (%)')")
        found = there.ask(
            "[...document.querySelectorAll('#cells tbody tr')].map(row => Number(row.cells[6].dataset.sort))"
        )
        assert found == sorted(found, reverse=True)
        assert len(found) > 4
        assert there.page.get_attribute("#cells th[aria-sort]", "aria-sort") == "descending"


def test_the_numbers_are_those_of_the_scores(browser: Browser, html: Path, runs: list[RunFolder]) -> None:
    cells = [cell for run in runs for cell in json.loads((run.path / "scores.json").read_text())["scores"]]
    with visit(browser, html) as there:
        found = there.ask(
            "[...document.querySelectorAll('#cells tbody tr')].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
        )
    assert len(found) == len(cells)
    for shown, cell in zip(found, cells, strict=True):
        if cell["score"] is None:
            assert shown[6] == "–"
        elif cell["interval"] is None:
            assert cell["questions"] < 8
            count = f"{cell['questions']} question{'' if cell['questions'] == 1 else 's'}"
            assert shown[6].split(maxsplit=1) == [f"{100 * cell['score']:.1f}", count]
        else:
            expected = [cell["score"], cell["interval"]["low"], cell["interval"]["high"]]
            assert re.findall(r"[\d.]+", shown[6]) == [f"{100 * value:.1f}" for value in expected]
        assert [int(text) for text in shown[7:9]] == [cell["n"], cell["questions"]]


def test_a_run_whose_prompts_were_not_sent_as_ids_is_marked(
    browser: Browser, folder: Path, runs: list[RunFolder], tmp_path: Path
) -> None:
    page = write_page(score_runs([runs[0], read_run(folder / "others" / "inexact")]), tmp_path / "report.html")
    with visit(browser, page.html) as there:
        there.opened()
        marks = there.page.locator("#table-1 tbody tr").evaluate_all(
            "all => all.map(row => row.querySelector('.sent')?.textContent ?? '')"
        )
        total = len(keys(page.html)) // 2
        assert marks == ["", "ids, text"]
        notice = there.page.inner_text("#sent-1")
        assert f"as text ({total // 2} of {total})" in notice and "text: the server tokenised it" in notice
        assert there.page.locator("#sent-0").count() == 0
        missing = there.page.locator("#verdicts .missing").last.inner_text()
        assert "<b>not_sampled</b>: [U+202E]gone (1)" in missing
        there.page.select_option("select[name=sent]", label=option(there, "sent", "text"))
        assert there.page.inner_text("#count") == f"{total // 2} of {2 * total} trajectories"


def test_filters_choose_and_the_address_keeps_them(browser: Browser, html: Path) -> None:
    with visit(browser, html) as there:
        there.opened()
        whole = there.page.inner_text("#count")
        there.page.select_option("select[name=verdict]", label=option(there, "verdict", "incorrect"))
        there.page.select_option("select[name=test]", label=option(there, "test", "guidability"))
        assert "of" in there.page.inner_text("#count") != whole
        names = there.page.locator("#list .verdict").evaluate_all("all => all.map(one => one.className)")
        assert set(names) == {"verdict incorrect"}
        assert all("guidability" in text for text in there.page.locator("#list .item").all_inner_texts())
        address = there.ask("location.hash")
        assert "verdict=incorrect" in address and "test=guidability" in address
        counted = there.page.inner_text("#count")
        there.page.goto("about:blank")
        there.foreign.clear()
        there.go(html, address)
        there.opened()
        assert there.page.inner_text("#count") == counted
        there.page.click("button:text('show all')")
        there.page.wait_for_function("text => document.getElementById('count').innerText === text", arg=whole)


def option(there: Any, name: str, value: str) -> str:
    texts = there.page.locator(f"select[name={name}] option").all_inner_texts()
    return str(next(text for text in texts if text.startswith(value)))


def test_a_row_is_found_by_its_address_and_by_keys(browser: Browser, html: Path) -> None:
    ids = keys(html)
    with visit(browser, html, f"#row={ids[-2]}") as there:
        assert there.opened() == ids[-2]
        for key, expected in (("j", ids[-1]), ("ArrowRight", ids[-1]), ("k", ids[-2]), ("ArrowLeft", ids[-3])):
            there.page.keyboard.press(key)
            there.page.wait_for_selector(f"#row[data-row='{expected}']")
        assert there.ask("location.hash") == f"#row={ids[-3]}"
        assert there.page.locator("#list [aria-selected=true]").is_visible()
        there.ask("location.hash = '#row=ffffffffffffffff'")
        there.page.wait_for_selector("#row .notice")
        assert "no row ffffffffffffffff" in there.page.inner_text("#row")


def test_a_completion_that_failed_to_generate_is_said_to_be_missing(browser: Browser, html: Path) -> None:
    with visit(browser, html, f"#row={keys(html)[4]}") as there:
        there.opened()
        assert "no continuation" in there.page.inner_text("#row .notice")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_read_on_a_phone_and_in_the_dark(browser: Browser, html: Path, scheme: str) -> None:
    with visit(browser, html, viewport={"width": 360, "height": 740}, color_scheme=scheme) as there:
        for key in keys(html)[:6]:
            there.ask(f"location.hash = 'row={key}'")
            there.page.wait_for_selector(f"#row[data-row='{key}']")
            assert there.ask("document.documentElement.scrollWidth") <= 360
        paper, ink = (
            sum(map(int, re.findall(r"\d+", there.ask(f"getComputedStyle(document.body).{name}"))[:3])) / 3
            for name in ("backgroundColor", "color")
        )
        assert (paper < 64 and ink > 192) if scheme == "dark" else (paper > 192 and ink < 64)
        fills = there.ask("[...document.querySelectorAll('figure text')].map(node => getComputedStyle(node).fill)")
        assert fills and all(
            (sum(map(int, re.findall(r"\d+", fill)[:3])) / 3 > 128) == (scheme == "dark") for fill in fills
        )


def test_figures_keep_their_text_and_come_forward(browser: Browser, html: Path) -> None:
    with visit(browser, html) as there:
        text = there.page.locator("#recoverability figure svg").first.evaluate("node => node.textContent")
        assert "position of the distractor (% of own thinking)" in text
        assert "solved (%)" in text
        assert there.page.locator("figure [style]").count() == 0
        there.page.locator(".key").first.click()
        assert there.page.locator("figure .run-1.back").count() > 0
        assert there.page.locator("figure .run-0.back").count() == 0


def test_token_usage_is_collapsed_behind_its_sentence_and_opened_by_link_and_key(browser: Browser, html: Path) -> None:
    opened = "[...document.querySelectorAll('#usage details')].map(details => details.open)"
    with visit(browser, html) as there:
        there.opened()
        assert there.ask(opened) == [False, False]
        summary = there.page.locator("#usage summary").first
        assert "completions ended by length" in summary.inner_text() or "tokens on average" in summary.inner_text()
        assert not there.page.locator("#usages-0").is_visible()
        summary.focus()
        there.page.keyboard.press("Enter")
        assert there.ask(opened) == [True, False]
        there.page.click("nav a[href='#usage']")
        assert there.ask(opened) == [True, True]
        assert there.page.locator("#usages-1").is_visible()
    with visit(browser, html, "#usage") as there:
        there.opened()
        assert there.ask(opened) == [True, True]


def test_scores_of_few_questions_are_grey_and_left_out_of_table_1(
    browser: Browser, html: Path, runs: list[RunFolder]
) -> None:
    small = [cell for run in runs for cell in run.scores.cells if cell.is_small]
    heads = [c for c in small if (c.variant, c.guide, c.axis_value) == ("default", None, None)]
    assert heads
    with visit(browser, html) as there:
        there.opened()
        assert there.page.locator("#cells .few").count() == len(small)
        assert there.page.locator("#table-1 .few").count() == len(heads)
        texts = there.page.locator("#table-1 td:has(.few)").all_inner_texts()
        assert all(text.startswith("–") and "question" in text for text in texts)
        assert "Scores of fewer than 5 questions are left out" in there.page.inner_text("#scores")
        assert there.page.locator("figure .run-0.small").count() > 0


def test_an_unknown_test_has_a_section_under_its_own_name(browser: Browser, folder: Path, tmp_path: Path) -> None:
    page = write_page(score_runs([read_run(folder / "others" / "unknown")]), tmp_path / "report.html")
    with visit(browser, page.html) as there:
        there.opened()
        assert there.page.inner_text("#test-0 h2") == "Relay <b>x</b> by position"
        assert there.page.inner_text("nav a[href='#test-0']") == "Relay <b>x</b>"
        assert there.page.locator("#test-0 figure").count() > 0
        assert UNKNOWN in there.page.locator("#list .item").first.inner_text()
        assert there.page.locator(", ".join(f"#{test.name}" for test in TESTS)).count() == 0


def test_two_runs_of_one_model_have_different_names_on_the_page(
    browser: Browser, runs: list[RunFolder], tmp_path: Path
) -> None:
    shutil.copytree(runs[0].path, tmp_path / "again" / runs[0].path.name)
    page = write_page(score_runs([runs[0], read_run(tmp_path / "again" / runs[0].path.name)]), tmp_path / "report.html")
    with visit(browser, page.html) as there:
        names = there.page.locator("#table-1 tbody th bdi").all_inner_texts()
        assert len(set(names)) == 2
        assert all(name.startswith(f"{runs[0].model} (") for name in names)


def test_without_its_data_set_a_page_shows_continuations_and_says_why(
    browser: Browser, runs: list[RunFolder], tmp_path: Path
) -> None:
    shutil.copytree(runs[0].path, tmp_path / "elsewhere" / "run")
    elsewhere = replace(runs[0], path=tmp_path / "elsewhere" / "run")
    page = write_page(score_runs([elsewhere]), tmp_path / "report.html")
    with visit(browser, page.html) as there:
        there.opened()
        assert there.page.locator("#row .continuation").count() == 1
        assert there.page.locator("#row .steer").count() == 0
        assert "data set small-1.0.0 was not found" in there.page.inner_text("#row .notice")
        assert "Say where it is with --data" in there.page.inner_text("#scores .notice")
    data = str(runs[0].path.parents[1] / "data" / "small-1.0.0")
    again = write_page(score_runs([elsewhere]), tmp_path / "report.html", data=[data])
    with visit(browser, again.html) as there:
        there.opened()
        assert there.page.locator("#row .steer").count() == 1


def test_texts_that_are_gone_or_of_another_page_are_missed_by_name(
    browser: Browser, runs: list[RunFolder], tmp_path: Path
) -> None:
    page = write_page(score_runs(runs[:1]), tmp_path / "report.html")
    chunk = page.data / "000.js"
    chunk.write_text(chunk.read_text().replace('offtraj("', 'offtraj("0', 1))
    with visit(browser, page.html) as there:
        there.page.wait_for_selector("#row .notice")
        assert "belong to another page" in there.page.inner_text("#row")
    shutil.rmtree(page.data)
    with visit(browser, page.html) as there:
        there.page.wait_for_selector("#row .notice")
        assert "report_data/000.js cannot be read" in there.page.inner_text("#row")
        there.complaints.clear()  # the browser says so, too


def test_the_same_runs_give_the_same_bytes(runs: list[RunFolder], html: Path, tmp_path: Path) -> None:
    again = write_page(score_runs(runs), tmp_path / "report.html")
    assert again.html.read_bytes() == html.read_bytes()
    there = page_files(html).data
    assert sorted(path.name for path in again.data.iterdir()) == sorted(path.name for path in there.iterdir())
    assert all(path.read_bytes() == (there / path.name).read_bytes() for path in again.data.iterdir())


def test_a_page_replaces_only_a_page(runs: list[RunFolder], tmp_path: Path) -> None:
    (tmp_path / "report_data").mkdir()
    (tmp_path / "report_data" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="holds something else than a page's texts: choose another --html"):
        write_page(score_runs(runs), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report_data"]


def test_json_in_a_script_has_no_markup_and_no_line_separators() -> None:
    text = script_json(["</script><!--", "\u2028\u2029", "\ud800", "é&"])
    assert text.isascii() and not set("<>&") & set(text)
    assert json.loads(text) == ["</script><!--", "\u2028\u2029", "\ud800", "é&"]


def test_report_writes_the_page_of_one_run_beside_it_and_of_several_where_it_is_told(folder: Path) -> None:
    def report(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "offtraj", "report", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    first, second = sorted(f"runs/{path.name}" for path in (folder / "runs").iterdir())
    assert report(first)[-1] == f"{first}/report.html"
    assert (folder / first / "report_data" / "000.js").is_file()
    assert not report(first, second)[-1].endswith(".html")
    assert report(first, second, "--html", "both.html")[-1] == "both.html"
    assert (folder / "both_data" / "000.js").is_file()
