"""Pocket reasoners: real language models of about a million parameters, their problems and their training."""

from offtraj.pocket.recipe import FAMILY, Recipe

__all__ = ["FAMILY", "Recipe"]
