"""Scores of runs as tables, exports and a page, and compared with the paper."""

__all__: list[str] = []
