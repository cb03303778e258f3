"""Engines: what turns requests into completions. One small protocol, several kinds."""

__all__: list[str] = []
