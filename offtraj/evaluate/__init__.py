"""A model, an engine and a data set become a run; a run is graded again."""

__all__: list[str] = []
