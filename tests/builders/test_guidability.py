"""The guidability protocol."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

from support.factories import SPEC, make_inputs, make_question, make_solo, make_spec

from offtraj.model.trajectory import NONE
from offtraj.run.row import SteeredRow
from offtraj.spec import SpecFile
from offtraj.store import Store
from offtraj_builders.guidability import Guidability, wanted_questions
from offtraj_builders.inputs import BuildInputs

RIGHT: dict[str, Any] = {f"q{n}": [make_question(n).gold] * 4 for n in range(6)}
WEAK = {**RIGHT, "q0": ["999"] * 4, "q1": [11, "999", "999", "999"], "q2": [21, 21, "999", "999"]}


def spec_with(variants: str = "[default]", **changes: object) -> SpecFile:
    text = SPEC.replace("    variants: [default, solvable, answer-forcing]\n", f"    variants: {variants}\n")
    for name, value in changes.items():
        text += f"    {name}: {value}\n"
    return make_spec(text)


def inputs(store: Store, weak: dict[str, Any] = WEAK, spec: SpecFile | None = None, **answers: Any) -> BuildInputs:
    solos = {
        "weak": make_solo(store, "weak", weak),
        "other": make_solo(store, "other", answers.get("other", WEAK)),
        "guide": make_solo(store, "guide", answers.get("guide", RIGHT)),
    }
    built: BuildInputs = make_inputs(store, solos, spec or spec_with(), questions=6)
    return built


async def build(made: BuildInputs) -> tuple[list[SteeredRow], Guidability]:
    assert made.spec.tests.guidability is not None
    builder = Guidability(made, made.spec.tests.guidability, "weak")
    return [row async for row in builder.rows()], builder


async def test_the_steer_opens_the_thinking_and_is_the_guides_own(store: Store) -> None:
    made = inputs(store)
    rows, _ = await build(made)
    assert {row.question_id for row in rows} == {"q0", "q1"}
    for row in rows:
        (steer,) = row.segments
        assert (steer.role, steer.model, steer.question_id, steer.start) == ("steer", "guide", row.question_id, 0)
        assert (row.position, row.guide) == (None, "guide")
        guide = made.solos["guide"]
        thinking = guide.trajectory(guide.samples[row.question_id][steer.sample or 0]).thinking
        assert row.prefix == steer.text == thinking[: steer.end]


async def test_ratios_lengthen_the_same_steer(store: Store) -> None:
    rows, _ = await build(inputs(store))
    group = [row for row in rows if row.question_id == "q0"]
    assert [row.ratio for row in group] == [0.2, 0.4, 0.6, 0.8]
    assert len({row.segments[0].sample for row in group}) == 1
    assert all(b.prefix.startswith(a.prefix) and len(a.prefix) < len(b.prefix) for a, b in pairwise(group))


async def test_questions_are_those_that_the_model_hardly_solves(store: Store) -> None:
    _, builder = await build(inputs(store))
    counts = next(t for t in builder.selection_counts if (t.of, t.subset) == ("questions", "individual"))
    assert (counts.kept, counts.dropped) == (2, Counter(solved_too_often=4))


async def test_the_shared_subset_is_what_no_model_solves(store: Store) -> None:
    rows, builder = await build(inputs(store, other={**WEAK, "q1": [11] * 4}))
    assert {row.question_id for row in rows if "shared" in row.subsets} == {"q0"} == builder.shared
    assert {row.question_id for row in rows if "individual" in row.subsets} == {"q0", "q1"}


async def test_only_correct_finished_trajectories_guide(store: Store) -> None:
    rows, builder = await build(inputs(store, guide={"q0": ["999", None, 1, 1], "q2": [21] * 4}))
    assert {row.question_id for row in rows} == {"q0"}
    assert {row.segments[0].sample for row in rows} <= {2, 3}
    counts = next(t for t in builder.selection_counts if t.of == "guide trajectories")
    assert (counts.kept, counts.dropped) == (1, Counter(incorrect=1, truncated=1, over_limit=1, no_trajectory=1))


async def test_several_trajectories_a_question_are_taken_when_asked_for(store: Store) -> None:
    rows, _ = await build(inputs(store, spec=spec_with(trajectories_per_question=3)))
    samples = {row.segments[0].sample for row in rows if row.question_id == "q0"}
    assert len(samples) == 3


async def test_solvable_takes_what_is_always_solved(store: Store) -> None:
    rows, builder = await build(inputs(store, spec=spec_with("[default, solvable]")))
    by_variant = {v: {row.question_id for row in rows if row.variant == v} for v in ("default", "solvable")}
    assert by_variant == {"default": {"q0", "q1"}, "solvable": {"q3", "q4", "q5"}}
    assert builder.shared == {"q0", "q1"}


async def test_answer_forcing_ends_the_thinking_right_behind_the_steer(store: Store) -> None:
    rows, _ = await build(inputs(store, spec=spec_with("[default, answer-forcing]")))
    default = {(row.question_id, row.ratio): row for row in rows if row.variant == "default"}
    forced = {(row.question_id, row.ratio): row for row in rows if row.variant == "answer-forcing"}
    assert set(default) == set(forced)
    for key, row in forced.items():
        assert row.prefix == default[key].prefix + "</think>"
        assert row.segments[0] == default[key].segments[0]
        assert (row.subsets, row.reveals_answer) == (default[key].subsets, default[key].reveals_answer)


async def test_a_model_without_delimiters_cannot_be_forced(store: Store) -> None:
    made = inputs(store, spec=spec_with("[default, answer-forcing]"))
    weak = replace(made.solos["weak"], model=replace(made.solos["weak"].model, delimiters=NONE))
    rows, builder = await build(replace(made, solos={**made.solos, "weak": weak}))
    assert {row.variant for row in rows} == {"default"}
    assert next(t for t in builder.selection_counts if t.of == "rows").dropped == Counter(no_closing_delimiter=8)


async def test_a_steer_reveals_the_answer_from_where_it_states_it(store: Store) -> None:
    rows, _ = await build(inputs(store, spec=spec_with(ratios="[0.5, 0.9, 1]")))
    assert {(row.ratio, row.reveals_answer) for row in rows} == {(0.5, False), (0.9, False), (1, True)}


async def test_guides_are_wanted_only_where_somebody_is_guided(store: Store) -> None:
    made = inputs(store)
    assert made.spec.tests.guidability is not None
    assert wanted_questions(made, made.spec.tests.guidability, made.spec.models[:1]) == {"q0", "q1"}
    without = BuildInputs(
        made.spec, made.template, made.questions, {k: v for k, v in made.solos.items() if k != "guide"}, made.revealer
    )
    assert wanted_questions(without, made.spec.tests.guidability, made.spec.models[:1]) == {"q0", "q1"}
