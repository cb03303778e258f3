"""The protocol: which questions qualify, how trajectories are cut, and which rows the tests compose from them."""

__all__: list[str] = []
