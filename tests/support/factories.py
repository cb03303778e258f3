"""Values for tests, each with just what the test says about it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from offtraj.grading.math.grader import MathGrader
from offtraj.grading.math.reference import MathReference
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion, SamplingParams
from offtraj.model.model import Model
from offtraj.model.tokens import Words
from offtraj.run.question import Question
from offtraj.run.record import RunRecord
from offtraj.run.row import Segment, SteeredRow
from offtraj.run.solo import Solo, SoloSample
from offtraj.spec import SpecFile, load_spec
from offtraj.spec.file import parse_spec
from offtraj.store import Store
from offtraj_builders.composition import compose, row_id

PARAMS = SamplingParams(temperature=0.6, top_p=0.95, max_tokens=512, seed=0)

SPEC = """\
name: small
version: 1.0.0
benchmarks:
  - {id: sums, source: {file: questions.jsonl}}
engines:
  tape: {kind: recorded, files: [traces.jsonl]}
models:
  - {id: weak, engine: tape, recorded_as: Weak, tokenizer: words}
  - {id: other, engine: tape, recorded_as: Other, tokenizer: words}
guides:
  - {id: guide, engine: tape, recorded_as: Guide, tokenizer: words}
sampling: {samples: 4}
tests:
  recoverability:
    variants: [default, keep-first-paragraph, cross-model]
    distractors: 3
    trajectories: 4
  guidability:
    max_solve_rate: 0.25
    variants: [default, solvable, answer-forcing]
"""


def make_spec(text: str = SPEC, folder: Path = Path(), **replace: str) -> SpecFile:
    """A spec file's value; `replace` exchanges pieces of the text."""
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    return parse_spec(text, folder / "spec.yaml")


def make_question(number: int, **fields: Any) -> Question:
    """Question `q0`, `q1`, … whose gold answer is 10 times its number plus 1, so that all differ."""
    reference = MathReference(fields.pop("gold", str(10 * number + 1)), fields.pop("unit", None))
    values = {
        "id": f"q{number}",
        "benchmark": "sums",
        "text": f"What is {10 * number} + 1?",
        "reference": reference,
    }
    return Question(**{**values, **fields})


def make_response(number: int, answer: object, *, closed: bool = True, sentences: int = 12) -> str:
    """A response to question `number` that answers `answer`, in R1's style."""
    steps = [f"Step {step} of q{number} adds {step} apples to the pile." for step in range(1, sentences)]
    thinking = f"Okay, this is about q{number}.\n\n" + " ".join(steps) + f" So it is {answer}."
    if not closed:
        return f"<think>\n{thinking}"
    return f"<think>\n{thinking}\n</think>\n\nThe answer is \\boxed{{{answer}}}."


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A JSON Lines file, packed where its name says so."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text)
    return path


def write_small_benchmark(folder: Path, *, questions: int = 6) -> Path:
    """The spec of `SPEC` with what it reads: questions and recorded traces.

    `weak` solves q0 never, q1 once, q2 three times of four, and the others always; `other` solves all;
    `guide` solves everything but q1.
    """
    write_jsonl(
        folder / "questions.jsonl",
        [{"id": q.id, "question": q.text, "answer": q.gold} for q in map(make_question, range(questions))],
    )
    solved = {"Weak": {0: 0, 1: 1, 2: 3}, "Other": {}, "Guide": {1: 0}}
    traces = []
    for model, exceptions in solved.items():
        for number in range(questions):
            gold = make_question(number).gold
            for sample in range(4):
                answer = gold if sample < exceptions.get(number, 4) else "999"
                response = make_response(number, answer, sentences=10 + sample)
                traces.append({"question_id": f"q{number}", "model": model, "sample": sample, "response": response})
    write_jsonl(folder / "traces.jsonl", traces)
    spec = folder / "spec.yaml"
    spec.write_text(SPEC)
    return spec


def make_dataset(spec: Path, out: Path) -> Path:
    """The data set of a spec, built in this process; its workspace is beside it."""
    from offtraj.build.build import build_dataset

    async def work() -> None:
        with Store(out.parent / "workspace" / "store.sqlite") as store:
            await build_dataset(load_spec(spec), out, store=store)

    asyncio.run(work())
    return out


def make_row(number: int = 0, **fields: Any) -> SteeredRow:
    """A recoverability row on question `number`."""
    question = make_question(number)
    segments = fields.pop(
        "segments",
        (
            Segment("own", "Okay.", "weak", question.id, 0, 0, 5, 1),
            Segment("transition", "\nWait. Let me think\n"),
            Segment("steer", "Step 1 of ", "weak", "q8" if number == 9 else "q9", 0, 0, 10, 3),
        ),
    )
    prefix = compose(segments)
    values: dict[str, Any] = {
        "test": "recoverability",
        "variant": "default",
        "subsets": ("individual",),
        "benchmark": question.benchmark,
        "question_id": question.id,
        "question": question.text,
        "answer": question.gold,
        "model": "weak",
        "model_revision": None,
        "position": 0.2,
        "ratio": 0.2,
        "segments": segments,
        "prefix": prefix,
        "prefix_tokens": 7,
        "prompt_sha256": None,
        "solved": 3,
        "sampled": 4,
        "reveals_answer": False,
        **fields,
    }
    identity = row_id(
        values["test"],
        values["variant"],
        values["model"],
        values["question_id"],
        values["position"],
        values["ratio"],
        values["segments"],
    )
    return SteeredRow(id=fields.get("id", identity), **{k: v for k, v in values.items() if k != "id"})


def make_record(**fields: Any) -> RunRecord:
    """The record of a run, read from JSON: defaults and what is given, such as `judge={…}`."""
    values = {
        "data": {"name": "small", "version": "1.0.0", "spec_sha256": "0"},
        "model": {"id": "m", "path": "m", "revision": "r"},
        "engine": {"kind": "transformers", "identity": "e"},
        "sampling": {},
        **fields,
    }
    return RunRecord.model_validate_json(json.dumps(values))


def make_solo(store: Store, name: str, answers: Mapping[str, Sequence[object]], **fields: Any) -> Solo:
    """Solo samples as if they had been graded: `answers` by question id; `None` is unfinished thinking."""
    samples: dict[str, tuple[SoloSample, ...]] = {}
    for question_id, given in answers.items():
        number = int(question_id.removeprefix("q"))
        found = []
        for sample, answer in enumerate(given):
            response = make_response(number, answer, closed=answer is not None, sentences=10 + sample)
            key = f"{name}/{question_id}"
            store.put_completions([(key, sample, Completion(response, "stop", None, None))])
            correct = str(answer) == make_question(number).gold
            verdict = (
                Verdict("incorrect", "rule", "truncated")
                if answer is None
                else Verdict("correct" if correct else "incorrect", "rule", "boxed")
            )
            found.append(SoloSample(question_id, sample, key, "stop", answer is not None, True, verdict))
        samples[question_id] = tuple(found)
    model = Model(name, None, None, Words(), None, fields.get("delimiters"))
    return Solo(model, f"recorded:{name}", samples, store)


def make_inputs(store: Store, solos: Mapping[str, Solo], spec: SpecFile, questions: int = 8) -> Any:
    """The protocol's inputs, on questions q0, q1, …"""
    from offtraj_builders.inputs import BuildInputs

    asked = tuple(map(make_question, range(questions)))
    return BuildInputs(spec.spec, "{question}", asked, solos, make_grader(store))


def make_grader(store: Store) -> MathGrader:
    """A grader that compares texts, without processes."""
    return MathGrader(FastVerifier(), store)


class FastVerifier:
    """A verifier for tests of what does not depend on algebra."""

    version = "at-sight"

    def fast_compare(self, gold: str, answer: Any, **_: Any) -> Any:
        return None

    async def compare(self, gold: str, answer: Any, **_: Any) -> Any:
        from offtraj.grading.math.rule import Comparison

        return Comparison("equal" if gold == answer.text else "different", "")

    async def verifies(self, gold: str) -> bool:
        return bool(gold)

    async def close(self) -> None:
        pass
