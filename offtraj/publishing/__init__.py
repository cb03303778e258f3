"""Data sets as folders: Parquet shards, manifest, spec and card, which `datasets` opens."""

from offtraj.publishing.card import render_card
from offtraj.publishing.folder import CARD, Config, DataFolder, check_target, open_folder, write_folder
from offtraj.publishing.manifest import MANIFEST, Count, DroppedQuestion, FileEntry, Manifest, ModelEntry, read_manifest
from offtraj.publishing.published import published_models, published_solo
from offtraj.publishing.push import Change, Destination, Pushed, PushPlan, plan_push, push
from offtraj.publishing.registration import EVAL, render_registration
from offtraj.publishing.tables import questions_config, read_questions, trajectories_config, trajectories_schema

__all__ = [
    "CARD",
    "EVAL",
    "MANIFEST",
    "Change",
    "Config",
    "Count",
    "DataFolder",
    "Destination",
    "DroppedQuestion",
    "FileEntry",
    "Manifest",
    "ModelEntry",
    "PushPlan",
    "Pushed",
    "check_target",
    "open_folder",
    "plan_push",
    "published_models",
    "published_solo",
    "push",
    "questions_config",
    "read_manifest",
    "read_questions",
    "render_card",
    "render_registration",
    "trajectories_config",
    "trajectories_schema",
    "write_folder",
]
