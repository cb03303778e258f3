"""Checking a data set: its files, its verdicts and its rows."""

from offtraj.checking.check import check
from offtraj.checking.checked import Checked, Problem

__all__ = ["Checked", "Problem", "check"]
