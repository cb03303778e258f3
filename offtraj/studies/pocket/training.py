"""Training a pocket model on one core: from a recipe to a folder that transformers and vLLM load."""

from __future__ import annotations

import csv
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from offtraj._util.atomic import new_folder
from offtraj._util.digest import file_sha256
from offtraj._util.progress import OnProgress, no_steps
from offtraj.errors import OutputError, UsageError, import_extra
from offtraj.studies.pocket.examples import Batch, Examples
from offtraj.studies.pocket.recipe import Recipe
from offtraj.studies.pocket.tokenizer import make_tokenizer

__all__ = ["RECORD", "train"]

RECORD = "training/record.json"
_MATRICES, _REST = 0.01, 2e-3  # learning rates of Muon and AdamW
_WARM_UP = 50  # steps
_DECAY = 0.3  # final share of the steps, over which the learning rates fall to 2 %
_KEEP_EVERY = 100  # steps between saved states
_PURPOSE = "training a pocket model"
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors")


@dataclass
class _State:
    """Model, optimizers and losses at a step."""

    model: Any
    optimizers: Sequence[Any]
    losses: list[float]
    seconds: float = 0.0

    @property
    def step(self) -> int:
        return len(self.losses)


def train(recipe: Recipe, out: Path, on_progress: OnProgress = no_steps) -> Path:
    """Train a model and return its folder: weights in bfloat16, tokenizer, and the record of the training.

    Training uses one core, so the same machine and libraries give the same weights, bit for bit. An interrupted
    training resumes from its last saved state, at most 100 steps back, and ends in the same weights.

    Args:
        recipe: What to train.
        out: The model's folder; states are saved next to it until training ends.
        on_progress: Called with the number of steps completed since the last call.

    Raises:
        MissingExtraError: without the `train` extra.
        UsageError: when the saved state next to `out` is of another recipe.
        OutputError: when the folder cannot be written.
    """
    torch = import_extra("torch", extra="train", purpose=_PURPOSE)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = make_tokenizer(recipe.template)
    kept = out.parent / f".{out.name}.state"
    state = _start(recipe, tokenizer)
    _restore(state, recipe, kept)
    on_progress(state.step)
    started = time.monotonic() - state.seconds
    for batch in Examples(recipe, tokenizer).batches(state.step):
        if state.step >= recipe.trained_steps:
            break
        _step(state, batch, _rate(recipe, state.step))
        state.seconds = time.monotonic() - started
        on_progress(1)
        if state.step % _KEEP_EVERY == 0:
            _keep(state, recipe, kept)
    with new_folder(out) as folder:
        _export(folder, recipe, tokenizer, state)
    kept.unlink(missing_ok=True)
    return out


def _start(recipe: Recipe, tokenizer: Any) -> _State:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(recipe.seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=3 * recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.hidden // 32,
        num_key_value_heads=2 if recipe.hidden % 64 == 0 and recipe.hidden > 64 else 1,
        head_dim=32,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen3ForCausalLM(config)
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
    optimizers = (
        torch.optim.Muon(matrices, lr=_MATRICES, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=_REST, weight_decay=0.0, betas=(0.9, 0.95)),
    )
    return _State(model, optimizers, [])


def _rate(recipe: Recipe, step: int) -> float:
    """The factor of the learning rates at a step, from 0 to 1: warm-up, constant, linear decay."""
    level_until = round(recipe.steps * (1 - _DECAY))
    if step < level_until:
        return min(1.0, (step + 1) / _WARM_UP)
    return max(0.02, (recipe.steps - step) / (recipe.steps - level_until))


def _step(state: _State, batch: Batch, rate: float) -> None:
    from torch.nn.functional import cross_entropy

    logits = state.model(input_ids=batch.ids).logits[:, :-1]
    loss = cross_entropy(logits.reshape(-1, logits.shape[-1]), batch.labels[:, 1:].reshape(-1))
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer, full in zip(state.optimizers, (_MATRICES, _REST), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * rate
        optimizer.step()
        optimizer.zero_grad()
    state.losses.append(loss.item())


def _keep(state: _State, recipe: Recipe, path: Path) -> None:
    import torch

    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "recipe": asdict(recipe),
                "model": state.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
                "losses": state.losses,
                "seconds": state.seconds,
            },
            new,
        )
        os.replace(new, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}: choose another --out", exit_code=1) from error


def _restore(state: _State, recipe: Recipe, path: Path) -> None:
    import torch

    if not path.exists():
        return
    try:
        kept = torch.load(path, weights_only=True)
    except Exception as error:  # unpickling raises any exception
        raise UsageError(
            f"{path}: not a saved training state: remove it to train {recipe.name!r} from the start"
        ) from error
    if kept["recipe"] != asdict(recipe):
        raise UsageError(f"{path}: a saved state of another recipe: remove it to train {recipe.name!r} from the start")
    state.model.load_state_dict(kept["model"])
    for optimizer, values in zip(state.optimizers, kept["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    state.losses, state.seconds = kept["losses"], kept["seconds"]


def _export(folder: Path, recipe: Recipe, tokenizer: Any, state: _State) -> None:
    import torch
    from transformers import GenerationConfig

    model = state.model.to(torch.bfloat16)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config = GenerationConfig(**ends)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
    training = folder / "training"
    training.mkdir()
    _write_losses(training, recipe, state.losses)
    (folder / RECORD).write_text(json.dumps(_record(recipe, state, files), indent=2) + "\n", encoding="utf-8")


def _record(recipe: Recipe, state: _State, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "seconds": round(state.seconds),
        "final_loss": round(sum(state.losses[-100:]) / len(state.losses[-100:]), 4),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "sha256": dict(files),
    }


def _write_losses(folder: Path, recipe: Recipe, losses: Sequence[float]) -> None:
    """Write the loss curve as CSV and SVG, averaged over 25 steps a point."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    points = [
        (min(at + 25, len(losses)), sum(losses[at : at + 25]) / len(losses[at : at + 25]))
        for at in range(0, len(losses), 25)
    ]
    with (folder / "loss.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("step", "loss"))
        writer.writerows((step, f"{loss:.4f}") for step, loss in points)
    with mpl.rc_context({"svg.hashsalt": recipe.name, "svg.fonttype": "none"}):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*points, strict=True))
        axes.set(
            yscale="log", xlabel="step", ylabel="loss per learned token (nats)", title=f"Training of {recipe.name}"
        )
        figure.savefig(folder / "loss.svg", metadata={"Date": None})
