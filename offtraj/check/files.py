"""The files of a data set: present, unchanged, and with the columns of their tables; and the card."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from offtraj._util.parquet import open_parquet
from offtraj.check.result import Checked
from offtraj.dataset.configs import trajectories_model
from offtraj.dataset.folder import CARD, EVAL, DataFolder
from offtraj.dataset.manifest import FileEntry
from offtraj.dataset.tables import trajectories_schema
from offtraj.errors import DataError, SpecError
from offtraj.hub.card import render_card
from offtraj.hub.registration import render_registration
from offtraj.run.row import row_schema
from offtraj_builders.definitions import parse_set

__all__ = ["check_card", "check_files", "check_registration"]


def check_files(data: DataFolder, checked: Checked) -> None:
    """Every file of the manifest exists, is unchanged and has the columns of its table; there are no others."""
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
            with open_parquet(path, "a Parquet file") as file:
                found, rows = file.schema_arrow, file.metadata.num_rows
        except DataError as error:
            checked.say(str(path), str(error).removeprefix(f"{path}: "))
            continue
        if rows != entry.rows:
            checked.say(str(path), f"has {rows} rows, the manifest says {entry.rows}")
        expected = _schema(entry)
        if expected is not None and not found.equals(expected):
            names = [name for name in (*expected.names, *found.names) if _field(found, name) != _field(expected, name)]
            checked.say(str(path), f"other columns than such a table has: {', '.join(dict.fromkeys(names))}")
    for config in data.unknown:
        checked.say(config, "is unknown to this version, so its rows are not checked: use the version that built it")
    for path in sorted(data.path.glob("*/*.parquet")):
        if path.relative_to(data.path).as_posix() not in listed:
            checked.say(str(path), "is not in the manifest")


def _schema(entry: FileEntry) -> Any:
    if parse_set(entry.config) is not None:
        return row_schema()
    return trajectories_schema() if trajectories_model(entry.config) is not None else None


def _field(schema: Any, name: str) -> Any:
    return schema.field(name).type if name in schema.names else None


def check_card(data: DataFolder, checked: Checked) -> None:
    """The card is the one that this version renders; a card of another version lists all files."""
    path = data.path / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        checked.say(str(path), "is missing: the data set has no card")
    elif data.manifest.made_with.get("offtraj") == version("offtraj"):
        try:
            card = render_card(data.spec, data.manifest, data.path)
        except (SpecError, DataError):  # a custom template, which is not published with the set, or a broken file
            return
        if card != text:
            checked.say(str(path), "is not the card of this data: it was changed by hand, or the data was")
    else:
        unlisted = [entry.path for entry in data.manifest.files if entry.path not in text]
        if unlisted:
            checked.say(str(path), f"does not list {', '.join(unlisted)}")


def check_registration(data: DataFolder, checked: Checked) -> None:
    """The registration as a benchmark is the one that the spec asks for; there is none where it asks for none."""
    path = data.path / EVAL
    found = path.read_text(encoding="utf-8") if path.is_file() else None
    if found != render_registration(data.spec.spec, data.manifest):
        checked.say(str(path), "is not the registration that the spec asks for")
