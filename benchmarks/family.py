"""Scores of the pocket models: the tables of `docs/pocket.md`, and the model cards.

Runs `offtraj quickstart --all` for each folder of models: the family's own, and any whose dose series was trained
with another seed (`offtraj train fragile dose-low dose-middle sturdy --seed 1 --out DIR`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from offtraj.dataset.manifest import read_manifest
from offtraj.evaluate.run_folder import read_run
from offtraj.spec import load_spec
from offtraj.studies.pocket.card import Measured, measure, write_card

QUICKSTART = Path(__file__).resolve().parents[1] / "specs" / "quickstart"


def measured(models: Path, out: Path) -> dict[str, Measured]:
    """Build and run the family's spec with these models; what was run before is taken from `out`."""
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OFFTRAJ_POCKET": str(models.resolve())}
    command = [sys.executable, "-m", "offtraj", "quickstart", "--all"]
    subprocess.run(command, cwd=out, env=environment, stdout=subprocess.DEVNULL, check=True)
    (data,) = (out / "data").iterdir()
    manifest, sampling = read_manifest(data), load_spec(QUICKSTART / "family.yaml").spec.sampling
    return {
        name: measure(
            sampling, manifest.models[name].solve_rates, read_run(out / "runs" / f"{data.name}--{name}").scores.cells
        )
        for name in manifest.models
    }


def table(figures: dict[str, Measured]) -> None:
    """Print a Markdown table: a line for each member and figure."""
    columns = next(iter(figures.values())).columns
    print(f"| member | what | {' | '.join(columns)} |")
    print(f"| --- | --- | {' | '.join('---:' for _ in columns)} |")
    for name, figure in figures.items():
        for what, values in figure.lines:
            print(f"| {name} | {what} | {' | '.join(values)} |")
    print()
    for name, figure in figures.items():
        between = sum(n for rate, n in figure.solve_rates.items() if not rate.startswith("0/") and rate != "8/8")
        print(f"{name}: {between} of {figure.questions} questions solved once to seven times of eight")


def main() -> None:
    """Measure, print, and write the cards where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="folders of models  [default: the family's own]")
    parser.add_argument("--out", type=Path, default=Path("family"), help="where data and runs go")
    parser.add_argument("--cards", action="store_true", help="write the model cards of the family's own")
    arguments = parser.parse_args()
    own = QUICKSTART / "models"
    for models in arguments.models or [own]:
        figures = measured(models, arguments.out / models.name)
        print(f"\n## {models}\n")
        table(figures)
        if arguments.cards and models.resolve() == own.resolve():
            for name, figure in figures.items():
                write_card(own / name, figure)


if __name__ == "__main__":
    main()
