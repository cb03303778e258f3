"""From outcomes to numbers: scores, intervals, comparisons, token usage. Pure functions."""

__all__: list[str] = []
