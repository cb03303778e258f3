"""A small benchmark on a server whose every sample can be told from the others, so that what was asked, what was
kept and what came of it can be held against each other, however the way there was disturbed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from offtraj._util.digest import content_id
from support.factories import write_small_benchmark
from support.models import make_tokenizer
from support.proxy import Exchange

__all__ = ["BUILD", "COMMAND", "RUN", "answering", "asked", "results", "stored", "write_disturbed"]

SPEC = """\
name: small
version: 1.0.0
benchmarks:
  - {id: sums, source: {file: questions.jsonl}}
engines:
  tape: {kind: recorded, files: [traces.jsonl]}
  server: {kind: openai, base_url: "${SERVER}", OPTIONS}
models:
  - {id: weak, path: tiny-r1, engine: server}
  - {id: other, engine: tape, recorded_as: Other, tokenizer: words}
guides:
  - {id: guide, engine: tape, recorded_as: Guide, tokenizer: words}
sampling: {samples: 4}
tests:
  recoverability: {positions: [0, 0.4, 0.8], variants: [default, cross-model], distractors: 3, trajectories: 6, samples: 2}
  guidability: {max_solve_rate: 0.25, ratios: [0.4, 0.8]}
"""
COMMAND = (sys.executable, "-m", "offtraj")
BUILD = ("build", "spec.yaml")
RUN = ("run", "spec.yaml", "--model", "weak")


def write_disturbed(folder: Path, model: Path, *, questions: int = 30, **options: object) -> Path:
    """The spec, what it reads, and a copy of the model; `options` are the server's, `${SERVER}` its address."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model, folder / "tiny-r1")
    spec = write_small_benchmark(folder, questions=questions)
    spec.write_text(SPEC.replace("OPTIONS", ", ".join(f"{name}: {value}" for name, value in options.items())))
    return spec


def answering() -> Callable[[list[int], int], str]:
    """What the server writes: a note that only this sample has, and mostly the right answer."""
    tokenizer = make_tokenizer("r1")

    def answer(ids: list[int], seed: int) -> str:
        found = re.search(r"What is (\d+) \+ 1\?", tokenizer.decode(ids))
        assert found is not None
        number, note = int(found[1]) // 10, _note(ids, seed)
        chance = int(note, 16) % 8
        solved = chance == 0 if number % 5 == 0 else chance > 0
        steps = " ".join(f"Step {step} of q{number} adds {step} apples." for step in range(1, 6 + chance))
        given = 10 * number + 1 if solved else 999
        return (
            f"Okay, this is about q{number}, note {note}.\n\n{steps} So it is {given}.\n</think>\n\n"
            f"The answer is \\boxed{{{given}}}."
        )

    return answer


def _note(ids: Sequence[int], seed: int) -> str:
    return content_id(list(ids), seed)[:16]


def asked(exchange: Exchange) -> list[str]:
    """The notes of the samples that a request is for; none where it was cut before it was read."""
    body = exchange.body
    return [] if body is None else [_note(body["prompt"], body["seed"] + index) for index in range(body.get("n", 1))]


def stored(folder: Path) -> frozenset[str]:
    """The notes of the completions that the workspace holds; it is looked at in a copy, as it was left."""
    with tempfile.TemporaryDirectory() as name:
        for path in (folder / ".offtraj").glob("store.sqlite*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, name)
        if not (Path(name) / "store.sqlite").exists():
            return frozenset()
        db = sqlite3.connect(Path(name) / "store.sqlite")
        try:
            there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'completions'").fetchone()
            texts = db.execute("SELECT text FROM completions").fetchall() if there else []
        finally:
            db.close()
    return frozenset(note for (text,) in texts for note in re.findall(r"note ([0-9a-f]{16})", text))


def results(folder: Path) -> dict[str, Any]:
    """Digests of all that the commands made: every file, and a run's provenance without the time it took."""
    found: dict[str, Any] = {}
    for path in sorted(path for part in ("data", "runs") for path in (folder / part).rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if (
            path.name == "run.json"
        ):  # without what it took, where the model was, and what the server said if asked at all
            info = json.loads(path.read_text().replace(str(folder.resolve()), "."))
            del info["timing"]
            info["engine"] = {name: info["engine"][name] for name in ("kind", "identity", "mode")}
            found[name] = info
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
