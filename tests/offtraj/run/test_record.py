"""`run.json` as a value: what is written is what was read, whatever version wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.factories import make_record

from offtraj.errors import DataError
from offtraj.run.record import RunRecord, read_record, record_schema

ROOT = Path(__file__).parents[3]
OLD = ROOT / "tests" / "fixtures" / "0.1.0" / "run"


def write_record(folder: Path, **fields: Any) -> Path:
    """A folder with this `run.json`."""
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"model": {"id": "m"}, **fields}))
    return folder


def test_a_record_is_written_as_it_was_read() -> None:
    assert read_record(OLD).to_json() == (OLD / "run.json").read_text()


def test_a_record_keeps_what_a_later_version_says(tmp_path: Path) -> None:
    later = {"model": {"id": "m", "family": "qwen"}, "engine": {"kind": "ray", "workers": [1, 2]}, "topic": {"a": None}}
    folder = write_record(tmp_path, **later)
    assert json.loads(read_record(folder).to_json()) == later


def test_what_an_earlier_version_did_not_write_is_none_and_stays_unwritten(tmp_path: Path) -> None:
    record = read_record(write_record(tmp_path))
    absent = (record.data, record.engine, record.think, record.timing, record.outcomes)
    assert absent == (None,) * 5
    assert json.loads(record.to_json()) == {"model": {"id": "m"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": {"limit": "5"}}, "data.limit: expected a whole number, got '5'"),
        ({"data": ["math"]}, "data: expected an object, got ['math']"),
        ({"data": {"configs": "recoverability--m"}}, "data.configs: expected a list, got 'recoverability--m'"),
        ({"think": {"open": "<think>"}}, "think.close: the key is missing"),
        ({"solo": {"sums": {"half": 3}}}, "solo.sums.half: expected a solve rate such as '7/8', got 'half'"),
        ({"solo": {"sums": {"0/0": 3}}}, "solo.sums.0/0: expected a solve rate such as '7/8', got '0/0'"),
        ({"solo": {"sums": {"1/2": 1.5}}}, "solo.sums.1/2: expected"),
        ({"outcomes": {"unscored": -1}}, "outcomes.unscored: expected greater than or equal to 0, got -1"),
        (
            {"judge": {"identity": "j", "judge": {"model": 3}, "engine": {"kind": "openai"}}},
            "judge.judge.model: expected text, got 3",
        ),
        ({"timing": {"seconds": True}}, "timing.seconds: expected a number, got True"),
    ],
)
def test_a_malformed_field_is_named_with_its_value_and_what_was_expected(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    folder = write_record(tmp_path, **fields)
    with pytest.raises(DataError) as caught:
        read_record(folder)
    assert str(caught.value).startswith(f"{folder / 'run.json'}: {message}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"model": "m"}', '{"model": {}}'])
def test_a_file_that_names_no_model_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match="names no model: it is no run of offtraj"):
        read_record(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b'{"model": {"id": "\xff"}}'])
def test_a_file_that_is_no_json_is_said(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(DataError, match=r"run\.json: cannot be read: "):
        read_record(tmp_path)


def test_an_ungraded_record_keeps_all_but_what_grading_adds() -> None:
    counts = {"correct": 1, "incorrect": 2, "unscored": 0}
    cost = {"calls": 1, "prompt_tokens": 2, "tokens": 3}
    record = make_record(seed=7, exactness={"ids": 3}, outcomes=counts, unscored=[], judge_cost=cost)
    assert record.outcomes is not None
    assert record.outcomes.total == 3
    assert record.ungraded == make_record(seed=7)
    assert "judge_cost" not in json.loads(record.ungraded.to_json())


def test_the_schema_is_the_one_that_is_published() -> None:
    published = json.loads((ROOT / "specs" / "run.schema.json").read_text())
    assert published == record_schema(), "out of date: `make schema`"


def test_the_schema_holds_records_to_what_reading_does() -> None:
    validator = Draft202012Validator(record_schema())
    validator.validate(json.loads((OLD / "run.json").read_text()))
    assert not validator.is_valid({"model": {"id": "m"}, "solo": {"sums": {"half": 3}}})
    assert not validator.is_valid({"data": None})


def test_every_field_of_the_schema_has_a_description() -> None:
    schema: Any = record_schema()
    parts = [part for part in (schema, *schema["$defs"].values()) if "properties" in part]
    fields = [(part["title"], name, field) for part in parts for name, field in part["properties"].items()]
    assert len(parts) > 10
    assert not [(title, name) for title, name, field in fields if "description" not in field]


def test_a_record_is_frozen() -> None:
    record = make_record()
    with pytest.raises(ValueError, match="frozen"):
        record.seed = 3  # type: ignore[misc]
    assert isinstance(record, RunRecord)
