"""A report as a page that opens from disk: tables, figures, and every trajectory."""

__all__: list[str] = []
