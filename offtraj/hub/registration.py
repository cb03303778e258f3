"""`eval.yaml`: registers a data set with the Hub as a benchmark, whose leaderboard collects models' results.

The Hub accepts it from frameworks on its allow-list only, so that a spec has to ask for it (`publish.eval`).
"""

from __future__ import annotations

from offtraj.dataset.manifest import Manifest
from offtraj.hub.card_metadata import by_config, split_of
from offtraj.spec import Spec
from offtraj_builders.definitions import parse_set

__all__ = ["render_registration"]


def render_registration(spec: Spec, manifest: Manifest) -> str | None:
    """The file's text, with a task for each steered set; `None` unless the spec asks for it."""
    if spec.publish is None or not spec.publish.eval:
        return None
    from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

    tasks = [
        {"id": config, "config": config, "split": split_of(files[0])}
        for config, files in by_config(manifest).items()
        if parse_set(config) is not None
    ]
    registration = {
        "name": manifest.name,
        "description": spec.description or "Twin tests of reasoning models, off their own trajectories",
        "evaluation_framework": "offtraj",
        "tasks": tasks,
    }
    return str(yaml_dump(registration, sort_keys=False, line_break="\n"))
