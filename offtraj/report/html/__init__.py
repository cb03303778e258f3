"""A report as a page that opens from disk: tables, figures and all trajectories."""

__all__: list[str] = []
