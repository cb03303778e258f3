"""The protocol: which questions qualify, how steers are made, which rows a spec and its samples give."""

from offtraj_builders.gather import Gathered, Selection, gather, select, takes_part
from offtraj_builders.material import Material
from offtraj_builders.selection import Tally
from offtraj_builders.steered_sets import SteeredSet, steered_sets

__all__ = ["Gathered", "Material", "Selection", "SteeredSet", "Tally", "gather", "select", "steered_sets", "takes_part"]
