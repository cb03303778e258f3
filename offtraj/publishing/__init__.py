"""Data sets as folders: Parquet shards, manifest, spec and card, which `datasets` opens."""

from offtraj.publishing.card import render_card
from offtraj.publishing.folder import Config, DataFolder, check_target, open_folder, write_folder
from offtraj.publishing.manifest import MANIFEST, Count, DroppedQuestion, FileEntry, Manifest, ModelEntry, read_manifest
from offtraj.publishing.registration import EVAL, render_registration
from offtraj.publishing.tables import questions_config, read_questions, trajectories_config

__all__ = [
    "EVAL",
    "MANIFEST",
    "Config",
    "Count",
    "DataFolder",
    "DroppedQuestion",
    "FileEntry",
    "Manifest",
    "ModelEntry",
    "check_target",
    "open_folder",
    "questions_config",
    "read_manifest",
    "read_questions",
    "render_card",
    "render_registration",
    "trajectories_config",
    "write_folder",
]
