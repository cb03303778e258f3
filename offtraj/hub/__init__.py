"""The Hugging Face Hub: cards, publication, registration as a benchmark, evaluation results."""

__all__: list[str] = []
