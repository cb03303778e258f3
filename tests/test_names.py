"""Tests and their variants are spelled by their definitions and spec types only; a third test needs no other change."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from support.factories import make_dataset, make_grader, write_small_benchmark

from offtraj.build.plan import make_plan
from offtraj.check.check import check
from offtraj.dataset.folder import DataFolder, open_folder
from offtraj.errors import UsageError
from offtraj.evaluate.evaluate import choose_sets
from offtraj.run.row import Segment, SteeredRow, closes_thinking, read_rows
from offtraj.spec import ModelSpec, Spec, TestSpec, TestsSpec, load_spec
from offtraj.store import Store
from offtraj_builders import definitions
from offtraj_builders.composition import compose
from offtraj_builders.cut import cut_steer
from offtraj_builders.definition import Axis, TestDefinition, Variant
from offtraj_builders.definitions import TESTS, definition, parse_set
from offtraj_builders.inputs import BuildInputs, Draft, delimiters_of, finish, unhelpful
from offtraj_builders.selection import SelectionCounts

ROOT = Path(__file__).parents[1]
SPELLED = [ROOT / "builders" / "offtraj_builders", ROOT / "offtraj" / "spec"]
NAMES = {test.name for test in TESTS}
VARIANTS = {variant.name for test in TESTS for variant in test.variants[1:]}
WORD = re.compile(rf"(?<![\w-])({'|'.join(sorted(NAMES | VARIANTS))})(?![\w-])")


def spelled(path: Path) -> Iterator[str]:
    """The string constants of a module that contain a test's or variant's name, and attributes of that name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            if WORD.search(node.value):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: .{node.attr}"


def test_names_are_spelled_by_definitions_and_spec_types_only() -> None:
    own = {folder / f"{name}.py" for folder in SPELLED for name in (*NAMES, "tests")}
    files = sorted({*(ROOT / "offtraj").rglob("*.py"), *(ROOT / "builders").rglob("*.py")} - own)
    assert len(files) > 100
    assert [line for path in files for line in spelled(path)] == []


def test_every_test_of_a_spec_has_a_definition_with_its_variants_in_the_same_order() -> None:
    assert tuple(TestsSpec.model_fields) == tuple(test.name for test in TESTS)
    for test in TESTS:
        (field,) = {test.spec} & set(TestsSpec.model_fields[test.name].annotation.__args__)  # type: ignore[union-attr]
        everything = [variant.name for variant in test.variants]
        assert field.model_validate_json(json.dumps({"variants": everything})).variants == tuple(everything)
        assert field().variants == (everything[0],)
        assert isinstance(field().axis_values, tuple)


def test_the_name_of_a_set_ends_at_the_first_dashes() -> None:
    first = TESTS[0]
    name = parse_set(f"{first.name}--a--b")
    assert name is not None
    assert (name.test, name.model, str(name)) == (first, "a--b", f"{first.name}--a--b")
    for other in ("questions", "trajectories--a", f"{first.name}", f"{first.name}--", f"x{first.name}--a", "relay--a"):
        assert parse_set(other) is None, other


class RelaySpec(TestSpec):
    """The model continues a part of its own trajectory, or has to answer from it."""

    ratios: tuple[float, ...] = (0.25, 0.5)

    @property
    def axis_values(self) -> tuple[float, ...]:
        return self.ratios


class RelayTests(TestsSpec):
    """The tests, with one more."""

    relay: RelaySpec | None = None


class RelaySuite(Spec):
    """A spec with one more test."""

    tests: RelayTests


class Relay:
    """The first correct trajectory of each question, cut at each ratio."""

    def __init__(self, inputs: BuildInputs, spec: RelaySpec, model: str) -> None:
        self.inputs, self.spec, self.model = inputs, spec, model
        self.selection_counts = [SelectionCounts("relay", model, None, None, "rows")]
        self.shared: frozenset[str] = frozenset()

    async def rows(self) -> AsyncIterator[SteeredRow]:
        solo = self.inputs.solos[self.model]
        for question in self.inputs.questions_of(self.spec):
            for sample in [one for one in solo.samples[question.id] if unhelpful(one) is None][:1]:
                thinking, drafts = solo.trajectory(sample).thinking, []
                for variant in self.spec.variants:
                    for ratio in self.spec.ratios:
                        end = cut_steer(solo.model.tokens.spans(thinking), ratio).end
                        own = Segment("own", thinking[:end], self.model, question.id, sample.number, 0, end, 1)
                        closing = Segment("transition", delimiters_of(solo).close)
                        segments = (own, closing) if variant == "at-once" else (own,)
                        drafts.append(Draft(variant, ("individual",), None, ratio, segments, False))
                for row in finish(self.inputs, "relay", self.model, question, drafts, self.selection_counts[0]):
                    yield row


def no_sources(spec: Spec, test: RelaySpec, tested: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
    return ()


RELAY = TestDefinition(
    name="relay",
    spec=RelaySpec,
    axis=Axis("ratio", "ratios", "given of its own thinking (%)"),
    variants=(Variant("default"), Variant("at-once", closes_thinking=True)),
    guided=False,
    builder=Relay,
    rows_at_most=lambda _spec, test, questions: len(test.variants) * len(test.ratios) * questions,
    sources=no_sources,
)


@pytest.fixture
def relayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set with a third test, which this process knows."""
    monkeypatch.setattr(definitions, "TESTS", (*TESTS, RELAY))
    monkeypatch.setattr("offtraj.spec.spec.Spec", RelaySuite)
    path = write_small_benchmark(tmp_path)
    path.write_text(
        path.read_text() + "  relay:\n    variants: [default, at-once]\n    models: [weak]\n    samples: 3\n"
    )
    return make_dataset(path, tmp_path / "set")


async def test_a_third_test_is_built_named_read_and_counted_as_itself(relayed: Path, store: Store) -> None:
    data = open_folder(str(relayed))
    assert [str(one) for one in data.sets if one.test is RELAY] == ["relay--weak"]
    assert data.unknown == ()
    rows = list(read_rows(data.files("relay--weak")))
    assert {(row.test, row.axis_value, row.closes_thinking) for row in rows} == {
        ("relay", ratio, closed) for ratio in (0.25, 0.5) for closed in (False, True)
    }
    assert all(row.closes_thinking == definitions.closes_thinking(row.test, row.variant) for row in rows)
    assert choose_sets(data, "weak", built_for=None, tests=["relay"], limit=None).counts() == {"relay": len(rows)}
    sets = choose_sets(data, "weak", built_for=None, tests=(), limit=None)
    assert sets.counts()["relay"] == len(rows)
    assert sets.counts()[TESTS[1].name] == sum(1 for _ in read_rows(data.files(f"{TESTS[1].name}--weak")))
    assert (definition("relay"), definitions.test_order("relay")) == (RELAY, 2)
    card = (relayed / "README.md").read_text()
    assert "| variant | subset | 25 % | 50 % | all |" in card
    assert "| `relay--…` |" in card
    found = await check(data, spec=data.spec, store=store, grader=make_grader(store))
    assert [f"{problem.where}: {problem.what}" for problem in found.problems] == []
    (line,) = [line for line in make_plan(load_spec(relayed.parent / "spec.yaml")).lines if line.step == "relay"]
    assert (line.model, line.cells, line.rows) == ("weak", 8, 24)


@pytest.fixture
def foreign(tmp_path: Path) -> DataFolder:
    """A data set with a set of a test that this version does not know."""
    folder = make_dataset(write_small_benchmark(tmp_path), tmp_path / "set")
    known = f"{TESTS[0].name}--weak"
    shutil.move(folder / known, folder / "relay--m")
    manifest = folder / "offtraj.json"
    manifest.write_text(manifest.read_text().replace(f'"{known}', '"relay--m'))
    return open_folder(str(folder))


async def test_a_set_of_an_unknown_test_is_named_as_unknown(foreign: DataFolder, store: Store) -> None:
    assert foreign.unknown == ("relay--m",)
    assert not foreign.has("m")
    for model, built_for in (("m", None), ("weak", "m")):
        with pytest.raises(UsageError, match="relay--m|nothing was built for 'm'"):
            choose_sets(foreign, model, built_for=built_for, tests=(), limit=None)
    with pytest.raises(UsageError, match=r"has no such set for 'm': it has .*; unknown to this version: relay--m$"):
        choose_sets(foreign, "weak", built_for="m", tests=(), limit=None)
    sets = choose_sets(foreign, "weak", built_for=None, tests=(), limit=None)
    assert [name.test for name in sets.sets] == [TESTS[1]]
    found = await check(foreign, spec=foreign.spec, store=store, grader=make_grader(store))
    assert ("relay--m", "is unknown to this version") in [
        (one.where, one.what.partition(",")[0]) for one in found.problems
    ]


def test_a_model_is_not_found_by_the_end_of_anothers_name(tmp_path: Path) -> None:
    path = write_small_benchmark(tmp_path)
    path.write_text(path.read_text().replace("id: weak", "id: other--weak"))
    data = open_folder(str(make_dataset(path, tmp_path / "set")))
    assert data.has("other--weak")
    assert not data.has("weak")
    with pytest.raises(UsageError, match="has no such set for 'weak'"):
        choose_sets(data, "anyone", built_for="weak", tests=(), limit=None)


def test_segments_close_the_thinking_where_a_transition_ends_them() -> None:
    steer, closing = Segment("steer", "So"), Segment("transition", "</think>")
    assert [closes_thinking(one) for one in ((), (steer,), (steer, closing), (steer, closing, steer))] == [
        False, False, True, False,
    ]  # fmt: skip
    assert compose((steer, closing)) == "So</think>"
