"""Generators of machine data unlike the fleet's, to develop and to examine the detector on.

Each is written from knowledge of its trade, not after a data set: a water rig (`rig`), a waterworks
(`waterworks`), a chemical process (`chemical`), spacecraft channels (`spacecraft`).

Seeds: a detector is developed, tuned and tested on DEVELOPMENT alone. HELD_OUT is for the figures
that are published, run once when the work is done; nothing is changed after looking at them.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from benchmarks.plants.parts import FAULTS, Plant

__all__ = ["DEVELOPMENT", "FAULTS", "HELD_OUT", "PLANTS", "Plant", "cases"]

DEVELOPMENT: Final = tuple(range(1, 10))
HELD_OUT: Final = tuple(range(101, 110))
PLANTS: Final = ("rig", "waterworks", "chemical", "spacecraft")


def cases(name: str, seed: int) -> Iterator[Plant]:
    """The cases of one kind of plant (a name of PLANTS), the same for the same seed."""
    found: Iterator[Plant] = import_module(f"benchmarks.plants.{name}").cases(seed)
    return found
