"""Engines turn requests into completions: one protocol, several kinds."""

__all__: list[str] = []
