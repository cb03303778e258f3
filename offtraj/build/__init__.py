"""Building a data set from a spec: its cost, its inputs, and the folder."""

__all__: list[str] = []
