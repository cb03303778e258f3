"""Questions, solo samples, steered rows and their outcomes: what is sampled and graded."""

__all__: list[str] = []
