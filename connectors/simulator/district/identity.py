"""Which listings are one device: by the strongest key that two of them share (decision 35)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from connectors.simulator.district.rows import Terminal

T = TypeVar("T")

KINDS: Final = ("product_instance_uri", "serial", "mac", "asset")
"""Strongest first."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One device: its listings by platform and terminal id, and the key that it goes by."""

    unit_id: str
    listings: tuple[Terminal, ...]

    def first(self, said: Callable[[Terminal], T | None]) -> T | None:
        """What the first listing that says it says."""
        return next((v for v in map(said, self.listings) if v is not None), None)


def keys(listing: Terminal) -> tuple[str | None, ...]:
    """The keys of a listing in the order of `KINDS`, None where it lacks one."""
    serial, asset = None, None
    if listing.manufacturer is not None and listing.serial_number is not None:
        serial = f"{listing.manufacturer}|{listing.serial_number}"
    if listing.asset_id is not None and listing.uscc is not None:
        asset = f"{listing.asset_id}|{listing.uscc}"
    return listing.product_instance_uri, serial, listing.mac, asset


def is_linked(one: Terminal, other: Terminal) -> bool:
    """Whether the strongest key that both have is the same."""
    for mine, theirs in zip(keys(one), keys(other), strict=True):
        if mine is not None and theirs is not None:
            return mine == theirs
    return False


def units_of(listings: Iterable[Terminal]) -> tuple[list[Unit], list[Terminal]]:
    """The devices that the listings are, and the listings of which nobody can say whose they are.

    Where a chain joins several values of its strongest key, the listings with that key are taken
    out: each piece of the rest that touches one value belongs to it, a piece that touches several
    is ambiguous.
    """
    units: list[Unit] = []
    ambiguous: list[Terminal] = []
    for chain in _pieces(list(listings)):
        place = _strongest(chain)
        if place is None:
            units += [_unit(f"{t.platform}/{t.terminal_id}", [t]) for t in chain]
            continue
        by_value: dict[str, list[Terminal]] = {}
        for listing in chain:
            value = keys(listing)[place]
            if value is not None:
                by_value.setdefault(value, []).append(listing)
        for piece in _pieces([t for t in chain if keys(t)[place] is None]):
            touched = {
                v
                for v, held in by_value.items()
                if any(is_linked(a, b) for a in piece for b in held)
            }
            if len(touched) == 1:
                by_value[touched.pop()] += piece
            else:
                ambiguous += piece
        units += [_unit(f"{KINDS[place]}={value}", held) for value, held in by_value.items()]
    return units, ambiguous


def _unit(unit_id: str, listings: Sequence[Terminal]) -> Unit:
    return Unit(unit_id, tuple(sorted(listings, key=lambda t: (t.platform, t.terminal_id))))


def _strongest(chain: Sequence[Terminal]) -> int | None:
    held = [place for t in chain for place, key in enumerate(keys(t)) if key is not None]
    return min(held, default=None)


def _pieces(listings: Sequence[Terminal]) -> list[list[Terminal]]:
    """Listings by the chains that links make of them."""
    holders: dict[tuple[int, str], list[int]] = {}
    for number, listing in enumerate(listings):
        for place, key in enumerate(keys(listing)):
            if key is not None:
                holders.setdefault((place, key), []).append(number)
    left = set(range(len(listings)))
    pieces: list[list[Terminal]] = []
    for start in range(len(listings)):
        if start not in left:
            continue
        left.discard(start)
        piece, waiting = [], [start]
        while waiting:
            number = waiting.pop()
            piece.append(listings[number])
            for place, key in enumerate(keys(listings[number])):
                for other in () if key is None else holders[place, key]:
                    if other in left and is_linked(listings[number], listings[other]):
                        left.discard(other)
                        waiting.append(other)
        pieces.append(piece)
    return pieces
