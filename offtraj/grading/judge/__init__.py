"""The LLM judge: its prompt, how its replies are read, and how far it can be trusted."""

__all__: list[str] = []
