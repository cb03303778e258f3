"""What the rows of every test are made from, and how a composition becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from offtraj.grading.grader import Revealer
from offtraj.model.prompt import fill_template
from offtraj.model.trajectory import THINK, Delimiters
from offtraj.run.question import Question
from offtraj.run.row import Segment, SteeredRow, closes_thinking
from offtraj.run.solo import Solo, SoloSample, SolveRate
from offtraj.spec import Spec, Subset, TestName, TestSpec
from offtraj_builders.composition import compose, row_id
from offtraj_builders.selection import SelectionCounts

__all__ = ["BuildInputs", "Draft", "delimiters_of", "finish", "qualifying", "unhelpful", "unusable"]


@dataclass(frozen=True)
class BuildInputs:
    """The inputs of the protocol."""

    spec: Spec
    template: str
    """The prompt, with `{question}` where a question is inserted."""
    questions: tuple[Question, ...]
    solos: Mapping[str, Solo]
    """By model or guide id."""
    revealer: Revealer
    """Decides whether a steer reveals the answer."""

    @cached_property
    def by_id(self) -> Mapping[str, Question]:
        """Questions by id."""
        return {question.id: question for question in self.questions}

    def questions_of(self, test: TestSpec) -> Sequence[Question]:
        """The questions of a test's benchmarks, in their order."""
        benchmarks = self.spec.benchmarks_of(test)
        return [question for question in self.questions if question.benchmark in benchmarks]


class Draft(NamedTuple):
    """A composition before it becomes a row."""

    variant: str
    subsets: tuple[Subset, ...]
    position: float | None
    ratio: float
    segments: tuple[Segment, ...]
    reveals_answer: bool


def qualifying(
    inputs: BuildInputs,
    test: TestSpec,
    model: str,
    counts: SelectionCounts,
    reason: Callable[[SolveRate], str | None],
) -> tuple[str, ...]:
    """Ids of the questions of a subset, in their order: those whose solve rate `reason` does not reject.

    In the shared subset a question must qualify for every model of the test (paper, section 3.1).
    """
    judges = [m.id for m in inputs.spec.models_of(test)] if counts.subset == "shared" else [model]

    def why(question: Question) -> str | None:
        for judge in judges:
            rate = inputs.solos[judge].rate(question.id)
            against = reason(rate) if rate.sampled else "no_trajectory"
            if against is not None:
                return against if judge == model else f"{against}_by_another_model"
        return None

    return tuple(question.id for question in counts.keep(inputs.questions_of(test), why))


def unusable(sample: SoloSample) -> str | None:
    """The reason why a trajectory cannot be the source of a segment; `None` when it can."""
    if not sample.closed:
        return "thinking_not_closed"
    return None if sample.thinks else "no_thinking"


def unhelpful(sample: SoloSample) -> str | None:
    """The reason why a trajectory cannot be used as a correct one; `None` when it can."""
    if sample.correct:
        return unusable(sample)
    reason = sample.verdict.reason
    return reason if reason in ("truncated", "no_answer") else sample.verdict.name


def delimiters_of(solo: Solo) -> Delimiters:
    """The model's thinking delimiters; `<think>` and `</think>` where a recording does not state them."""
    return solo.model.delimiters or THINK


def finish(
    inputs: BuildInputs,
    test: TestName,
    model: str,
    question: Question,
    drafts: Sequence[Draft],
    counts: SelectionCounts,
) -> list[SteeredRow]:
    """Rows of one question, in the order of the drafts; without those that the model could not continue."""
    solo = inputs.solos[model]
    close = delimiters_of(solo).close
    rate = solo.rate(question.id)

    def ends_thinking(draft: Draft) -> str | None:
        # A delimiter inside a steer would end the thinking, unlike one that the variant puts at the end.
        text = compose(draft.segments)
        if closes_thinking(draft.segments):
            text = text.removesuffix(close)
        return "contains_closing_delimiter" if close and close in text else None

    kept = counts.keep(drafts, ends_thinking)
    prefixes = [compose(draft.segments) for draft in kept]
    if solo.model.format is None:
        sizes: list[tuple[int, str | None]] = [(solo.model.tokens.count(prefix), None) for prefix in prefixes]
    else:
        asked = fill_template(inputs.template, question.text)
        prompts = solo.model.format.steered([(asked, prefix) for prefix in prefixes])
        sizes = [(prompt.prefix_tokens, prompt.sha256) for prompt in prompts]
    return [
        SteeredRow(
            id=row_id(test, draft.variant, model, question.id, draft.position, draft.ratio, draft.segments),
            test=test,
            variant=draft.variant,
            subsets=draft.subsets,
            benchmark=question.benchmark,
            question_id=question.id,
            question=question.text,
            answer=question.gold,
            model=model,
            model_revision=solo.model.revision or solo.identity,
            position=draft.position,
            ratio=draft.ratio,
            segments=draft.segments,
            prefix=prefix,
            prefix_tokens=tokens,
            prompt_sha256=sha256,
            solved=rate.solved,
            sampled=rate.sampled,
            reveals_answer=draft.reveals_answer,
        )
        for draft, prefix, (tokens, sha256) in zip(kept, prefixes, sizes, strict=True)
    ]
