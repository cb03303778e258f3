"""Engines: what turns requests into completions. One small protocol, several kinds."""

from offtraj.sampling.engine import Engine, open_engine
from offtraj.sampling.sampler import sample

__all__ = ["Engine", "open_engine", "sample"]
