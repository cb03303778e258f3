"""The workspace: completions and verdicts in one file, and its maintenance."""

from offtraj.store.salvage import Salvaged
from offtraj.store.store import Origin, Store, StoredVerdict
from offtraj.store.upkeep import Choice, Inspection, Kept, Pruned, inspect, prune

__all__ = ["Choice", "Inspection", "Kept", "Origin", "Pruned", "Salvaged", "Store", "StoredVerdict", "inspect", "prune"]
