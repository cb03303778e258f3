"""Twin tests for reasoning models on trajectories that someone else has touched."""

__version__ = "0.1.0"
