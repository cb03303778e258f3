"""Outcomes: a steered row, the model's completion of it, and the verdict; the columns of `outcomes.parquet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offtraj._util.parquet import read_parquet
from offtraj.engines.recorded import NOT_RECORDED
from offtraj.grading.reference import Reference, ReferenceColumns
from offtraj.grading.verdict import DecidedBy, Verdict, VerdictName
from offtraj.model.completion import Completion, FinishReason, PromptMode
from offtraj.run.row import SteeredRow
from offtraj.spec import TestName

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NOT_SAMPLED",
    "UNFIT",
    "Outcome",
    "may_succeed",
    "outcome_of",
    "outcome_schema",
    "outcomes_to_batch",
    "read_outcomes",
]


_TEXTS: dict[str, str | None] = {"completion": None, "question": ""}
"""Columns of long texts, which scores do not need, with the values that stand for them when they are not read."""
_LATER: dict[str, str | None] = {"answer": "", "unit": None, "tolerance": None, "max_tokens": None}
"""Columns that version 0.1.0 does not write, with the values that stand for them."""
_CLOSES = "closes_thinking"
"""A column that 0.1.0 did not write; its value follows from test and variant."""

NOT_SAMPLED = "not_sampled"
"""First part of the reason of an outcome without a completion."""
UNFIT = f"{NOT_SAMPLED}: the prefix holds"
"""First part of that reason where the row does not fit the model, so that sampling again would not help."""

_FINAL = (UNFIT, f"{NOT_SAMPLED}: {NOT_RECORDED}")

_BATCH = 32  # outcomes with their texts, each of up to about 100,000 characters


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome. Its fields are the columns of `outcomes.parquet`, from which reports are made without the data set."""

    row_id: str
    sample: int
    test: TestName
    variant: str
    subsets: tuple[str, ...]
    benchmark: str
    question_id: str
    question: str
    """The question's text."""
    answer: str
    """The gold answer."""
    unit: str | None
    """Unit of the gold answer, where the benchmark has it in a column of its own."""
    tolerance: float | None
    """Largest accepted absolute difference of numbers, where the benchmark gives one."""
    built_for: str
    """The model that the row was made for."""
    guide: str | None
    position: float | None
    ratio: float
    solved: int
    sampled: int
    reveals_answer: bool
    closes_thinking: bool
    """Whether the prefix ends the thinking, so that the completion is an answer."""
    completion: str | None
    """What the model wrote after the prefix; none when no completion could be sampled."""
    finish_reason: FinishReason | None
    prefix_tokens: int | None
    """Tokens of the prefix by this model's tokenizer."""
    prompt_tokens: int | None
    """Tokens of the whole prompt, prefix included."""
    tokens: int | None
    """Tokens of the completion."""
    max_tokens: int | None
    """The spec's limit on the tokens of prompt and completion together; none for recordings and for 0.1.0."""
    exactness: PromptMode
    verdict: VerdictName
    decided_by: DecidedBy | None
    reason: str

    @property
    def axis_value(self) -> float:
        """The row's value on its test's axis: the position, or the ratio where it has no position."""
        return self.ratio if self.position is None else self.position

    @property
    def is_sampled(self) -> bool:
        """Whether there is a completion; also known when texts are not read."""
        return not self.reason.startswith(NOT_SAMPLED)

    @property
    def prefix_share(self) -> float | None:
        """Tokens of the prefix as a share of the limit; over 1 for a prefix that is longer than the limit."""
        return None if self.prefix_tokens is None or not self.max_tokens else self.prefix_tokens / self.max_tokens

    @property
    def reference_columns(self) -> ReferenceColumns:
        """The columns that hold the question's reference, for `Domain.published_reference`."""
        return {"answer": self.answer, "unit": self.unit, "tolerance": self.tolerance}


def may_succeed(reason: str) -> bool:
    """Whether the reason of an unscored outcome is a failure that sampling again may not meet."""
    return reason.startswith(NOT_SAMPLED) and not reason.startswith(_FINAL)


def outcome_of(
    row: SteeredRow,
    sample: int,
    completion: Completion | None,
    verdict: Verdict,
    *,
    exactness: PromptMode,
    prefix_tokens: int | None,
    max_tokens: int | None = None,
    reference: Reference | None = None,
) -> Outcome:
    """An outcome.

    Args:
        row: The steered row.
        sample: Number of the sample, from 0.
        completion: What the model wrote after the prefix; `None` when no completion could be sampled.
        verdict: The verdict on it.
        exactness: How the prompt reached the model.
        prefix_tokens: Tokens of the prefix by the evaluated model's tokenizer.
        max_tokens: The limit on the tokens of prompt and completion together.
        reference: What the completion was graded against; by default the row's `answer`.
    """
    columns: ReferenceColumns = (
        {"answer": row.answer, "unit": None, "tolerance": None} if reference is None else reference.columns()
    )
    return Outcome(
        row_id=row.id,
        sample=sample,
        test=row.test,
        variant=row.variant,
        subsets=row.subsets,
        benchmark=row.benchmark,
        question_id=row.question_id,
        question=row.question,
        **columns,
        built_for=row.model,
        guide=row.guide,
        position=row.position,
        ratio=row.ratio,
        solved=row.solved,
        sampled=row.sampled,
        reveals_answer=row.reveals_answer,
        closes_thinking=row.closes_thinking,
        completion=None if completion is None else completion.text,
        finish_reason=None if completion is None else completion.finish_reason,
        prefix_tokens=prefix_tokens,
        prompt_tokens=None if completion is None else completion.prompt_tokens,
        tokens=None if completion is None else completion.tokens,
        max_tokens=max_tokens,
        exactness=exactness,
        verdict=verdict.name,
        decided_by=verdict.decided_by,
        reason=verdict.reason,
    )


def outcome_schema() -> pa.Schema:
    """Arrow schema of `outcomes.parquet`."""
    import pyarrow as pa

    kinds: dict[str, Any] = {
        "sample": pa.int32(),
        "subsets": pa.list_(pa.string()),
        "position": pa.float32(),
        "ratio": pa.float32(),
        "solved": pa.int32(),
        "sampled": pa.int32(),
        "reveals_answer": pa.bool_(),
        "closes_thinking": pa.bool_(),
        "prefix_tokens": pa.int32(),
        "prompt_tokens": pa.int32(),
        "tokens": pa.int32(),
        "max_tokens": pa.int32(),
        "tolerance": pa.float64(),
    }
    return pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in fields(Outcome)])


def outcomes_to_batch(outcomes: Sequence[Outcome], schema: pa.Schema) -> pa.RecordBatch:
    """The outcomes as one Arrow batch."""
    import pyarrow as pa

    columns = [pa.array([getattr(o, field.name) for o in outcomes], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_outcomes(path: Path, *, closes_thinking: Callable[[str, str], bool], texts: bool = True) -> Iterator[Outcome]:
    """The outcomes of a run, in order, of this or an earlier version; few of them are in memory at once.

    Args:
        path: `outcomes.parquet`.
        closes_thinking: Whether the prefixes of a test and variant end the thinking, for files of 0.1.0, which do not
            say it.
        texts: Whether to read completions and questions; if not, these are `None` and empty.

    Raises:
        DataError: for a file that holds no outcomes.
    """
    names = [field.name for field in fields(Outcome) if texts or field.name not in _TEXTS]
    optional = [*_TEXTS, *_LATER, _CLOSES]
    for batch in read_parquet(
        path, "a table of outcomes", rows=_BATCH if texts else 4096, columns=names, optional=optional
    ):
        for values in batch:
            values.setdefault(_CLOSES, closes_thinking(values["test"], values["variant"]))
            yield _outcome(values)


def _outcome(values: dict[str, Any]) -> Outcome:
    values = {**_TEXTS, **_LATER, **values}
    values["subsets"] = tuple(values["subsets"])
    for name in ("position", "ratio"):  # stored as float32: 0.2 comes back as 0.20000000298
        values[name] = None if values[name] is None else round(values[name], 6)
    return Outcome(**values)
