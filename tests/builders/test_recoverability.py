"""The recoverability protocol."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.factories import SPEC, make_inputs, make_question, make_response, make_solo, make_spec

from offtraj.errors import BuildError
from offtraj.model.completion import Completion
from offtraj.model.tokens import Words
from offtraj.model.trajectory import Delimiters
from offtraj.run.row import SteeredRow
from offtraj.run.solo import Solo
from offtraj.spec import SpecFile
from offtraj.store import Store
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.recoverability import Recoverability
from offtraj_builders.sentences import SentenceEnds

RIGHT: dict[str, Any] = {f"q{n}": [make_question(n).gold] * 4 for n in range(8)}


def spec_with(**changes: object) -> SpecFile:
    text = SPEC
    for name, value in changes.items():
        line = {"variants": "    variants: [default, keep-first-paragraph, cross-model]\n"}.get(name)
        if line is None:
            text = text.replace("  recoverability:\n", f"  recoverability:\n    {name}: {value}\n").replace(
                f"    {name}: 3\n", "", 1
            )
        else:
            text = text.replace(line, f"    variants: {value}\n", 1)
    return make_spec(text.replace("    distractors: 3\n", "").replace("    trajectories: 4\n", ""))


def inputs(store: Store, weak: dict[str, Any], spec: SpecFile | None = None, **solos: Solo) -> BuildInputs:
    others = {"other": make_solo(store, "other", RIGHT), **solos}
    built: BuildInputs = make_inputs(
        store,
        {"weak": make_solo(store, "weak", weak), **others},
        spec or spec_with(variants="[default]"),
    )
    return built


async def build(made: BuildInputs, model: str = "weak") -> tuple[list[SteeredRow], Recoverability]:
    assert made.spec.tests.recoverability is not None
    builder = Recoverability(made, made.spec.tests.recoverability, model)
    return [row async for row in builder.rows()], builder


async def test_every_segment_is_a_slice_of_its_trajectory(store: Store) -> None:
    made = inputs(store, RIGHT, spec_with())
    rows, _ = await build(made)
    assert {row.variant for row in rows} == {"default", "keep-first-paragraph", "cross-model"}
    for row in rows:
        assert row.prefix == "".join(segment.text for segment in row.segments)
        for segment in row.segments:
            if segment.role == "transition":
                continue
            assert segment.model is not None and segment.question_id is not None and segment.sample is not None
            solo = made.solos[segment.model]
            thinking = solo.trajectory(solo.samples[segment.question_id][segment.sample]).thinking
            assert segment.text == thinking[segment.start : segment.end]
            assert segment.tokens == Words().spans(thinking).before(segment.end or 0)


async def test_own_thinking_is_cut_at_sentence_ends_and_followed_by_the_transition(store: Store) -> None:
    made = inputs(store, RIGHT)
    rows, _ = await build(made)
    assert rows
    for row in rows:
        own, between, steer = row.segments
        assert (own.role, between.role, steer.role) == ("own", "transition", "steer")
        thinking = made.solos["weak"].trajectory(made.solos["weak"].samples[row.question_id][own.sample or 0]).thinking
        assert own.end in {0, *SentenceEnds(thinking).all()}
        assert (own.end == 0) == (row.position == 0)
        assert between.text == ("Wait. Let me think\n" if row.position == 0 else "\nWait. Let me think\n")
        assert steer.text.startswith(f"Okay, this is about {steer.question_id}.")


async def test_positions_of_a_trajectory_differ_in_their_own_segment_only(store: Store) -> None:
    rows, _ = await build(inputs(store, RIGHT))
    by_trajectory: dict[object, list[SteeredRow]] = {}
    for row in rows:
        by_trajectory.setdefault((row.question_id, row.segments[0].sample), []).append(row)
    assert by_trajectory
    for group in by_trajectory.values():
        assert [row.position for row in group] == [0, 0.2, 0.4, 0.6, 0.8]
        assert len({row.segments[2] for row in group}) == 1
        ends = [row.segments[0].end or 0 for row in group]
        assert ends == sorted(ends)


async def test_distractors_are_of_another_question_with_another_answer(store: Store) -> None:
    made = inputs(store, RIGHT)
    same = made.questions[3].gold
    questions = tuple(make_question(n, gold=same) if n in (3, 4, 5) else make_question(n) for n in range(8))
    weak = {**RIGHT, **{f"q{n}": [same] * 4 for n in (4, 5)}}
    made = BuildInputs(
        made.spec,
        "{question}",
        questions,
        {"weak": make_solo(store, "weak2", weak), "other": made.solos["other"]},
        made.revealer,
    )
    rows, _ = await build(made)
    golds = {question.id: question.gold for question in questions}
    assert rows
    for row in rows:
        steer = row.segments[2]
        assert steer.question_id is not None
        assert steer.question_id != row.question_id
        assert golds[steer.question_id] != row.answer


async def test_only_correct_finished_trajectories_are_cut(store: Store) -> None:
    weak = {**RIGHT, "q0": ["999"] * 4, "q1": [11, "999", None, 11]}
    rows, builder = await build(inputs(store, weak))
    assert "q0" not in {row.question_id for row in rows}
    assert {row.segments[0].sample for row in rows if row.question_id == "q1"} == {0, 3}
    counts = next(t for t in builder.selection_counts if (t.of, t.subset) == ("trajectories", "individual"))
    assert counts.dropped == Counter(incorrect=1, truncated=1)
    questions = next(t for t in builder.selection_counts if (t.of, t.subset) == ("questions", "individual"))
    assert (questions.kept, questions.dropped) == (7, Counter(never_solved=1))


async def test_unfinished_trajectories_distract_nobody(store: Store) -> None:
    weak = {**RIGHT, "q7": [None] * 4}
    rows, builder = await build(inputs(store, weak))
    assert "q7" not in {row.segments[2].question_id for row in rows}
    counts = next(t for t in builder.selection_counts if t.of == "distractors")
    assert counts.dropped["thinking_not_closed"] == 4


async def test_the_shared_subset_is_solved_always_by_every_model(store: Store) -> None:
    weak = {**RIGHT, "q0": [1, 1, 1, "999"]}
    other = make_solo(store, "other2", {**RIGHT, "q1": ["999"] * 4})
    del other.samples["q2"]  # type: ignore[attr-defined]
    rows, builder = await build(inputs(store, weak, other=other))
    shared = {row.question_id for row in rows if "shared" in row.subsets}
    assert shared == {"q3", "q4", "q5", "q6", "q7"} == builder.shared
    assert {row.question_id for row in rows if "individual" in row.subsets} == set(RIGHT)
    counts = next(t for t in builder.selection_counts if (t.of, t.subset) == ("questions", "shared"))
    assert counts.dropped == Counter(
        {"not_always_solved": 1, "not_always_solved_by_another_model": 1, "no_trajectory_by_another_model": 1}
    )


async def test_a_row_of_both_subsets_stands_there_once(store: Store) -> None:
    rows, _ = await build(inputs(store, RIGHT))
    assert len({row.id for row in rows}) == len(rows)
    assert {row.subsets for row in rows} == {("individual", "shared")}


async def test_samples_of_a_question_get_distractors_of_their_own(store: Store) -> None:
    """At position 0 nothing of their own is left: with one distractor they would be one row."""
    rows, _ = await build(inputs(store, RIGHT))
    prompts = [(row.question, row.prefix) for row in rows if row.position == 0]
    assert len(set(prompts)) == len(prompts) == 32


async def test_limits_take_as_many_questions_as_possible(store: Store) -> None:
    rows, builder = await build(inputs(store, RIGHT, spec_with(variants="[default]", trajectories=5, distractors=2)))
    assert len({(row.question_id, row.segments[0].sample) for row in rows}) == 5
    assert len({row.question_id for row in rows}) == 5
    assert len({row.segments[2].question_id for row in rows}) <= 2
    counts = next(t for t in builder.selection_counts if (t.of, t.subset) == ("trajectories", "shared"))
    assert (counts.kept, counts.dropped) == (5, Counter(over_limit=27))


async def test_keep_first_paragraph_keeps_it(store: Store) -> None:
    rows, _ = await build(inputs(store, RIGHT, spec_with(variants="[default, keep-first-paragraph]")))
    kept = [row for row in rows if row.variant == "keep-first-paragraph"]
    assert {row.position for row in kept} == {0, 0.2, 0.4, 0.6, 0.8}
    for row in kept:
        assert row.segments[0].text.startswith(f"Okay, this is about {row.question_id}.")
        if row.position == 0:
            assert row.segments[0].text == f"Okay, this is about {row.question_id}."
            assert row.segments[1].text == "\nWait. Let me think\n"


async def test_a_trajectory_of_one_paragraph_cannot_keep_its_first(store: Store) -> None:
    made = inputs(store, RIGHT, spec_with(variants="[default, keep-first-paragraph]", trajectories=1))
    for question_id in RIGHT:
        for number in range(4):
            response = make_response(int(question_id[1:]), RIGHT[question_id][0]).replace("\n\n", " ")
            key = f"weak/{question_id}"
            store._db.execute("DELETE FROM completions WHERE key=? AND sample=?", (key, number))
            store.put_completions([(key, number, Completion(response, "stop", None, None))])
    rows, builder = await build(made)
    assert {row.variant for row in rows} == {"default"}
    assert next(t for t in builder.selection_counts if t.of == "rows").dropped == Counter(one_paragraph=5)


async def test_cross_model_distractors_are_others(store: Store) -> None:
    rows, _ = await build(inputs(store, RIGHT, spec_with(variants="[default, cross-model]")))
    writers = {row.variant: {r.segments[2].model for r in rows if r.variant == row.variant} for row in rows}
    assert writers == {"default": {"weak"}, "cross-model": {"other"}}


async def test_too_few_distractors_is_an_error(store: Store) -> None:
    made = inputs(store, {"q3": [31] * 4})
    with pytest.raises(
        BuildError, match="too few distractors: 4 finished trajectories of 'weak', none on another question"
    ):
        await build(made)


async def test_nothing_to_cut_gives_no_rows_and_says_why(store: Store) -> None:
    rows, builder = await build(inputs(store, {f"q{n}": ["999"] for n in range(8)}))
    assert rows == []
    assert next(t for t in builder.selection_counts if t.of == "questions").dropped == Counter(never_solved=8)


async def test_a_steer_that_would_end_the_thinking_is_dropped(store: Store) -> None:
    """A model whose closing delimiter is ordinary text in the trajectories of others."""
    made = inputs(store, RIGHT, spec_with(variants="[default, cross-model]", ratio=0.5))
    solos = {
        "weak": make_solo(store, "short", RIGHT, delimiters=Delimiters("<think>\n", "Step 3")),
        "other": made.solos["other"],
    }
    made = BuildInputs(made.spec, "{question}", made.questions, solos, made.revealer)
    rows, builder = await build(made)
    assert {row.variant for row in rows} == {"default"}  # its own trajectories end where the delimiter stands
    assert all("Step 3" not in row.prefix for row in rows)
    counts = next(t for t in builder.selection_counts if t.of == "rows")
    assert counts.dropped == Counter(contains_closing_delimiter=len(rows))


async def test_whether_the_steer_reveals_the_answer_is_said(store: Store) -> None:
    """`Step 1 of q3 …` never states an answer; `So it is 31.` at the very end does."""
    rows, _ = await build(inputs(store, RIGHT, spec_with(variants="[default]", ratio=1.0)))
    assert not any(row.reveals_answer for row in rows)  # another question's answer is another one


async def test_choices_do_not_depend_on_other_models(store: Store) -> None:
    alone, _ = await build(
        inputs(
            store,
            RIGHT,
            make_spec(SPEC.replace(", cross-model", "").replace("    distractors: 3", "    subsets: [individual]")),
        )
    )
    two, _ = await build(
        inputs(
            store,
            RIGHT,
            make_spec(
                SPEC.replace(", cross-model", "")
                .replace("    distractors: 3", "    subsets: [individual]")
                .replace("id: other", "id: another")
            ),
            another=make_solo(store, "another", RIGHT),
        )
    )
    assert [row.id for row in alone] == [row.id for row in two]


async def test_another_seed_chooses_otherwise(store: Store) -> None:
    rows = [
        (await build(inputs(store, RIGHT, make_spec(SPEC.replace("name: small", f"name: small\nseed: {seed}")))))[0]
        for seed in (0, 0, 1)
    ]
    ids = [[row.id for row in found] for found in rows]
    assert ids[0] == ids[1] != ids[2]
