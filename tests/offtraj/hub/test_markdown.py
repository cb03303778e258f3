"""Foreign text in Markdown stays where it was put."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from offtraj.hub.markdown import cell, code, fence, shorten, wrap

MARKDOWN = MarkdownIt("commonmark").enable("table")
HOSTILE = st.text(st.sampled_from(list("`~|-=#<>/*_[]()!\\& \t\r\na1:\u2028")), max_size=60)


@given(HOSTILE)
def test_a_fence_holds_any_text(text: str) -> None:
    tokens = MARKDOWN.parse(f"before\n\n{fence(text)}\n\nafter\n")
    assert [token.type for token in tokens if token.type in ("fence", "inline")] == ["inline", "fence", "inline"]
    assert next(token for token in tokens if token.type == "fence").content == (
        f"{text}\n".replace("\r\n", "\n").replace("\r", "\n")
    )


@given(HOSTILE)
def test_a_code_span_holds_any_text(text: str) -> None:
    (_, inline, _) = MARKDOWN.parse(f"before {code(text)} after")
    assert inline.children is not None
    assert [child.type for child in inline.children] == ["text", "code_inline", "text"]
    assert inline.children[1].content.strip() == " ".join(text.split())


@given(HOSTILE)
def test_a_cell_is_one_cell(text: str) -> None:
    tokens = MARKDOWN.parse(f"| a | b |\n| --- | --- |\n| {cell(code(text))} | second |\n")
    cells = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "td_open"]
    assert (len(cells), cells[-1]) == (2, "second")


@pytest.mark.parametrize("text", ["short", "x" * 120])
def test_what_is_hardly_too_long_is_not_shortened(text: str) -> None:
    assert shorten(text, head=60, tail=40) == text


def test_what_is_left_out_is_counted() -> None:
    text = "a" * 60 + "b" * 1234 + "c" * 40
    assert shorten(text, head=60, tail=40) == f"{'a' * 60} …\n\n[1,234 characters are left out here]\n\n… {'c' * 40}"


@given(st.text(st.sampled_from("ab  \n\t"), max_size=400))
def test_wrapping_changes_nothing_but_white_space(text: str) -> None:
    assert wrap(text).split() == text.split() or max(map(len, text.split())) > 92
    assert "".join(wrap(text).split()) == "".join(text.split())
    assert all(len(line) <= 92 for line in wrap(text).split("\n"))
