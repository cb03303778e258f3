"""Recordings as an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.factories import PARAMS, write_jsonl

from offtraj.engines.recorded import NOT_RECORDED, RecordedEngine
from offtraj.errors import DataError
from offtraj.model.completion import Completion, Failure, Reply, Request
from offtraj.spec import RecordedColumns


def make_trace(question: str, sample: int, response: str, model: str = "M", **fields: Any) -> dict[str, Any]:
    return {"question_id": question, "model": model, "sample": sample, "response": response, **fields}


def make_request(subject: str, samples: int) -> Request:
    return Request(f"key/{subject}", subject, None, tuple(range(samples)), PARAMS)


async def replay(files: list[Path], requests: list[Request], **columns: str) -> list[Reply]:
    engine = RecordedEngine(files, RecordedColumns(**columns), "M")
    return [reply async for reply in engine.replies(requests)]


def texts(replies: list[Reply]) -> dict[tuple[str, int], str]:
    return {
        (reply.request.subject, reply.sample): reply.result.text
        for reply in replies
        if isinstance(reply.result, Completion)
    }


async def test_a_recording_answers_what_it_holds(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "a.jsonl.gz",
        [make_trace("q", 0, " a\n"), make_trace("q", 1, "b"), make_trace("q", 0, "x", model="N")],
    )
    replies = await replay([path], [make_request("q", 3), make_request("none", 1)])
    assert texts(replies) == {("q", 0): " a\n", ("q", 1): "b"}
    failures = [(r.request.subject, r.sample, r.result) for r in replies if isinstance(r.result, Failure)]
    assert failures == [("q", 2, Failure(NOT_RECORDED)), ("none", 0, Failure(NOT_RECORDED))]


async def test_samples_of_several_files_are_numbered_on(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "z.jsonl", [make_trace("q", 0, "a"), make_trace("q", 1, "b")])
    two = write_jsonl(tmp_path / "a.jsonl", [make_trace("q", 0, "c"), make_trace("p", 0, "d"), make_trace("q", 7, "e")])
    requests = [make_request("q", 9), make_request("p", 9)]
    before = texts(await replay([one], requests))
    after = texts(await replay([one, two], requests))
    assert after == {("q", 0): "a", ("q", 1): "b", ("q", 2): "c", ("q", 3): "e", ("p", 0): "d"}
    assert before.items() <= after.items()


async def test_samples_are_numbered_by_their_own_numbers_in_a_file(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "a.jsonl", [make_trace("q", 5, "b"), make_trace("q", 3, "a"), make_trace("q", 9, "c")]
    )
    assert texts(await replay([path], [make_request("q", 3)])) == {("q", 0): "a", ("q", 1): "b", ("q", 2): "c"}


async def test_no_more_samples_are_taken_than_asked_for(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [make_trace("q", n, str(n)) for n in range(5)])
    assert len(texts(await replay([path], [make_request("q", 2)]))) == 2


async def test_a_number_that_stands_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [make_trace("q", 0, "a"), make_trace("q", 0, "b")])
    with pytest.raises(
        DataError, match=r"a.jsonl:2: 'M' answers 'q' with sample 0 for the second time.*first: .*a.jsonl:1"
    ):
        await replay([path], [make_request("q", 2)])


async def test_finish_reasons_are_read_where_the_spec_names_them(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [make_trace("q", 0, "a", why="length"), make_trace("q", 1, "b", why=None)])
    replies = await replay([path], [make_request("q", 2)], finish_reason="why")
    assert [r.result.finish_reason for r in replies if isinstance(r.result, Completion)] == ["length", None]
    path = write_jsonl(tmp_path / "b.jsonl", [make_trace("q", 0, "a", why="bored")])
    with pytest.raises(DataError, match="b.jsonl:1: column 'why' holds 'bored': expected 'stop' or 'length'"):
        await replay([path], [make_request("q", 1)], finish_reason="why")


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        ({"question_id": "q", "sample": 0, "response": "a"}, "there is no column 'model'"),
        ({"question_id": "q", "model": "M", "response": "a"}, "there is no column 'sample'"),
        (
            {"question_id": "q", "model": "M", "sample": "0", "response": "a"},
            "column 'sample' holds '0': expected a whole",
        ),
        ({"question_id": "q", "model": "M", "sample": 0}, "there is no column 'response'"),
        (
            {"question_id": "q", "model": "M", "sample": 0, "response": None},
            "column 'response' holds None: expected text",
        ),
        ({"question_id": 5, "model": "M", "sample": 0, "response": "a"}, "column 'question_id' holds 5: expected text"),
    ],
)
async def test_a_malformed_trace_is_named(tmp_path: Path, trace: dict[str, Any], message: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [make_trace("p", 0, "a"), trace])
    with pytest.raises(DataError, match=f"a.jsonl:2: {message}"):
        await replay([path], [make_request("q", 1)])


def test_the_identity_is_of_the_content(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "a.jsonl", [make_trace("q", 0, "a")])
    same = write_jsonl(tmp_path / "b.jsonl", [make_trace("q", 0, "a")])
    other = write_jsonl(tmp_path / "c.jsonl", [make_trace("q", 0, "b")])
    identities = [RecordedEngine([path], RecordedColumns(), "M").identity for path in (one, same, other)]
    assert identities[0] == identities[1] != identities[2]
    assert RecordedEngine([one], RecordedColumns(), "N").identity != identities[0]
