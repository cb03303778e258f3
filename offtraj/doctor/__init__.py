"""Does a model see exactly what is sent? Probes of its template, its tokenizer and its engine."""

from offtraj.doctor.doctor import examine
from offtraj.doctor.finding import Diagnosis, Finding, State

__all__ = ["Diagnosis", "Finding", "State", "examine"]
