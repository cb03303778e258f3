"""What runs add up to: tables, exports, the paper's numbers, and a page."""

__all__: list[str] = []
