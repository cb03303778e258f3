"""Rows: composition, columns and reading back."""

from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.factories import make_row

from offtraj.errors import DataError
from offtraj.run.row import Segment, SteeredRow, read_rows, row_schema, rows_to_batch
from offtraj_builders.composition import compose, transition


def write(path: Path, rows: list[SteeredRow]) -> Path:
    pq.write_table(pa.Table.from_batches([rows_to_batch(rows, row_schema())]), path)
    return path


@pytest.mark.parametrize(
    ("before", "phrase", "after", "text"),
    [
        ("It is so.", "Wait. Let me think", "Okay.", "\nWait. Let me think\n"),
        ("It is so.\n", "Wait. Let me think", "Okay.", "Wait. Let me think\n"),
        ("", "Wait. Let me think", "Okay.", "Wait. Let me think\n"),
        ("It is so.", "Wait. Let me think", "\nOkay.", "\nWait. Let me think"),
        ("It is so.", "Hmm: ", "Okay.", "\nHmm: "),
        ("It is so.", "", "Okay.", "\n"),
    ],
)
def test_the_transition_stands_on_a_line_of_its_own(before: str, phrase: str, after: str, text: str) -> None:
    segment = transition(before, phrase, after)
    assert (segment.role, segment.text, segment.model) == ("transition", text, None)


def test_the_prefix_is_the_segments_joined() -> None:
    assert compose([Segment("own", " a\n"), Segment("transition", ""), Segment("steer", "b ")]) == " a\nb "


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [make_row(0), make_row(1, position=None, ratio=0.4, test="guidability", subsets=("individual", "shared"))]
    assert list(read_rows([write(tmp_path / "a.parquet", rows), write(tmp_path / "b.parquet", rows[:1])])) == [
        *rows,
        rows[0],
    ]


def test_datasets_reads_the_columns_of_the_design(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [make_row()])
    loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert {name: getattr(feature, "dtype", "list") for name, feature in loaded.features.items()} == {
        "id": "string", "test": "string", "variant": "string", "subsets": "list", "benchmark": "string",
        "question_id": "string", "question": "string", "answer": "string", "model": "string",
        "model_revision": "string", "position": "float32", "ratio": "float32", "segments": "list",
        "prefix": "string", "prefix_tokens": "int32", "prompt_sha256": "string", "solved": "int32",
        "sampled": "int32", "reveals_answer": "bool",
    }  # fmt: skip
    assert loaded[0]["segments"][0] == {
        "role": "own", "text": "Okay.", "model": "weak", "question_id": "q0", "sample": 0, "start": 0, "end": 5, "tokens": 1,
    }  # fmt: skip


def test_an_id_is_of_the_content() -> None:
    assert make_row(0).id == make_row(0, solved=1, subsets=("shared",)).id
    ids = {make_row(0).id, make_row(1).id, make_row(0, position=0.4).id, make_row(0, variant="cross-model").id}
    assert len(ids | {make_row(0, segments=(Segment("own", "Okay!"),)).id}) == 5


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(DataError, match="not a steered set"):
        list(read_rows([path]))
    path.write_text("x")
    with pytest.raises(DataError, match="not a steered set"):
        list(read_rows([path]))


def test_the_guide_is_named_in_guidability_only() -> None:
    steer = (Segment("steer", "Okay.", "qwq", "q0", 0, 0, 5, 1),)
    assert make_row(0, test="guidability", position=None, segments=steer).guide == "qwq"
    assert make_row(0).guide is None
