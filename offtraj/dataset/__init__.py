"""A data set folder: manifest, Parquet shards, questions and trajectories."""

__all__: list[str] = []
