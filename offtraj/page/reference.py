"""The paper's models, as points to hold a run against (paper, Table 1)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Reference", "reference_points"]


class Reference(NamedTuple):
    """A model of the paper. In percent."""

    model: str
    alone: float
    """Average Pass@1 over the domain's benchmarks."""
    shared: float
    """Recoverability on the shared subset."""
    individual: float
    """Recoverability on the individual subset."""


def reference_points(domain: str) -> tuple[Reference, ...]:
    """The paper's models in a domain, `math` or `code`; none in another."""
    return _POINTS.get(domain, ())


_POINTS = {
    "math": (
        Reference("R1-Qwen-1.5B", 47.5, 60.6, 38.6),
        Reference("R1-Llama-8B", 54.1, 81.4, 49.6),
        Reference("DeepMath-1.5B", 54.8, 88.0, 61.8),
        Reference("DeepScaleR-1.5B", 55.3, 82.4, 52.9),
        Reference("OpenThinker3-1.5B", 59.2, 95.2, 71.8),
        Reference("Qwen3-1.7B", 59.9, 98.4, 74.6),
        Reference("R1-Qwen-7B", 64.6, 73.5, 45.8),
        Reference("LIMO-32B", 67.3, 29.3, 18.5),
        Reference("OpenThinker3-7B", 72.1, 85.6, 74.5),
        Reference("R1-Qwen-32B", 72.3, 69.8, 45.6),
        Reference("Qwen3-8B", 79.1, 85.9, 68.8),
        Reference("QwQ-32B", 80.5, 79.7, 62.6),
        Reference("Qwen3-32B", 81.0, 71.8, 56.9),
        Reference("Qwen3-30B-A3B", 81.1, 87.8, 60.0),
        Reference("AM-Thinking-32B", 82.6, 33.4, 25.3),
    ),
    "code": (
        Reference("R1-Qwen-1.5B", 53.3, 40.6, 28.7),
        Reference("OpenThinker-1.5B", 53.4, 78.2, 53.2),
        Reference("DeepScaleR-1.5B", 58.8, 65.1, 46.2),
        Reference("DeepMath-1.5B", 59.8, 74.6, 56.3),
        Reference("Qwen3-1.7B", 74.7, 77.4, 61.4),
        Reference("R1-Llama-8B", 76.0, 56.1, 46.2),
        Reference("R1-Qwen-7B", 77.7, 54.5, 37.4),
        Reference("OpenThinker-7B", 80.1, 74.9, 68.2),
        Reference("Qwen3-8B", 87.4, 67.6, 60.9),
        Reference("Qwen3-32B", 87.8, 46.8, 30.8),
        Reference("Qwen3-30B", 89.0, 59.6, 47.7),
        Reference("R1-Qwen-32B", 89.7, 40.7, 34.8),
        Reference("AM-Thinking-32B", 89.7, 43.0, 40.7),
        Reference("QwQ-32B", 90.5, 47.9, 44.2),
    ),
}
