"""The LLM judge: its prompt, the reading of its replies, and the audit of its reliability."""

__all__: list[str] = []
