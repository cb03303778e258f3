"""A model without its weights: tokenizer, template, delimiters, prompts, trajectories and completions."""

__all__: list[str] = []
