"""Training several pocket models in parallel, one process and core each. Training one is left to `training`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from offtraj._util.progress import OnProgress, Progress, no_progress
from offtraj.errors import OutputError, UsageError
from offtraj.studies.pocket.recipe import FAMILY, Recipe
from offtraj.studies.pocket.training import RECORD, train

__all__ = ["choose", "train_family"]

_Told = tuple[str, int] | None
"""A model's name and the steps that it completed; `None` ends the stream."""


def choose(names: Sequence[str], *, seed: int | None) -> list[Recipe]:
    """The recipes of the named models, or of all when none is named; `seed` replaces their own.

    Raises:
        UsageError: for an unknown name.
    """
    for name in names:
        if name not in FAMILY:
            raise UsageError(f"{name!r}: there is no pocket model of this name: choose from {', '.join(FAMILY)}")
    recipes = [FAMILY[name] for name in dict.fromkeys(names or FAMILY)]
    return recipes if seed is None else [replace(recipe, seed=seed) for recipe in recipes]


def train_family(recipes: Sequence[Recipe], out: Path, *, jobs: int, progress: Progress = no_progress) -> list[Path]:
    """Train models and return their folders in `out`; a folder that was made by the same recipe is kept.

    Each model has its own process, `jobs` at a time, the longest training first. The processes end with this one.

    Raises:
        OutputError: when a folder has other content.
        OfftrajError: as `train` does.
    """
    missing = [recipe for recipe in recipes if not _is_there(out / recipe.name, recipe)]
    missing.sort(key=lambda recipe: recipe.hidden * recipe.trained_steps, reverse=True)
    if missing:
        context = get_context("spawn")
        told: Queue[_Told] = context.Queue()
        stop = context.Event()
        advances = {recipe.name: progress(f"train {recipe.name}", recipe.trained_steps) for recipe in missing}
        # A thread reads the messages of the processes, so that none waits for the progress bar.
        listener = Thread(target=_listen, args=(told, advances))
        listener.start()
        try:
            with ProcessPoolExecutor(jobs, context, _begin, (told, stop, os.getpid())) as pool:
                try:
                    for done in as_completed([pool.submit(_train, recipe, out / recipe.name) for recipe in missing]):
                        done.result()
                except BaseException:
                    stop.set()
                    pool.shutdown(cancel_futures=True)
                    raise
        finally:
            told.put(None)
            listener.join()
    return [out / recipe.name for recipe in recipes]


def _listen(told: Queue[_Told], advances: Mapping[str, OnProgress]) -> None:
    while (news := told.get()) is not None:
        name, steps = news
        advances[name](steps)


class _Link(NamedTuple):
    """What a training process shares with its parent."""

    told: Queue[_Told]
    stop: Event
    parent: int


_links: list[_Link] = []  # one entry in a training process, otherwise empty


def _begin(told: Queue[_Told], stop: Event, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    _links.append(_Link(told, stop, parent))


def _train(recipe: Recipe, out: Path) -> None:
    told, stop, parent = _links[0]

    def on_progress(steps: int) -> None:
        if stop.is_set() or os.getppid() != parent:
            raise KeyboardInterrupt
        told.put((recipe.name, steps))

    train(recipe, out, on_progress)


def _is_there(folder: Path, recipe: Recipe) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        made_by = json.loads((folder / RECORD).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{folder}: exists and is not a pocket model: choose another --out") from None
    if made_by != asdict(recipe):
        raise OutputError(f"{folder}: was trained by another recipe: remove it, or choose another --out")
    return True
