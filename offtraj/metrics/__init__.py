"""Numbers computed from outcomes: scores, intervals, comparisons, token usage. Pure functions."""

__all__: list[str] = []
