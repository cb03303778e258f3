"""`run.json`: what a run was made from, by what, and how its outcomes came out. Scores are in `scores.json`.

A record reads files of every version. Fields that an earlier version did not write are `None`, fields that a later
version adds are kept as they are. Writing the folder is left to `offtraj.evaluate.run_folder`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from offtraj.errors import DataError

__all__ = [
    "RUN",
    "EngineSettings",
    "JudgeCost",
    "JudgeSettings",
    "OutcomeCounts",
    "RunData",
    "RunEngine",
    "RunJudge",
    "RunModel",
    "RunRecord",
    "RunSampling",
    "RunTiming",
    "ThinkDelimiters",
    "UnscoredReason",
    "read_record",
    "record_schema",
]

RUN = "run.json"
"""The file's name in a run folder."""

Count = Annotated[int, Field(ge=0)]
Rate = Annotated[str, StringConstraints(pattern=r"^[0-9]+/[1-9][0-9]*$")]
RateCounts = Annotated[dict[Rate, Count], Field(json_schema_extra={"additionalProperties": False})]


class _Part(BaseModel):
    """Frozen and strict. Unknown keys are those of a later version: they are kept, and read by nothing."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True
    )
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)


class RunData(_Part):
    """The rows that the model was evaluated on."""

    name: str | None = None
    """Name of the data set."""
    version: str | None = None
    """Version of the data set."""
    spec_sha256: str | None = None
    """SHA-256, in hex, of the data set's spec."""
    revision: str | None = None
    """Commit of the data set on the Hub; null for a local folder."""
    configs: tuple[str, ...] | None = None
    """Configurations, such as `recoverability--MODEL`, in the order of the outcomes."""
    limit: int | None = None
    """At most so many rows of each configuration were used; null for all rows."""


class RunModel(_Part):
    """The evaluated model."""

    id: str
    """Name of the model in tables."""
    path: str | None = None
    """Hub id or folder."""
    revision: str | None = None
    """Commit, or digest of the folder."""


class ThinkDelimiters(_Part):
    """What encloses the model's thinking."""

    open: str
    """Opening delimiter, with the white space that belongs to it."""
    close: str
    """Closing delimiter."""


class RunEngine(_Part):
    """What generated the completions. It holds no secrets."""

    kind: str | None = None
    """Kind of the engine, as in a spec."""
    identity: str | None = None
    """Identity under which the store keeps completions: changes with the weights or the recording."""
    base_url: str | None = None
    """Address of the server, without credentials."""
    mode: str | None = None
    """How prompts are sent: `ids`, `text`, `chat` or `recorded`."""
    served: str | None = None
    """Name of the model at the server."""
    context: int | None = None
    """Largest number of tokens of prompt and completion that the engine can hold, where it is known."""
    tried_again: dict[str, Count] | None = None
    """Number of requests that were sent again, by the status or fault that was the reason."""


class RunSampling(_Part):
    """How completions were sampled."""

    samples: int | None = None
    """Solo completions for each question (paper: k)."""
    temperature: float | None = None
    """0 is greedy."""
    top_p: float | None = None
    """Probability mass of nucleus sampling."""
    max_tokens: int | None = None
    """Limit on the tokens of prompt and completion together."""


class JudgeSettings(_Part):
    """The judge's declaration, as in a spec."""

    model: str
    """Name of the judge at its server, Hub id or folder."""


class EngineSettings(_Part):
    """The declaration of the judge's engine, as in a spec, without credentials."""

    kind: str
    """Kind of the engine, as in a spec."""


class RunJudge(_Part):
    """The judge that the run was graded with."""

    identity: str | None = None
    """Identity under which the store keeps the judge's replies."""
    judge: JudgeSettings
    """Declaration of the judge."""
    engine: EngineSettings
    """Declaration of its engine."""


class RunTiming(_Part):
    """How long the run took."""

    seconds: float | None = None
    """Wall-clock seconds of generating."""
    generated: Count | None = None
    """Completions that were generated; the others were in the store."""
    finished: str | None = None
    """UTC time of the end, such as `2026-01-15T10:30:00Z`."""


class JudgeCost(_Part):
    """What the judge cost in this run. Replies from the store cost nothing."""

    calls: Count
    """Requests."""
    prompt_tokens: Count
    """Tokens of the prompts."""
    tokens: Count
    """Tokens of the replies."""


class OutcomeCounts(_Part):
    """Number of outcomes by verdict."""

    correct: Count = 0
    """Outcomes with the verdict correct."""
    incorrect: Count = 0
    """Outcomes with the verdict incorrect."""
    unscored: Count = 0
    """Outcomes without a verdict."""

    @property
    def total(self) -> int:
        """Number of outcomes."""
        return self.correct + self.incorrect + self.unscored


class UnscoredReason(_Part):
    """Outcomes that have no verdict for one reason."""

    reason: str
    """Why there is no verdict."""
    n: Count
    """Number of outcomes."""
    rows: tuple[str, ...]
    """Ids of at most three of their rows."""


class RunRecord(_Part):
    """The content of `run.json`."""

    offtraj: str | None = None
    """Version of offtraj that made the run."""
    repo: str | None = None
    """Repository of the data set on the Hub, where it is known; it was fetched from there if `data.revision` is set."""
    domain: str | None = None
    """Domain of the data set, such as `math`; absent in runs of 0.1.0, which are all of mathematics."""
    data: RunData | None = None
    """The rows that the model was evaluated on."""
    model: RunModel
    """The model that was evaluated."""
    think: ThinkDelimiters | None = None
    """Delimiters of the model's thinking."""
    engine: RunEngine | None = None
    """What generated the completions."""
    sampling: RunSampling | None = None
    """How completions were sampled."""
    seed: int | None = None
    """Seed of every choice and every sample."""
    solo: dict[str, RateCounts] | None = None
    """Number of questions of each benchmark by solo solve rate, such as `{"math500": {"7/8": 12}}`; null where the
    data set does not know the model."""
    versions: dict[str, str] | None = None
    """Versions of the packages that the run depends on."""
    verifier: str | None = None
    """Version of the rule that graded the outcomes."""
    judge: RunJudge | None = None
    """The judge; null where the rule decided alone."""
    timing: RunTiming | None = None
    """How long the run took."""
    judge_cost: JudgeCost | None = None
    """What the judge cost; absent without a judge."""
    exactness: dict[str, Count] | None = None
    """Number of prompts by the way in which they were sent."""
    outcomes: OutcomeCounts | None = None
    """Number of outcomes by verdict."""
    unscored: tuple[UnscoredReason, ...] | None = None
    """Outcomes without a verdict by reason, the most frequent first."""

    @property
    def ungraded(self) -> RunRecord:
        """The record without what grading adds: counts of prompts and outcomes, and the judge's cost."""
        text = self.model_dump_json(exclude_unset=True, exclude={"exactness", "outcomes", "unscored", "judge_cost"})
        return RunRecord.model_validate_json(text)

    def to_json(self) -> str:
        """The file's text. Fields that were never set are left out."""
        values = self.model_dump(mode="json", exclude_unset=True)
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> RunRecord:
    """The record of a run folder.

    Raises:
        DataError: when there is none, or for each field that has another form than expected.
    """
    path = folder / RUN
    try:
        text = path.read_bytes()
        values = json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{folder}: no run folder: it has no {RUN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    model = values.get("model") if isinstance(values, dict) else None
    if not isinstance(model, dict) or "id" not in model:
        raise DataError(f"{path}: names no model: it is no run of offtraj")
    try:
        return RunRecord.model_validate_json(text)  # strict JSON admits lists for tuples, and nothing else
    except ValidationError as error:
        raise DataError("\n".join(f"{path}: {problem}" for problem in _problems(error))) from None


def record_schema() -> dict[str, object]:
    """The JSON Schema of `run.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunRecord.model_json_schema()}


def _problems(error: ValidationError) -> list[str]:
    """One line for each malformed field: its name, what was expected and the value."""
    found = []
    for detail in error.errors(include_url=False):
        field = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        if detail["type"] == "missing":
            found.append(f"{field}: the key is missing")
            continue
        expected = _EXPECTED.get(detail["type"]) or detail["msg"].replace("Input should be", "expected")
        value = repr(detail["input"])
        found.append(f"{field}: {expected}, got {value if len(value) <= 80 else value[:80] + '…'}")
    return found


_EXPECTED = {
    "bool_type": "expected true or false",
    "dict_type": "expected an object",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "model_type": "expected an object",
    "string_pattern_mismatch": "expected a solve rate such as '7/8'",
    "string_type": "expected text",
    "tuple_type": "expected a list",
}
