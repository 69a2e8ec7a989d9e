"""Listings that share keys, as the units they are: worked out once for all days that have the same.

Which of them are valid changes on few days; between two such days nothing of this does.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud import identity
from pipelines.cloud.owed import EVERYWHERE, NOBODY
from pipelines.versions import holds

FACTS: Final = ["kind", "network", "machine_id", "points"]
"""What the first listing that says it says of a unit, beside its owner."""


class Units(NamedTuple):
    """Units as listings valid at one time tell of them, and those listings.

    `members`: `place number activated_on retired_on`; `units`: `number unit uscc parks
    is_ambiguous` and FACTS.
    """

    members: pl.DataFrame
    units: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Tangled:
    """Versions of listings of which each shares a key with another, and what was made of them."""

    versions: pl.DataFrame
    edges: list[date]
    """Days on which what is valid changes."""
    made: dict[int, Units] = field(default_factory=dict)

    def on(self, day: date) -> Units:
        """The units of a day."""
        spell = bisect_right(self.edges, day)
        if spell not in self.made:
            self.made[spell] = _units(self.versions.filter(holds(day)))
        return self.made[spell]


def tangled(versions: pl.DataFrame) -> Tangled:
    """From TERMINALS with `place`, null owners and parks already empty."""
    edges = pl.concat([versions["valid_from"], versions["valid_to"]]).drop_nulls().unique().sort()
    return Tangled(versions, edges.to_list())


def _units(valid: pl.DataFrame) -> Units:
    names = identity.units(valid.with_columns(pl.col("uscc").replace({NOBODY: None})))
    ordered = valid.join(names, on=identity.LISTING, nulls_equal=True).sort(identity.LISTING)
    said = [pl.col(name).drop_nulls().first() for name in FACTS]
    owner = pl.col("uscc").filter(pl.col("uscc") != NOBODY).first().fill_null(NOBODY)
    parks = pl.col("park_id").filter(pl.col("park_id") != EVERYWHERE).unique().sort()
    found = (
        ordered.group_by("unit_id", maintain_order=True)
        .agg(owner, *said, parks.str.join("+").alias("parks"), pl.col("is_ambiguous").any())
        .with_row_index("number")
        .rename({"unit_id": "unit"})
    )
    numbers = found.select("number", unit_id="unit")
    members = ordered.join(numbers, on="unit_id", maintain_order="left")
    return Units(members.select("place", "number", "activated_on", "retired_on"), found)
