"""Twin tests for reasoning models on trajectories that someone else has touched."""

__all__ = ["__version__"]

__version__ = "0.1.0"
