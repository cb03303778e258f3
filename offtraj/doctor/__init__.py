"""Whether a model sees exactly what is sent: probes of its template, its tokenizer and its engine."""

from offtraj.doctor.doctor import examine
from offtraj.doctor.finding import Diagnosis, Finding, State

__all__ = ["Diagnosis", "Finding", "State", "examine"]
