"""Pocket models: language models of about a million parameters that think before they answer."""

__all__: list[str] = []
