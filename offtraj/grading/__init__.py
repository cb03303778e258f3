"""Whether an answer is right: the rule of a domain, an LLM judge where it cannot tell, and the verdict."""

__all__: list[str] = []
