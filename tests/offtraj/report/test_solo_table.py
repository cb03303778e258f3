"""Solo scores of a data set: one definition, the mean over benchmarks."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from support.factories import SPEC, write_small_benchmark

from offtraj.dataset.folder import DataFolder, open_folder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.metrics.solo import score_solo
from offtraj.report.solo_table import solo_table


def build(folder: Path) -> DataFolder:
    """The small benchmark, with its last question as a benchmark of its own."""
    spec = write_small_benchmark(folder)
    *most, last = (folder / "questions.jsonl").read_text().splitlines()
    (folder / "questions.jsonl").write_text("".join(f"{line}\n" for line in most))
    (folder / "more.jsonl").write_text(f"{last}\n")
    spec.write_text(SPEC.replace("engines:\n", "  - {id: more, source: {file: more.jsonl}}\nengines:\n", 1))
    command = [sys.executable, "-m", "offtraj", "build", str(spec), "--out", "data"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return open_folder(str(folder / "data"))


def text_of(data: DataFolder) -> str:
    output = io.StringIO()
    Console(file=output, width=300).print(solo_table(data))
    return output.getvalue()


def test_the_score_is_the_mean_over_benchmarks_and_not_pooled(tmp_path: Path) -> None:
    data, different = build(tmp_path), False
    for name, entry in data.manifest.models.items():
        rates = solve_rates(data, name, [entry.revision])
        assert rates is not None and set(rates) == {"sums", "more"}
        score = score_solo(rates)
        assert score is not None and not score.is_small
        (line,) = (line for line in text_of(data).splitlines() if line.split()[:1] == [name])
        assert line.split()[1] == f"{100 * score.score:.1f}"
        different |= score.score != score_solo({"": entry.solve_rates}).score  # type: ignore[union-attr]
    assert different, "this data set cannot tell the two definitions apart"
    assert "pooled" not in text_of(data)


def test_counts_over_all_benchmarks_are_labelled_as_pooled(tmp_path: Path) -> None:
    data = build(tmp_path)
    models = {
        name: entry.model_copy(update={"revision": "another", "solve_rates": {"4/4": 6, "0/4": 6}})
        for name, entry in data.manifest.models.items()
    }
    strange = replace(data, manifest=data.manifest.model_copy(update={"models": {**models, "unknown": models["weak"]}}))
    (line,) = (line for line in text_of(strange).splitlines() if line.split()[:1] == ["unknown"])
    assert line.split()[1] == "50.0" and "pooled" in line
    assert "pooled: share of correct samples over all benchmarks" in " ".join(text_of(strange).split())
