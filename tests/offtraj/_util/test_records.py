"""Reading JSON Lines and Parquet, good and bad."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.factories import write_jsonl

from offtraj._util.records import Record, read_records
from offtraj.errors import DataError

ROWS = [{"id": "a", "n": 1, "text": "  ä\u2028\r\n "}, {"id": "b", "n": 2, "text": "x"}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.jsonl.zst", "rows.parquet"])
def test_every_kind_of_file_gives_the_same_records(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif name.endswith("zst"):
        path.write_bytes(pa.compress(text, "zstd", asbytes=True))
    else:
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    records = list(read_records(path))
    assert [dict(record.fields) for record in records] == ROWS
    assert [record.line for record in records] == [1, 2]
    assert records[0].text("text") == "  ä\u2028\r\n "


def test_blank_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n\n{"id": 2}\n')
    assert [record.line for record in read_records(path)] == [1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": 1}\n{"id": \n', "rows.jsonl:2:7: malformed JSON: Expecting value, in"),
        (b'{"id": 1}\n[1]\n', r"rows.jsonl:2: expected a JSON object, got \[1\]"),
        (b'{"id": "\xff"}\n', r"rows.jsonl:1: not UTF-8: invalid start byte at byte 8"),
        (b"[" * 100_000 + b"\n", r"rows.jsonl:1: JSON nested too deeply"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_records(path))


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.jsonl.zst"])
def test_a_truncated_archive_is_said(tmp_path: Path, name: str) -> None:
    text = b"".join(json.dumps({"id": n, "text": str(hash(str(n)))}).encode() + b"\n" for n in range(2000))
    packed = gzip.compress(text) if name.endswith("gz") else pa.compress(text, "zstd", asbytes=True)
    path = tmp_path / name
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(path))


def test_garbage_in_an_archive_is_said(tmp_path: Path) -> None:
    good = gzip.compress(b'{"id": 1}\n' * 5000)
    for name, content in [
        ("a.jsonl.gz", b"garbage"),
        ("b.jsonl.gz", good[:30] + b"\0" * 40),
        ("c.jsonl.zst", b"garbage"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}:.*cannot be read"):
            list(read_records(tmp_path / name))


def test_a_missing_or_unknown_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_records(tmp_path / "rows.jsonl"))
    (tmp_path / "rows.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"unknown kind of file: expected a name that ends in \.jsonl"):
        list(read_records(tmp_path / "rows.csv"))
    (tmp_path / "rows.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="not a Parquet file that this version reads"):
        list(read_records(tmp_path / "rows.parquet"))


def test_a_missing_column_names_those_that_are_there() -> None:
    record = Record({"b": 1, "a": "x"}, Path("rows.jsonl"), 7)
    with pytest.raises(DataError, match=r"rows.jsonl:7: there is no column 'c': map `columns` to one of a, b"):
        record.text("c")
    with pytest.raises(DataError, match=r"column 'b' holds 1: expected text"):
        record.text("b")
    with pytest.raises(DataError, match=r"column 'a' holds 'x': expected a whole number"):
        record.integer("a")


def test_text_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "ok"}, {"text": "x\ud800"}])
    first, second = read_records(path)
    assert first.text("text") == "ok"
    with pytest.raises(DataError, match=r"rows.jsonl:2.*unpaired surrogate at character 1"):
        second.text("text")
