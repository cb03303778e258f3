"""Recorded responses: nothing can be asked, but much is there to be read."""

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
    """Which delimiters the responses of a model show.

    Raises:
        SpecError: for a file that is not there.
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
        holds = ", ".join(repr(other) for other, _ in others.most_common(_SHOWN)) or "nothing at all"
        what = f"it holds nothing of {model.recorded_as!r}, but of {holds}"
        return Finding("recording", "unsupported", what, "`recorded_as` is the model's name in the recording")
    how = "found in each response" if delimiters is None else f"as the spec states, {stated(delimiters)}"
    counts = ", ".join(f"{tags}: {count:,}" for tags, count in shown.most_common())
    what = f"nothing can be asked of {shown.total():,} recorded responses; their delimiters, {how}: {counts}"
    return Finding("recording", "exact", what)
