"""A spec becomes a data set: what it costs, what is sampled for it, and how it is put together."""

__all__: list[str] = []
