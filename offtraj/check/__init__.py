"""Checking a data set against itself: files, verdicts, and rows rebuilt from its own trajectories."""

__all__: list[str] = []
