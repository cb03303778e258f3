"""Where sentences end, and above all where they do not."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj.model.trajectory import split
from offtraj_builders.sentences import SentenceEnds


def sentences(text: str) -> list[str]:
    """The text's sentences; joined they are the text."""
    cuts = [0, *SentenceEnds(text).all()]
    return [text[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 5. Then we go on.", ["It is 5.", " Then we go on."]),
        ("Is it 5? Yes! Good.", ["Is it 5?", " Yes!", " Good."]),
        ("So x = 3. y is free.", ["So x = 3.", " y is free."]),
        ('He said "stop." Then he left.', ['He said "stop."', " Then he left."]),
        ("(It is so.) We go on.", ["(It is so.)", " We go on."]),
        ("**It is so.** We go on.", ["**It is so.**", " We go on."]),
        ("One line\n\nAnother line", ["One line", "\n\nAnother line"]),
    ],
)
def test_an_end_stands_behind_the_punctuation_and_before_the_space(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "whole",
    [
        "The value is 3.14 or 1,000.5 in all.",
        "We get .5 from it and v2.0 of it.",
        "Take small ones, e.g. Primes such as 2, i.e. The first.",
        "See Fig. 3 and Eq. (4) and Sec. 2 of it.",
        "Mr. Brennan and Dr. Lee went to St. Louis.",
        "There are apples, pears, etc. in it.",
        "J. K. Rowling wrote it.",
        "Hmm... let me think… about it.",
        "There are 5! = 120 ways and n! / k! of them.",
        r"We use \left. x \right. as it is.",
        r"Then \( a. B \) holds.",
        r"Then \[ f(x) = 2. \quad G(x) = 3 \] holds.",
        "Then $a = 3. B$ holds.",
        "Then $$a = 3. B = 4. C$$ holds.",
        r"\begin{align} a &= 1. \\ B &= 2. \end{align} holds.",
        r"The answer is \boxed{5. So it is} indeed.",
        "Call `foo. Bar` there.",
        "```python\nx = 1. # One. Two.\nprint(x)\n```",
    ],
)
def test_nothing_ends_inside(whole: str) -> None:
    assert sentences(whole) == [whole]


def test_a_list_number_is_no_sentence_but_an_item_is() -> None:
    text = "We have:\n\n1. Three apples\n2. Four pears\n3. Plums.\n\nSo 7."
    assert sentences(text) == ["We have:\n\n1. Three apples", "\n2. Four pears", "\n3. Plums.", "\n\nSo 7."]


@pytest.mark.parametrize("marker", ["1.", "12.", "a.", "A)", "iv.", "(2)", "**1.", "- 1.", "### 3."])
def test_a_marker_at_the_beginning_of_a_line_is_no_sentence(marker: str) -> None:
    text = f"{marker} Take three of them."
    assert sentences(text) == [text]


def test_a_sentence_that_leads_into_a_formula_goes_on_behind_it() -> None:
    text = "We get\n\n\\[ x = 1 \\]\n\nwhich is odd.\n\nSo:\n\n$$ y = 2 $$"
    assert sentences(text) == ["We get\n\n\\[ x = 1 \\]\n\nwhich is odd.", "\n\nSo:\n\n$$ y = 2 $$"]


def test_a_formulas_own_full_stop_ends_the_sentence() -> None:
    assert sentences(r"So \( x = 5. \) Then more.") == [r"So \( x = 5. \)", " Then more."]


def test_a_price_opens_no_formula() -> None:
    text = "She has $5. He has $10 and spends $3. Good."
    assert sentences(text) == ["She has $5.", " He has $10 and spends $3.", " Good."]


def test_chinese_sentences_end_without_space() -> None:
    assert sentences("首先，我们有x=3.14。然后呢？好的！") == ["首先，我们有x=3.14。", "然后呢？", "好的！"]
    assert sentences("代入表达式：\n\nx=1。") == ["代入表达式：\n\nx=1。"]


def test_an_unclosed_formula_does_not_swallow_the_rest() -> None:
    assert sentences(r"Let \( x be odd. Then it is. So $y is. Good.")[1:] == [" Then it is.", " So $y is.", " Good."]


def test_the_end_of_the_text_is_always_one() -> None:
    assert SentenceEnds("no punctuation at all  \n").all() == [len("no punctuation at all")]
    assert SentenceEnds("  \n ").all() == []
    assert SentenceEnds("").all() == []


@given(st.text(alphabet=st.sampled_from(list("ab A1.,!?:;$\\()[]{}`\n。*-_")), max_size=200))
def test_ends_ascend_and_never_leave_a_blank_sentence(text: str) -> None:
    ends = SentenceEnds(text).all()
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(text.rstrip()) for end in ends)
    assert all(not text[end - 1].isspace() for end in ends)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece", ["\\[", "$", "$ a", "{\\a{", "```", "\\begin{a}", "(", "\\left", "1.", "..", "\n\n", "`"]
)
def test_hostile_text_is_gone_through_in_one_pass(piece: str) -> None:
    """A matcher that goes back again and again would take hours here."""
    text = piece * 20_000
    assert SentenceEnds(text).all()[-1:] == ([len(text)] if text.strip() else [])


def test_no_cut_of_a_real_trace_runs_through_a_number_or_a_formula(data: Path) -> None:
    checked = 0
    for name in ("mip", "aime25_r1probe", "aime24_qwen3_32b", "aime25_dagmath"):
        with gzip.open(data / "traces" / f"{name}.jsonl.gz", "rt") as lines:
            for line in lines:
                thinking = split(json.loads(line)["response"]).thinking
                for end in SentenceEnds(thinking).all():
                    before, after = thinking[:end], thinking[end : end + 1]
                    assert not (before[-1:] == "." and before[-2:-1].isdigit() and after.isdigit())
                    opened, closed = before.rfind("\\("), before.rfind("\\)")
                    if opened > closed and "\\)" in thinking[end : end + 200] and "\n\n" not in before[opened:]:
                        gap = thinking[opened : thinking.find("\\)", end)]
                        assert gap.count("\\(") > 1, (name, gap)  # only where the trace itself forgot to close
                    checked += 1
    assert checked > 50_000


@given(st.text(alphabet=st.sampled_from(list("ab A1.,!?:;$\\()`\n。")), max_size=120), st.integers(0, 130))
def test_the_ends_around_a_place_are_those_of_the_whole(text: str, place: int) -> None:
    ends = SentenceEnds(text)
    before = [end for end in ends.all() if end < place]
    after = [end for end in ends.all() if end >= place]
    assert ends.around(place) == before[-1:] + after[:1]
