"""Is a data set what it says it is? Files, cards and rows; and whether its rows are the only ones that could be made.

Everything is read again, and every steered set is made again from the trajectories, the questions and the spec
that the data set itself holds. Taken as given are the texts that models wrote, and the verdicts on them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.metadata import version
from typing import Any, cast

from offtraj.dataset import counts_of, model_entry, shared_questions
from offtraj.errors import BuildError, DataError, EngineError, SpecError
from offtraj.progress import Advance, Stage, quiet
from offtraj.prompt import question_template
from offtraj.publishing import (
    CARD,
    MANIFEST,
    DataFolder,
    FileEntry,
    published_models,
    published_solo,
    questions_config,
    read_questions,
    render_card,
    trajectories_schema,
)
from offtraj.question import Question, Questions
from offtraj.reasoner import load_reasoner
from offtraj.solo import Solo
from offtraj.spec import Spec, SpecFile, TestName
from offtraj.steered_set import SteeredRow, compose, read_rows, row_id, row_schema
from offtraj.store import Store
from offtraj.verify import Verifier
from offtraj_builders import Gathered, Material, Selection, SteeredSet, steered_sets, takes_part

__all__ = ["Checked", "Problem", "check"]

_MOST = 50  # problems that are told of one configuration
_WINDOW = 256  # rows that are looked through for the one that belongs here


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    where: str
    """A file, or a configuration and row."""
    what: str


@dataclass
class Checked:
    """What came of a check."""

    problems: list[Problem] = field(default_factory=list)
    untold: Counter[str] = field(default_factory=Counter)
    """How many more problems a configuration has."""
    rows: int = 0
    """Steered rows that were read."""
    not_loaded: dict[str, str] = field(default_factory=dict)
    """Models whose trajectories could not be used, and why: their segments were not looked up."""
    not_made: dict[str, list[str]] = field(default_factory=dict)
    """Configurations that could not be made again here, with those of the models that they need."""

    def say(self, where: str, what: str, config: str | None = None) -> None:
        """Note a problem; of one configuration only the first."""
        if config is not None and sum(p.where.startswith(f"{config} ") for p in self.problems) >= _MOST:
            self.untold[config] += 1
        else:
            self.problems.append(Problem(where, what))


async def check(data: DataFolder, *, spec: SpecFile, store: Store, verifier: Verifier, stage: Stage = quiet) -> Checked:
    """Check a data set.

    Args:
        data: A folder or repository; everything in it is read.
        spec: Its spec, at a place from which its relative paths lead somewhere.
        store: Where texts are kept meanwhile.
        verifier: For whether a steer reveals the answer.
        stage: Is told of progress.

    Raises:
        DataError: when there is too little of a data set to check.
        HubError: when it cannot be fetched.
    """
    checked = Checked()
    data.fetch()
    _check_files(data, checked)
    if spec.digest != data.manifest.spec_sha256:
        checked.say(str(spec.path), f"is not the spec that {MANIFEST} was made with")
    _check_card(data, checked)
    questions = read_questions(data.files("questions"))
    solos = _solos(data, spec, tuple(questions.values()), store, checked)
    again = _make_again(data, spec.spec, questions, solos, verifier, checked)

    @lru_cache(maxsize=64)
    def thinking(model: str, question_id: str, number: int) -> str | None:
        """A published trajectory's thinking; `None` where its model is not loaded, nothing where it is not there."""
        if model not in solos:
            return None if model in checked.not_loaded else ""
        samples = solos[model].samples.get(question_id, ())
        return next((solos[model].trajectory(one).thinking for one in samples if one.number == number), "")

    for config in data.steered:
        done = stage(config, sum(entry.rows for entry in data.manifest.files if entry.config == config))
        try:
            rows = _sound_rows(config, read_rows(data.files(config)), questions, thinking, checked)
            if config in again:
                await _compare(config, again[config], rows, checked, done)
            else:
                done(sum(1 for _ in rows))
        except DataError as error:
            checked.say(config, str(error))
    _check_manifest(data, again.values(), solos, checked)
    if len(again) == len(data.steered) and set(solos) == published_models(data):
        await _check_questions(data, questions, solos, list(again.values()), checked)
    return checked


def _check_files(data: DataFolder, checked: Checked) -> None:
    """Every file is there, is the one that the manifest names, and has its table's columns; none is there besides."""
    import pyarrow.parquet as pq

    listed = {entry.path for entry in data.manifest.files}
    for entry in data.manifest.files:
        path = data.path / entry.path
        if not path.is_file():
            checked.say(str(path), "is missing, though the manifest lists it")
            continue
        try:
            data.verified(path)
        except DataError:
            checked.say(str(path), "is not what the manifest says: its SHA-256 differs")
        if path.stat().st_size != entry.bytes:
            checked.say(str(path), f"has {path.stat().st_size} bytes, the manifest says {entry.bytes}")
        try:
            with pq.ParquetFile(path) as file:
                found, rows = file.schema_arrow, file.metadata.num_rows
        except (OSError, ValueError) as error:
            checked.say(str(path), f"is no Parquet file: {error}")
            continue
        if rows != entry.rows:
            checked.say(str(path), f"has {rows} rows, the manifest says {entry.rows}")
        expected = _schema(entry)
        if expected is not None and not found.equals(expected):
            names = [name for name in (*expected.names, *found.names) if _field(found, name) != _field(expected, name)]
            checked.say(str(path), f"other columns than such a table has: {', '.join(dict.fromkeys(names))}")
    for path in sorted(data.path.glob("*/*.parquet")):
        if path.relative_to(data.path).as_posix() not in listed:
            checked.say(str(path), "is not in the manifest")


def _schema(entry: FileEntry) -> Any:
    if entry.config.startswith(("recoverability--", "guidability--")):
        return row_schema()
    return trajectories_schema() if entry.config.startswith("trajectories--") else None


def _field(schema: Any, name: str) -> Any:
    return schema.field(name).type if name in schema.names else None


def _check_card(data: DataFolder, checked: Checked) -> None:
    """The card is the one that this version writes; of another version's, it lists the files."""
    path = data.path / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        checked.say(str(path), "is missing: the data set has no card")
    elif data.manifest.made_with.get("offtraj") == version("offtraj"):
        try:
            card = render_card(data.spec, data.manifest, data.path)
        except (SpecError, DataError):  # a template of its own, which is not published with it; or a file is broken
            return
        if card != text:
            checked.say(str(path), "is not the card of this data: it was changed by hand, or the data was")
    else:
        unlisted = [entry.path for entry in data.manifest.files if entry.path not in text]
        if unlisted:
            checked.say(str(path), f"does not list {', '.join(unlisted)}")


def _solos(
    data: DataFolder, file: SpecFile, questions: Sequence[Question], store: Store, checked: Checked
) -> dict[str, Solo]:
    """Everyone's published samples, whose tokenizer can be had here."""
    solos: dict[str, Solo] = {}
    published = published_models(data)
    for model in file.spec.reasoners:
        if model.id not in published:
            continue
        try:
            reasoner = load_reasoner(file, model)
        except (SpecError, EngineError) as error:
            checked.not_loaded[model.id] = str(error).splitlines()[0]
            continue
        try:
            samples = file.spec.sampling.samples
            solos[model.id] = published_solo(data, reasoner, questions, samples=samples, store=store)
        except DataError as error:
            checked.say(f"trajectories--{model.id}", str(error))
            checked.not_loaded[model.id] = "its trajectories are not in order"
    return solos


def _make_again(
    data: DataFolder,
    spec: Spec,
    questions: Mapping[str, Question],
    solos: Mapping[str, Solo],
    verifier: Verifier,
    checked: Checked,
) -> dict[str, SteeredSet]:
    """The steered sets that can be made again, by configuration; their rows are composed when they are read."""
    kept = tuple(questions.values())
    material = Material(spec, question_template(spec.domain, spec.prompt), kept, solos, verifier)
    gathered = Gathered(material, Questions(kept, ()), data.manifest.verifier)
    again = {}
    for config in data.steered:
        test, _, model = config.partition("--")
        selection = Selection((cast("TestName", test),), frozenset({model}))
        lacking = sorted(takes_part(spec, selection) - set(solos))
        if lacking:
            checked.not_made[config] = lacking
            for name in lacking:
                checked.not_loaded.setdefault(name, "none of its trajectories are published")
            continue
        try:
            (again[config],) = steered_sets(gathered, selection)
        except BuildError as error:
            checked.say(config, f"cannot be made from these trajectories: {error}")
    return again


def _sound_rows(
    config: str,
    rows: Iterable[SteeredRow],
    questions: Mapping[str, Question],
    thinking: Callable[[str, str, int], str | None],
    checked: Checked,
) -> Iterator[tuple[str, SteeredRow]]:
    """The rows with their places; what does not hold together in one is noted."""
    for number, row in enumerate(rows):
        where = f"{config} row {number} ({row.id[:12]})"
        for what in _unsound(row, questions.get(row.question_id), thinking):
            checked.say(where, what, config)
        checked.rows += 1
        yield where, row


def _unsound(
    row: SteeredRow, question: Question | None, thinking: Callable[[str, str, int], str | None]
) -> Iterator[str]:
    if compose(row.segments) != row.prefix:
        yield "its prefix is not its segments, joined"
    if row.id != row_id(row.test, row.variant, row.model, row.question_id, row.position, row.ratio, row.segments):
        yield "its id is not the hash of its content"
    if question is None:
        yield f"its question {row.question_id!r} is not among the questions"
    elif (row.question, row.answer, row.benchmark) != (question.text, question.gold, question.benchmark):
        yield f"its question, answer or benchmark differs from {row.question_id!r} among the questions"
    for number, segment in enumerate(row.segments):
        if segment.model is None or segment.question_id is None or segment.sample is None:
            continue
        source = thinking(segment.model, segment.question_id, segment.sample)
        if source is not None and source[segment.start : segment.end] != segment.text:
            yield (
                f"segment {number} ({segment.role}) is not characters {segment.start} to {segment.end} of "
                f"{segment.model}'s sample {segment.sample} on {segment.question_id!r}"
            )


async def _compare(
    config: str, made: SteeredSet, published: Iterable[tuple[str, SteeredRow]], checked: Checked, done: Advance
) -> None:
    """Row by row, against the only ones that could have been made, in their order."""
    rows = made.rows()
    ahead: deque[SteeredRow] = deque()

    async def look(count: int) -> None:
        while len(ahead) < count and (row := await anext(rows, None)) is not None:
            ahead.append(row)

    for where, row in published:
        done(1)
        await look(1)
        if not ahead or ahead[0].id != row.id:
            await look(_WINDOW)
            at = next((at for at, one in enumerate(ahead) if one.id == row.id), None)
            for _ in range(at or 0):
                missing = ahead.popleft()
                checked.say(f"{config} before {where.removeprefix(config).strip()}", _lacks(missing), config)
            if at is None:
                if ahead and _place(ahead[0]) == _place(row):
                    checked.say(where, f"is not the row that can be made here: {_differ(ahead.popleft(), row)}", config)
                else:
                    checked.say(where, "cannot be made from these trajectories and this spec", config)
                continue
        expected = ahead.popleft()
        if expected != row and (differ := _differ(expected, row)):
            checked.say(where, f"is not the row that can be made here: {differ}", config)
    await look(1)
    while ahead:
        checked.say(f"{config} at its end", _lacks(ahead.popleft()), config)
        await look(1)


def _lacks(row: SteeredRow) -> str:
    return f"lacks a row that is made from {row.question_id!r}: {row.id[:12]}"


def _place(row: SteeredRow) -> tuple[object, ...]:
    return row.variant, row.question_id, row.position, row.ratio


def _differ(made: SteeredRow, published: SteeredRow) -> str:
    """The fields that differ; shares as far as the columns keep them."""
    names = [
        item.name
        for item in fields(made)
        if (one := getattr(made, item.name)) != (other := getattr(published, item.name))
        and not (isinstance(one, float) and isinstance(other, float) and abs(one - other) < 1e-6)
    ]
    return ", ".join(f"{name} differs" for name in names)


def _check_manifest(data: DataFolder, again: Iterable[SteeredSet], solos: Mapping[str, Solo], checked: Checked) -> None:
    path = str(data.path / MANIFEST)
    for name, solo in solos.items():
        if data.manifest.models.get(name) != model_entry(solo):
            checked.say(path, f"says other things of {name} than its trajectories do")
    for one in again:
        said = [count for count in data.manifest.counts if (count.test, count.model) == (one.test, one.model)]
        if said != list(counts_of([one])):
            checked.say(path, f"counts otherwise what was kept and dropped for {one.config}")


async def _check_questions(
    data: DataFolder,
    questions: Mapping[str, Question],
    solos: Mapping[str, Solo],
    sets: Sequence[SteeredSet],
    checked: Checked,
) -> None:
    """Solve rates and shared subsets stand beside the questions as they follow from the trajectories."""
    import pyarrow.parquet as pq

    rows = [row for path in data.files("questions") for row in pq.read_table(path).to_pylist()]
    config = questions_config(list(questions.values()), solos, shared_questions(sets))
    made = [row async for batch in config.batches for row in batch.to_pylist()]
    for row, expected in zip(rows, made, strict=True):
        differ = [name for name in expected if row.get(name) != expected[name]]
        if differ:
            checked.say(
                f"questions row {row['id']!r}", f"{', '.join(differ)}: not what the trajectories say", "questions"
            )
