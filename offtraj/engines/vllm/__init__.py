"""A vLLM server that a command starts, supervises and stops."""

__all__: list[str] = []
