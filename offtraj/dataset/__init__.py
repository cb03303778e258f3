"""A data set folder: manifest, Parquet shards, and the tables beside the steered sets."""

__all__: list[str] = []
