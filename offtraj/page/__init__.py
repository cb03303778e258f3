"""The page of a report: one HTML file that opens from disk, with its trajectories in files beside it."""

from offtraj.page.page import PageFiles, page_files, write_page

__all__ = ["PageFiles", "page_files", "write_page"]
