"""The check of recorded responses, which can be read but not sampled."""

from __future__ import annotations

from collections import Counter

from offtraj._util.records import read_records
from offtraj.doctor.finding import Finding
from offtraj.doctor.template import stated
from offtraj.model.model import stated_delimiters
from offtraj.model.trajectory import split
from offtraj.spec import ModelSpec, RecordedSpec, SpecFile

__all__ = ["examine_recording"]

_SHOWN = 10


def examine_recording(file: SpecFile, model: ModelSpec, spec: RecordedSpec, name: str) -> Finding:
    """The finding on the delimiters in a model's responses.

    Raises:
        SpecError: for a missing file.
        DataError: for a record that cannot be read.
    """
    delimiters = stated_delimiters(model)
    shown: Counter[str] = Counter()
    others: Counter[str] = Counter()
    columns = spec.columns
    for index, path in enumerate(spec.files):
        for record in read_records(file.file(path, "engines", name, "files", index)):
            others[str(record.fields.get(columns.model))] += 1
            if record.fields.get(columns.model) == model.recorded_as:
                trajectory = split(record.text(columns.response), delimiters)
                tag = trajectory.opening.strip() or "no opening delimiter"
                shown[f"{tag} … {trajectory.closing.strip() or 'no end'}"] += 1
    if not shown:
        holds = ", ".join(repr(other) for other, _ in others.most_common(_SHOWN)) or "no model"
        what = f"it has no responses of {model.recorded_as!r}, but of {holds}"
        return Finding("recording", "unsupported", what, "`recorded_as` is the model's name in the recording")
    how = "found in each response" if delimiters is None else f"as the spec states, {stated(delimiters)}"
    counts = ", ".join(f"{tags}: {count:,}" for tags, count in shown.most_common())
    what = f"{shown.total():,} recorded responses, which cannot be sampled; their delimiters, {how}: {counts}"
    return Finding("recording", "exact", what)
