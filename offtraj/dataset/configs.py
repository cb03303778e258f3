"""Names of the configurations of a data set: steered sets (`TEST--MODEL`), trajectories and questions."""

from __future__ import annotations

from offtraj_builders.definitions import parse_set

__all__ = ["QUESTIONS", "is_known", "trajectories_config_name", "trajectories_model"]

QUESTIONS = "questions"
_TRAJECTORIES = "trajectories--"


def trajectories_config_name(model: str) -> str:
    """The name of the configuration that holds a model's solo trajectories."""
    return _TRAJECTORIES + model


def trajectories_model(config: str) -> str | None:
    """The model whose solo trajectories a configuration holds; `None` for other configurations."""
    return config.removeprefix(_TRAJECTORIES) if config.startswith(_TRAJECTORIES) else None


def is_known(config: str) -> bool:
    """Whether this version knows what a configuration holds; not so for tests of later versions."""
    return config == QUESTIONS or bool(trajectories_model(config)) or parse_set(config) is not None
