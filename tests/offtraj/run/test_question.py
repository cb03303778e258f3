"""Reading questions, and what is left out of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.factories import SPEC, make_spec, write_jsonl

from offtraj.errors import DataError
from offtraj.run.question import Questions, load_questions
from offtraj.spec import SpecFile, load_spec

COLUMNS = "{id: sums, source: {file: questions.jsonl}}"


def make_file(folder: Path, rows: list[dict[str, object]], benchmark: str = COLUMNS) -> SpecFile:
    write_jsonl(folder / "questions.jsonl", rows)
    return make_spec(SPEC.replace(COLUMNS, benchmark), folder)


def read(folder: Path, rows: list[dict[str, object]], benchmark: str = COLUMNS) -> Questions:
    return load_questions(make_file(folder, rows, benchmark))


def test_questions_keep_their_text_and_order(tmp_path: Path) -> None:
    questions = read(
        tmp_path, [{"id": "b", "question": "  Why?\n", "answer": " 5 "}, {"id": "a", "question": "x", "answer": "1"}]
    )
    assert [(q.id, q.text, q.gold) for q in questions.kept] == [("b", "  Why?\n", " 5 "), ("a", "x", "1")]


def test_columns_are_mapped_and_ids_prefixed(tmp_path: Path) -> None:
    benchmark = (
        "{id: sums, source: {file: questions.jsonl}, columns: {id: n, question: q, answer: a}, id_prefix: sums/}"
    )
    questions = read(tmp_path, [{"n": 7, "q": "x", "a": 5}, {"n": 8, "q": "y", "a": ["1", "2"]}], benchmark)
    assert [(q.id, q.gold) for q in questions.kept] == [("sums/7", "5"), ("sums/8", "1, 2")]


NEEDS = "{id: sums, source: {file: questions.jsonl}, columns: {unit: u, tolerance: t}}"


def test_what_a_verifier_needs_beside_the_gold_answer_is_read(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "question": "x", "answer": "4.2", "u": "%", "t": "1e-1"},
        {"id": "b", "question": "y", "answer": "5", "u": None, "t": None},
        {"id": "c", "question": "z", "answer": "6", "u": " ", "t": 0.5},
    ]
    questions = read(tmp_path, rows, NEEDS)
    assert [(q.reference.unit, q.reference.tolerance) for q in questions.kept] == [
        ("%", 0.1),
        (None, None),
        (None, 0.5),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"u": "km", "t": "near"},
            r"questions\.jsonl:1: column 't' holds 'near': expected a number from 0, or nothing",
        ),
        ({"u": "km", "t": -1}, "holds -1: expected a number from 0"),
        ({"u": "km"}, "'t'"),
        ({"t": 1}, "'u'"),
    ],
)
def test_a_tolerance_is_a_number_and_columns_that_are_named_are_there(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, [{"id": "a", "question": "x", "answer": "1", **fields}], NEEDS)


def test_rows_are_numbered_where_there_is_no_id(tmp_path: Path) -> None:
    benchmark = "{id: sums, source: {file: questions.jsonl}, columns: {id: null}}"
    questions = read(tmp_path, [{"question": "x", "answer": "1"}, {"question": "y", "answer": "2"}], benchmark)
    assert [q.id for q in questions.kept] == ["0", "1"]


def test_questions_without_a_gold_answer_are_reported_by_id(tmp_path: Path) -> None:
    questions = read(
        tmp_path,
        [
            {"id": "a", "question": "x", "answer": None},
            {"id": "b", "question": "x", "answer": "  "},
            {"id": "c", "question": " ", "answer": "1"},
            {"id": "d", "question": "x", "answer": "1"},
        ],
    )
    assert [q.id for q in questions.kept] == ["d"]
    assert [(d.id, d.reason.partition(":")[0]) for d in questions.dropped] == [
        ("a", "no_gold_answer"),
        ("b", "no_gold_answer"),
        ("c", "no_question"),
    ]


def test_of_equal_questions_under_one_id_one_is_kept(tmp_path: Path) -> None:
    row: dict[str, object] = {"id": "a", "question": "x", "answer": "1"}
    questions = read(tmp_path, [row, row])
    assert [q.id for q in questions.kept] == ["a"]
    assert questions.dropped[0].reason.startswith("duplicate_id:")
    assert "questions.jsonl:1" in questions.dropped[0].reason
    assert "questions.jsonl:2" in questions.dropped[0].reason


def test_of_different_questions_under_one_id_none_is_used(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": "a", "question": text, "answer": "1"} for text in ("x", "y", "x")]
    questions = read(tmp_path, [*rows, {"id": "b", "question": "z", "answer": "1"}])
    assert [q.id for q in questions.kept] == ["b"]
    assert [d.reason.partition(":")[0] for d in questions.dropped] == ["conflicting_id", "conflicting_id"]


@pytest.mark.parametrize(
    ("rows", "benchmark", "message"),
    [
        ([], COLUMNS, r"spec.yaml:4:5: the benchmark 'sums' is empty: 0 rows"),
        ([{"id": "a", "question": "x", "answer": ""}], COLUMNS, "is empty: 1 rows, none of them usable"),
        ([{"id": "a", "question": "x"}], COLUMNS, r"questions.jsonl:1: there is no column 'answer'"),
        ([{"id": "a", "text": "x", "answer": "1"}], COLUMNS, r"there is no column 'question': map `columns` to one of answer, id, text"),
        ([{"id": "a", "question": 5, "answer": "1"}], COLUMNS, r"column 'question' holds 5: expected text"),
        ([{"id": "a", "question": "x", "answer": {}}], COLUMNS, r"column 'answer' holds \{\}: expected text"),
        ([{"id": "a", "question": "x", "answer": "1"}], COLUMNS[:-1] + ", rows: 2}", "has 1 rows, the spec says 2: another revision or split"),
    ],
)  # fmt: skip
def test_a_benchmark_that_cannot_be_read_is_refused(
    tmp_path: Path, rows: list[dict[str, object]], benchmark: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows, benchmark)


def test_an_id_of_two_benchmarks_is_refused(tmp_path: Path) -> None:
    file = make_file(
        tmp_path, [{"id": "a", "question": "x", "answer": "1"}], COLUMNS + "\n  - " + COLUMNS.replace("sums", "more")
    )
    with pytest.raises(DataError, match=r"the question id 'a' occurs in 'sums' and in 'more': set `id_prefix: more/`"):
        load_questions(file)


def test_a_limit_takes_the_first_of_each_benchmark(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": str(n), "question": "x", "answer": "1"} for n in range(5)]
    file = make_file(tmp_path, rows, COLUMNS[:-1] + ", limit: 3}")
    assert len(load_questions(file).kept) == 3
    assert len(load_questions(file, limit=2).kept) == 2


def test_real_benchmarks_are_read_whole(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFTRAJ_DATA", str(data))
    questions = load_questions(load_spec(Path(__file__).parents[3] / "specs" / "recorded.yaml"))
    assert (len(questions.kept), questions.dropped) == (1849, ())
