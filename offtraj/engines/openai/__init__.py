"""An OpenAI-compatible server as an engine: what is sent, what is retried, and how much at once."""

__all__: list[str] = []
