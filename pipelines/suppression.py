"""Which further cells must go so that a hidden cell cannot be worked out from the rest.

A table is cells and relations `total = sum of parts`. The attacker knows every published cell,
every relation with its offset (who is in two parts or in none), and that nothing is negative.
Exact arithmetic throughout: integers and fractions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from math import inf
from typing import Final

Cells = frozenset[str]
Interval = tuple[int | float, int | float]

SEARCH_STEPS: Final = 512
"""Sets tried in order of loss before the search turns greedy: all of 8 parks and a district."""

PROPAGATION_ROUNDS: Final = 100
"""Integer bounds only ever shrink; beyond this an attacker gains no exact value in practice."""


@dataclass(frozen=True, slots=True)
class Relation:
    """`total` is the sum of `parts` plus a known offset."""

    total: str
    parts: tuple[str, ...]

    @property
    def coefficients(self) -> dict[str, int]:
        """Total less parts."""
        return {self.total: 1, **dict.fromkeys(self.parts, -1)}


def derivable(relations: Iterable[Relation], hidden: Cells) -> Cells:
    """The hidden cells that follow from the published ones by adding and subtracting alone.

    Gauss-Jordan elimination over the hidden cells: a row left with one unknown gives it away.
    """
    rows = [
        {cell: Fraction(sign) for cell, sign in relation.coefficients.items() if cell in hidden}
        for relation in relations
    ]
    reduced: list[dict[str, Fraction]] = []
    while rows:
        row = rows.pop()
        if not row:
            continue
        pivot = min(row)
        row = {cell: value / row[pivot] for cell, value in row.items()}
        rows = [_eliminated(other, row, pivot) for other in rows]
        reduced = [_eliminated(other, row, pivot) for other in reduced]
        reduced.append(row)
    return frozenset(next(iter(row)) for row in reduced if len(row) == 1)


def _eliminated(
    row: dict[str, Fraction], by: dict[str, Fraction], pivot: str
) -> dict[str, Fraction]:
    factor = row.get(pivot)
    if factor is None:
        return row
    summed = {
        cell: row.get(cell, Fraction(0)) - factor * by.get(cell, Fraction(0)) for cell in row | by
    }
    return {cell: value for cell, value in summed.items() if value}  # fmt: skip


def bounds(
    values: Mapping[str, int], relations: Sequence[Relation], hidden: Cells
) -> dict[str, Interval]:
    """What non-negativity and the relations leave possible for each hidden cell."""
    known: dict[str, Interval] = {
        cell: (0, inf) if cell in hidden else (value, value) for cell, value in values.items()
    }
    offsets = [_offset(values, relation) for relation in relations]
    for _ in range(PROPAGATION_ROUNDS):
        before = dict(known)
        for relation, offset in zip(relations, offsets, strict=True):
            _tighten(known, relation, offset)
        if known == before:
            break
    return {cell: known[cell] for cell in hidden if cell in known}


def _offset(values: Mapping[str, int], relation: Relation) -> int:
    return sum(sign * values[cell] for cell, sign in relation.coefficients.items())


def _tighten(known: dict[str, Interval], relation: Relation, offset: int) -> None:
    """Each cell lies within what the others of its relation leave it."""
    signs = relation.coefficients
    for cell, sign in signs.items():
        others = [
            tuple(sorted((s * known[c][0], s * known[c][1]))) for c, s in signs.items() if c != cell
        ]
        ends = sorted(sign * (offset - sum(end[i] for end in others)) for i in (0, 1))
        known[cell] = (max(known[cell][0], ends[0]), min(known[cell][1], ends[1]))


def exposed(
    tables: Iterable[Mapping[str, int]], relations: Sequence[Relation], hidden: Cells
) -> Cells:
    """The hidden cells that are exactly known in one of the `tables`, which share the relations."""
    found = derivable(relations, hidden)
    for values in tables:
        ranges = bounds(values, relations, hidden)
        found |= {cell for cell, (low, high) in ranges.items() if low == high}
    return found


def complete(primary: Cells, loss: Mapping[str, int], is_safe: Callable[[Cells], bool]) -> Cells:
    """The secondary cells that make `primary` safe at the smallest summed loss.

    `loss` names the cells that may be hidden. Ties go to fewer cells, then to the names first in
    order. Beyond SEARCH_STEPS sets the choice is greedy, then pruned: safe, perhaps not least.
    If nothing makes it safe, every cell is hidden.
    """
    for chosen in _by_loss(primary, loss):
        if is_safe(primary | chosen):
            return chosen
    return _greedy(primary, loss, is_safe)  # fmt: skip


def _by_loss(primary: Cells, loss: Mapping[str, int]) -> Iterator[Cells]:
    """Sets of candidates in order of summed loss, at most SEARCH_STEPS of them."""
    names = sorted(loss.keys() - primary, key=lambda cell: (loss[cell], cell))
    heap: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    for _ in range(SEARCH_STEPS):
        if not heap:
            return
        total, size, places = heappop(heap)
        yield frozenset(names[i] for i in places)
        for i in range(places[-1] + 1 if places else 0, len(names)):
            heappush(heap, (total + loss[names[i]], size + 1, (*places, i)))


def _greedy(primary: Cells, loss: Mapping[str, int], is_safe: Callable[[Cells], bool]) -> Cells:
    names = sorted(loss.keys() - primary, key=lambda cell: (loss[cell], cell))
    chosen: list[str] = []
    for name in names:
        if is_safe(primary | frozenset(chosen)):
            break
        chosen.append(name)
    if not is_safe(primary | frozenset(chosen)):
        return frozenset(chosen)
    kept = frozenset(chosen)
    for name in reversed(chosen):
        if is_safe(primary | kept - {name}):
            kept -= {name}
    return kept
