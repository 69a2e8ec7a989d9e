"""The schematic map: places from coordinates, outlines of parks from the sites within them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import Final

KM_PER_DEGREE: Final = 111.195
"""Of a meridian of a sphere of 6371 km radius."""
AIR: Final = 0.07
"""Share of the map left free on each side."""

Place = tuple[float, float]
"""Longitude and latitude, or x and y as shares of a map (y from its top)."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Coordinates onto a sheet `aspect` times as wide as high, north above, scales alike."""

    west: float
    north: float
    degree: float
    """Shares of the width that a degree of longitude takes."""
    shrink: float
    """How much longer a degree of latitude is than one of longitude."""
    aspect: float

    def at(self, place: Place) -> Place:
        """X and y as shares of width and height."""
        x = (place[0] - self.west) * self.degree
        y = (self.north - place[1]) * self.degree * self.shrink * self.aspect
        return x, y

    def kilometres(self) -> float:
        """How wide the sheet is."""
        return KM_PER_DEGREE / self.shrink / self.degree


def sheet(places: Sequence[Place], aspect: float) -> Sheet:
    """The sheet that holds these places in its middle."""
    longitudes, latitudes = ([place[i] for place in places] for i in (0, 1))
    west, east, south, north = (
        min(longitudes), max(longitudes), min(latitudes), max(latitudes),
    )  # fmt: skip
    shrink = 1 / max(cos(radians((south + north) / 2)), 0.01)
    wide = max(east - west, (north - south) * shrink * aspect, 1e-4) / (1 - 2 * AIR)
    high = wide / aspect / shrink
    return Sheet((west + east - wide) / 2, (south + north + high) / 2, 1 / wide, shrink, aspect)


def hull(places: Iterable[Place]) -> list[Place]:
    """The convex hull, anticlockwise (Andrew's monotone chain)."""
    ordered = sorted(set(places))
    if len(ordered) < 3:
        return ordered
    half = _chain(ordered)
    return half[:-1] + _chain(ordered[::-1])[:-1]


def _chain(ordered: Sequence[Place]) -> list[Place]:
    chain: list[Place] = []
    for place in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], place) <= 0:
            chain.pop()
        chain.append(place)
    return chain


def _turn(a: Place, b: Place, c: Place) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def outline(places: Iterable[Place], air: float) -> list[Place]:
    """The hull pushed out from its middle by `air`: no site lies on the edge of its park."""
    corners = hull(places)
    if not corners:
        return []
    x = sum(c[0] for c in corners) / len(corners)
    y = sum(c[1] for c in corners) / len(corners)
    if len(corners) < 3:
        return [(x + dx * air, y + dy * air) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return [_pushed(corner, (x, y), air) for corner in corners]


def _pushed(corner: Place, middle: Place, air: float) -> Place:
    dx, dy = corner[0] - middle[0], corner[1] - middle[1]
    far = hypot(dx, dy) or 1.0
    return corner[0] + dx / far * air, corner[1] + dy / far * air
