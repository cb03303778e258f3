"""A vLLM server that a run starts, watches and ends."""

__all__: list[str] = []
