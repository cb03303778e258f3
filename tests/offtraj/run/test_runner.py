"""Scoring a model on rows."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.factories import PARAMS, make_question, make_row, write_jsonl
from support.server import serving

from offtraj._util.digest import content_id
from offtraj.engines.openai.endpoint import Endpoint, open_endpoint
from offtraj.engines.openai.engine import OpenAIEngine
from offtraj.engines.recorded import RecordedEngine
from offtraj.errors import DataError, EngineError, UsageError
from offtraj.grading.math.grader import MathGrader
from offtraj.grading.math.pool import WorkerPool
from offtraj.grading.math.reference import MathReference
from offtraj.grading.math.rule import RuleVerifier
from offtraj.model.model import Model, model_at
from offtraj.model.tokens import Words
from offtraj.model.trajectory import NONE
from offtraj.run.generated import GeneratedRow, GeneratedRows
from offtraj.run.outcome import Outcome
from offtraj.run.row import Segment, SteeredRow
from offtraj.run.runner import Runner
from offtraj.spec import OpenAISpec, RecordedColumns
from offtraj.store import Store

RECORDED = Model("weak", None, None, Words(), None, None)


@pytest.fixture
async def verifier() -> AsyncIterator[RuleVerifier]:
    rule = RuleVerifier(WorkerPool(workers=1))
    yield rule
    await rule.close()


@pytest.fixture
def model(r1: Path) -> Model:
    return model_at(str(r1), model_id="tiny")


def make_runner(model: Model, engine: object, store: Store, verifier: RuleVerifier, samples: int = 1) -> Runner:
    return Runner(
        model=model,
        engine=engine,  # type: ignore[arg-type]
        store=store,
        grader=MathGrader(verifier, store),
        template="{question}",
        params=PARAMS,
        samples={"recoverability": samples, "guidability": samples},
        questions={question.id: question for question in map(make_question, range(8))},
    )


async def score(runner: Runner, rows: list[SteeredRow]) -> list[Outcome]:
    await runner.generate(rows)
    return [outcome async for outcome in runner.outcomes(rows)]


def make_tape(folder: Path, responses: dict[str, list[str]]) -> RecordedEngine:
    """A recording that continues rows, by their ids."""
    traces = [
        {"question_id": row, "model": "weak", "sample": n, "response": text}
        for row, texts in responses.items()
        for n, text in enumerate(texts)
    ]
    path = write_jsonl(folder / "continuations.jsonl", traces)
    return RecordedEngine([path], RecordedColumns(), "weak")


async def test_continuations_are_graded(tmp_path: Path, store: Store, verifier: RuleVerifier) -> None:
    rows = [make_row(n) for n in range(4)]
    right = f"So.\n</think>\n\n\\boxed{{{make_question(0).gold}}}"
    tape = make_tape(
        tmp_path, {rows[0].id: [right], rows[1].id: ["</think>\n\\boxed{0}"], rows[2].id: [r"on and on \boxed{21}"]}
    )
    outcomes = await score(make_runner(RECORDED, tape, store, verifier), rows)
    assert [(o.verdict, o.reason) for o in outcomes] == [
        ("correct", "boxed"),
        ("incorrect", "boxed"),
        ("incorrect", "truncated"),  # a box inside unfinished thinking is no answer
        ("unscored", "not_sampled: not recorded"),
    ]
    assert [o.row_id for o in outcomes] == [row.id for row in rows]
    assert outcomes[0].completion == right
    assert outcomes[3].completion is None
    assert {o.exactness for o in outcomes} == {"recorded"}


async def test_completions_are_paired_with_rows_in_any_order(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    rows = [make_row(n) for n in range(6)]
    tape = make_tape(tmp_path, {row.id: [f"</think>\\boxed{{{10 * n + 1}}}"] for n, row in enumerate(rows)})
    runner = make_runner(RECORDED, tape, store, verifier)
    await runner.generate(rows)
    expected = {row.id: f"</think>\\boxed{{{10 * n + 1}}}" for n, row in enumerate(rows)}
    for order in (rows, rows[::-1], rows[3:] + rows[:3], rows[4:5], [rows[2], rows[2]]):
        outcomes = [outcome async for outcome in runner.outcomes(order)]
        assert [outcome.row_id for outcome in outcomes] == [row.id for row in order]
        assert [outcome.completion for outcome in outcomes] == [expected[row.id] for row in order]
        assert {outcome.verdict for outcome in outcomes} == {"correct"}


async def test_a_row_that_was_not_generated_has_no_outcome(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    rows = [make_row(n) for n in range(3)]
    tape = make_tape(tmp_path, {row.id: [r"</think>\boxed{1}"] for row in rows})
    runner = make_runner(RECORDED, tape, store, verifier)
    await runner.generate(rows[:2])
    with pytest.raises(DataError, match=f"row {rows[2].id}: has no completions of this run"):
        _ = [outcome async for outcome in runner.outcomes([rows[0], rows[2], rows[1]])]


async def test_a_row_whose_question_is_missing_is_refused_before_anything_is_sampled(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    row = make_row(9)
    runner = make_runner(RECORDED, make_tape(tmp_path, {row.id: ["x"]}), store, verifier)
    with pytest.raises(DataError, match=r"its question 'q9' is missing from the data set's questions"):
        await runner.generate([row])
    assert runner.generated == 0


async def test_a_questions_unit_and_tolerance_count(tmp_path: Path, store: Store, verifier: RuleVerifier) -> None:
    row = make_row(0)
    runner = make_runner(RECORDED, make_tape(tmp_path, {row.id: [r"</think>\boxed{1.05}"]}), store, verifier)
    runner.questions = {"q0": replace(make_question(0), reference=MathReference("1", "km", 0.1))}
    (outcome,) = await score(runner, [row])
    assert (outcome.answer, outcome.unit, outcome.tolerance, outcome.verdict) == ("1", "km", 0.1, "correct")


def test_a_row_takes_some_tens_of_bytes() -> None:
    count, rows = 20_000, GeneratedRows()
    ids = [content_id("row", n) for n in range(count)]
    keys = [content_id("key", n) for n in range(count)]
    tracemalloc.start()
    try:
        for row_id, key in zip(ids, keys, strict=True):
            rows.add(row_id, GeneratedRow(key, 7))
        added, _ = tracemalloc.get_traced_memory()
        found = [rows.find(row_id) for row_id in ids[:10]]
        in_order, _ = tracemalloc.get_traced_memory()
        found += [rows.find(ids[n]) for n in (count - 1, 5, 12_345)]
        shuffled, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [GeneratedRow(keys[n], 7) for n in [*range(10), count - 1, 5, 12_345]]
    assert added < 70 * count
    assert in_order < 70 * count
    assert shuffled < 100 * count
    assert rows.find(content_id("another")) is None


async def test_several_samples_a_row_are_outcomes_of_their_own(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    row = make_row(0)
    tape = make_tape(tmp_path, {row.id: [r"</think>\boxed{1}", r"</think>\boxed{2}"]})
    outcomes = await score(make_runner(RECORDED, tape, store, verifier, samples=2), [row])
    assert [(o.sample, o.verdict) for o in outcomes] == [(0, "correct"), (1, "incorrect")]


async def test_after_a_forced_end_everything_is_the_answer(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    segments = (Segment("steer", "Okay.", "guide", "q0", 0, 0, 5, 1), Segment("transition", "</think>"))
    row = make_row(0, test="guidability", variant="answer-forcing", position=None, segments=segments)
    tape = make_tape(tmp_path, {row.id: [r"\boxed{1}"]})
    assert [o.verdict for o in await score(make_runner(RECORDED, tape, store, verifier), [row])] == ["correct"]


async def test_a_model_without_delimiters_answers_in_its_thinking(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    row = make_row(0)
    tape = make_tape(tmp_path, {row.id: [r"so \boxed{1}"]})
    runner = make_runner(replace(RECORDED, delimiters=NONE), tape, store, verifier)
    assert [o.verdict for o in await score(runner, [row])] == ["correct"]


async def test_rows_that_force_an_answer_otherwise_are_refused(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    segments = (Segment("steer", "Okay."), Segment("transition", "<|end_of_thought|>"))
    row = make_row(0, test="guidability", variant="answer-forcing", position=None, segments=segments)
    with pytest.raises(UsageError, match="ends its thinking with '</think>': build a set for this model"):
        await score(make_runner(RECORDED, make_tape(tmp_path, {row.id: ["x"]}), store, verifier), [row])


async def test_a_prefix_that_would_end_the_thinking_is_unscored(
    tmp_path: Path, store: Store, verifier: RuleVerifier
) -> None:
    row = make_row(0, segments=(Segment("steer", "Okay.</think> So"),))
    outcomes = await score(make_runner(RECORDED, make_tape(tmp_path, {row.id: [r"\boxed{1}"]}), store, verifier), [row])
    assert [(o.verdict, o.reason) for o in outcomes] == [("unscored", "not_sampled: the prefix holds '</think>'")]


async def test_the_model_sees_template_delimiter_and_prefix(store: Store, verifier: RuleVerifier, model: Model) -> None:
    rows = [make_row(n) for n in range(5)]
    async with serving(lambda ids, index: f"</think>\\boxed{{{len(ids)}}}") as server:
        spec = OpenAISpec(kind="openai", base_url=server.base_url)
        engine = OpenAIEngine(model, open_endpoint(spec, server.base_url))
        outcomes = await score(make_runner(model, engine, store, verifier), rows)
        again = await score(make_runner(model, engine, store, verifier), rows)
        await engine.close()
    assert again == outcomes
    assert set(server.asked().values()) == {1}
    assert model.format is not None
    for row, outcome in zip(rows, outcomes, strict=True):
        text = f"<|begin|><|User|>{row.question}<|Assistant|><think>\n{row.prefix}"
        ids = tuple(model.format.tokenizer(text, add_special_tokens=False)["input_ids"])
        assert server.asked()[ids] == 1
        assert (outcome.prompt_tokens, outcome.tokens, outcome.exactness) == (len(ids), 3, "ids")
        assert outcome.prefix_tokens == model.format.steered([(row.question, row.prefix)])[0].prefix_tokens


async def test_a_prompt_that_is_not_the_published_one_ends_the_run(
    store: Store, verifier: RuleVerifier, model: Model
) -> None:
    row = make_row(0, model_revision=model.revision, prompt_sha256="0" * 64)
    async with serving(lambda ids, index: "x") as server:
        engine = OpenAIEngine(model, Endpoint(server.base_url))
        with pytest.raises(EngineError, match="published was 0000"):
            await score(make_runner(model, engine, store, verifier), [row])
        await engine.close()
    assert server.requests == []


async def test_failures_are_unscored_and_asked_for_again(store: Store, verifier: RuleVerifier, model: Model) -> None:
    rows = [make_row(n) for n in range(4)]
    async with serving(lambda ids, index: r"</think>\boxed{1}", faults=["", 400, "", ""]) as server:
        spec = OpenAISpec(kind="openai", base_url=server.base_url, concurrency=1)
        engine = OpenAIEngine(model, open_endpoint(spec, server.base_url))
        first = await score(make_runner(model, engine, store, verifier), rows)
        second = await score(make_runner(model, engine, store, verifier), rows)
        await engine.close()
    assert [o.verdict for o in first] == ["correct", "unscored", "incorrect", "incorrect"]
    assert "fault 400" in first[1].reason
    assert [o.verdict for o in second] == ["correct", "incorrect", "incorrect", "incorrect"]
    assert len(server.requests) == 5
