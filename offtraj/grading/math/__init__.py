"""Mathematics: extraction of answers, and the rule that compares them with the gold answer."""

__all__: list[str] = []
