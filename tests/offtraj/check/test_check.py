"""A data set that was tampered with is found out, however carefully that was done."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.factories import make_dataset, make_grader, write_small_benchmark

from offtraj._util.digest import file_sha256
from offtraj.check.check import check
from offtraj.check.result import Checked
from offtraj.dataset.folder import open_folder
from offtraj.dataset.manifest import Manifest
from offtraj.grading.math.domain import MATH
from offtraj.grading.opening import open_grader
from offtraj.hub.card import render_card
from offtraj.run.row import Segment
from offtraj.store import Store
from offtraj_builders.composition import compose, row_id

Run = Callable[..., subprocess.CompletedProcess[str]]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set without problems."""
    folder = tmp_path_factory.mktemp("sound")
    return make_dataset(write_small_benchmark(folder), folder / "set")


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """The same, to be tampered with."""
    return Path(shutil.copytree(sound, tmp_path / "set"))


async def checked(folder: Path, store: Store) -> Checked:
    data = open_folder(str(folder))
    return await check(data, spec=data.spec, store=store, grader=make_grader(store))


def said(found: Checked) -> str:
    return "\n".join(f"{problem.where}: {problem.what}" for problem in found.problems)


def tamper(folder: Path, config: str, change: Callable[[Rows], object]) -> None:
    """Change a configuration's rows, then make digests, sizes, counts of rows and card fit again."""
    (path,) = (folder / config).glob("*.parquet")
    schema, rows = pq.read_schema(path), pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")
    seal(folder)


def seal(folder: Path, **manifest: Any) -> None:
    values = json.loads((folder / "offtraj.json").read_text())
    for entry in values["files"]:
        path = folder / entry["path"]
        entry.update(sha256=file_sha256(path), bytes=path.stat().st_size, rows=pq.read_metadata(path).num_rows)
    values.update(manifest)
    text = Manifest.model_validate(values).to_json()
    (folder / "offtraj.json").write_text(text)
    data = open_folder(str(folder))
    (folder / "README.md").write_text(render_card(data.spec, data.manifest, data.path))


def sealed(row: dict[str, Any]) -> None:
    """Make a row's prefix and id fit its segments."""
    segments = [Segment(**segment) for segment in row["segments"]]
    row["prefix"] = compose(segments)
    position = None if row["position"] is None else round(row["position"], 6)
    ratio = round(row["ratio"], 6)
    row["id"] = row_id(row["test"], row["variant"], row["model"], row["question_id"], position, ratio, segments)


async def test_a_sound_set_is_sound(sound: Path, store: Store) -> None:
    found = await checked(sound, store)
    assert said(found) == ""
    assert found.not_made == {}
    assert found.rows == sum(e.rows for e in open_folder(str(sound)).manifest.files if "ability--" in e.config)


SET = "recoverability--weak"


def one_character(rows: Rows) -> None:
    rows[3]["prefix"] = rows[3]["prefix"].replace("apples", "pears", 1)


def a_text_with_its_prefix_and_id(rows: Rows) -> None:
    steer = rows[3]["segments"][-1]
    steer["text"] = steer["text"].replace("apples", "pears!", 1)
    sealed(rows[3])


def another_slice(rows: Rows) -> None:
    steer = rows[3]["segments"][-1]
    steer["text"], steer["end"] = steer["text"][:-3], steer["end"] - 3
    sealed(rows[3])


def a_row_less(rows: Rows) -> None:
    del rows[3]


def a_row_twice(rows: Rows) -> None:
    rows.insert(3, dict(rows[3]))


def an_order(rows: Rows) -> None:
    rows[3], rows[4] = rows[4], rows[3]


def a_solve_rate(rows: Rows) -> None:
    rows[3]["solved"] = 2


def a_subset(rows: Rows) -> None:
    rows[3]["subsets"] = ["shared"]


def a_gold_answer(rows: Rows) -> None:
    rows[3]["answer"] = "7"


def a_hint(rows: Rows) -> None:
    rows[3]["reveals_answer"] = not rows[3]["reveals_answer"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (one_character, "its prefix is not its segments, joined"),
        (a_text_with_its_prefix_and_id, "segment 2 (steer) is not characters "),
        (another_slice, "is not the row that can be made here: "),
        (a_row_less, "lacks a row that is made from "),
        (a_row_twice, "cannot be made from these trajectories and this spec"),
        (an_order, "lacks a row that is made from "),
        (a_solve_rate, "is not the row that can be made here: solved differs"),
        (a_subset, "is not the row that can be made here: subsets differs"),
        (a_gold_answer, "its question, answer or benchmark differs from "),
        (a_hint, "is not the row that can be made here: reveals_answer differs"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_row_that_was_changed_is_named(
    change: Callable[[Rows], None], expected: str, copy: Path, store: Store
) -> None:
    tamper(copy, SET, change)
    found = await checked(copy, store)
    places = [problem.where for problem in found.problems if expected in problem.what]
    assert any(place.startswith((f"{SET} row 3 ", f"{SET} row 4 ", f"{SET} before row 3 ")) for place in places), said(
        found
    )
    assert all(problem.where.startswith((SET, str(copy / "offtraj.json"))) for problem in found.problems)


async def test_a_trajectory_that_was_changed_is_found_in_what_was_made_of_it(copy: Path, store: Store) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            row["thinking"] = "X" + row["thinking"][1:]

    tamper(copy, "trajectories--weak", change)
    assert "is not characters 0 to " in said(await checked(copy, store))


async def test_a_verdict_that_was_changed_moves_selections(copy: Path, store: Store) -> None:
    def change(rows: Rows) -> None:
        rows[-1].update(verdict="incorrect")

    tamper(copy, "trajectories--weak", change)
    text = said(await checked(copy, store))
    assert "solved differs" in text
    assert "says other things of weak than its trajectories do" in text


async def test_verdicts_of_the_rule_are_given_again(copy: Path, store: Store) -> None:
    def change(rows: Rows) -> None:
        rows[-1].update(verdict="incorrect", decided_by="rule")
        rows[0].update(verdict="correct", decided_by="judge")  # of whom the manifest knows nothing

    tamper(copy, "trajectories--weak", change)
    data = open_folder(str(copy))
    async with open_grader(MATH, store=store) as grader:
        found = await check(data, spec=data.spec, store=store, grader=grader)
    assert "trajectories--weak sample 3 of 'q5': is incorrect, where the rule finds correct (boxed)" in said(found)
    assert "trajectories--weak sample 0 of 'q0': is correct, where the rule finds incorrect (boxed)" in said(found)


async def test_pieces_that_are_no_split_of_a_response_are_refused(copy: Path, store: Store) -> None:
    def change(rows: Rows) -> None:
        rows[0]["answer"] = "</think>" + rows[0]["answer"]
        rows[0]["closing"] = ""

    tamper(copy, "trajectories--weak", change)
    found = await checked(copy, store)
    assert "are not how a response of weak is split" in said(found)
    assert found.not_loaded == {"weak": "its trajectories are not in order"}
    assert "weak" in found.not_made[SET]


async def test_questions_follow_from_the_trajectories(copy: Path, store: Store) -> None:
    def change(rows: Rows) -> None:
        rows[0]["shared"] = ["recoverability"]
        rows[2]["solve_rates"][0]["solved"] = 4

    tamper(copy, "questions", change)
    text = said(await checked(copy, store))
    assert "questions row 'q0': shared: not what the trajectories say" in text
    assert "questions row 'q2': solve_rates: not what the trajectories say" in text


async def test_files_are_those_of_the_manifest(copy: Path, store: Store) -> None:
    (path,) = (copy / SET).glob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["reveals_answer"]), path)
    shutil.copy(path, path.with_name("test-00001-of-00002.parquet"))
    text = said(await checked(copy, store))
    assert f"{path}: is not what the manifest says: its SHA-256 differs" in text
    assert "other columns than such a table has: reveals_answer" in text
    assert "test-00001-of-00002.parquet: is not in the manifest" in text


async def test_the_card_is_that_of_the_data(copy: Path, store: Store) -> None:
    (copy / "README.md").write_text((copy / "README.md").read_text() + "\nBuy more.\n")
    assert f"{copy / 'README.md'}: is not the card of this data" in said(await checked(copy, store))
    (copy / "eval.yaml").write_text("name: small\n")
    assert f"{copy / 'eval.yaml'}: is not the registration that the spec asks for" in said(await checked(copy, store))
    (copy / "README.md").unlink()
    assert "the data set has no card" in said(await checked(copy, store))


async def test_a_file_that_is_gone_is_said(copy: Path, store: Store) -> None:
    (path,) = (copy / SET).glob("*.parquet")
    path.unlink()
    assert f"{path}: is missing, though the manifest lists it" in said(await checked(copy, store))


async def test_counts_of_the_manifest_are_counted_again(copy: Path, store: Store) -> None:
    counts = json.loads((copy / "offtraj.json").read_text())["counts"]
    counts[0]["kept"] += 1
    seal(copy, counts=counts)
    assert "counts otherwise what was kept and dropped for " in said(await checked(copy, store))


def test_without_a_models_tokenizer_the_rest_is_checked(
    offtraj: Run, qwen3: Path, tmp_path: Path, store: Store
) -> None:
    spec = write_small_benchmark(tmp_path)
    text = spec.read_text().replace("recorded_as: Weak, tokenizer: words", f"recorded_as: Weak, tokenizer: {qwen3}")
    spec.write_text(text)
    make_dataset(spec, tmp_path / "set")
    assert offtraj("check", "set").stdout.endswith("4 of 4 sets rebuilt: OK\n")
    spec.write_text(text.replace(str(qwen3), "nowhere/to-be-found"))
    done = offtraj("check", "set", "--spec", spec)
    assert "weak cannot be used: the tokenizer of 'nowhere/to-be-found' cannot be loaded" in done.stderr
    assert (
        "not rebuilt, because these are missing: guidability--other, guidability--weak, " in done.stderr
    )  # for the shared
    assert "0 of 4 sets rebuilt" in done.stdout
    assert f"{spec}: is not the spec that offtraj.json was made with" in done.stdout


def test_the_command_names_what_differs_and_ends_with_1(copy: Path, offtraj: Run) -> None:
    done = offtraj("check", "set")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rebuilt: OK" in done.stdout
    tamper(copy, SET, one_character)
    done = offtraj("check", "set")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"{SET} row 3 (")
    assert "problems" in done.stdout.splitlines()[-1]
    done = offtraj("check", "nowhere")
    assert done.returncode == 2
    assert "no such folder" in done.stderr


def test_a_set_is_built_again_from_its_trajectories(sound: Path, offtraj: Run, tmp_path: Path) -> None:
    spec = write_small_benchmark(tmp_path)
    (tmp_path / "traces.jsonl").unlink()
    done = offtraj("build", spec, "--out", "again", "--trajectories", sound)
    assert done.returncode == 0, done.stderr
    for path in sorted(path for path in sound.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / path.relative_to(sound)).read_bytes() == path.read_bytes(), path


def test_a_model_is_added_beside_published_ones(sound: Path, offtraj: Run, tmp_path: Path) -> None:
    spec = write_small_benchmark(tmp_path)
    text = spec.read_text().replace(
        "guides:", "  - {id: new, engine: tape, recorded_as: New, tokenizer: words}\nguides:"
    )
    spec.write_text(text.replace("version: 1.0.0", "version: 1.1.0"))
    traces = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    new = [{**trace, "model": "New"} for trace in traces if trace["model"] == "Other"]
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(trace) + "\n" for trace in new))
    done = offtraj("build", spec, "--out", "more", "--trajectories", sound)
    assert done.returncode == 0, done.stderr
    for config in ("trajectories--weak", "guidability--weak"):
        for path in (sound / config).iterdir():
            assert (tmp_path / "more" / config / path.name).read_bytes() == path.read_bytes()
    assert offtraj("check", "more").returncode == 0


def test_trajectories_of_another_model_are_refused(copy: Path, offtraj: Run, tmp_path: Path) -> None:
    spec = write_small_benchmark(tmp_path)

    def change(rows: Rows) -> None:
        rows[0]["model"] = "other"

    tamper(copy, "trajectories--weak", change)
    done = offtraj("build", spec, "--out", "again", "--trajectories", "set")
    assert done.returncode == 2
    assert "model is 'other', expected 'weak': trajectories of another model" in done.stderr
    assert not (tmp_path / "again").exists()
    (path,) = (copy / "trajectories--weak").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    done = offtraj("build", spec, "--out", "again", "--trajectories", "set")
    assert done.returncode == 2
    assert "is not what the manifest says" in done.stderr
