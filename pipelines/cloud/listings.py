"""The register of terminals made ready for many days: numbers for names, and who is entangled."""

from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud.identity import LADDER, LISTING, keys, name
from pipelines.cloud.owed import EVERYWHERE, NOBODY
from pipelines.cloud.tangled import FACTS, Tangled, tangled

DATES: Final = ["activated_on", "retired_on", "valid_from", "valid_to"]


class Listings(NamedTuple):
    """Versions of listings: those that are a unit alone (named `unit`), those that share a key."""

    alone: pl.DataFrame
    tangled: Tangled
    terminal_ids: pl.Series
    owners: pl.Enum
    """USCCs in order; an owner's number is its place."""


def listings(terminals: pl.DataFrame) -> Listings:
    """TERMINALS by (platform, terminal id), `place` numbering the terminal id in `terminal_ids`."""
    ordered = terminals.sort(*LISTING, "valid_from")
    terminal_ids = ordered["terminal_id"].unique().sort()
    places = pl.DataFrame({"terminal_id": terminal_ids}).with_row_index("place")
    named = ordered.select(*LISTING, *keys())
    known = ordered.join(places, on="terminal_id", maintain_order="left").with_columns(
        uscc=pl.col("uscc").fill_null(NOBODY),
        park_id=pl.col("park_id").fill_null(EVERYWHERE),
        unit=named.select(name()).to_series(),
    )
    shared = _shared(named)
    owners = pl.Enum(known["uscc"].append(pl.Series([NOBODY])).unique().sort())
    alone = known.filter(~shared).select(
        "unit", "place", pl.col("uscc").cast(owners), "park_id", *FACTS, *DATES
    )
    return Listings(alone, tangled(known.filter(shared)), terminal_ids, owners)


def _shared(named: pl.DataFrame) -> pl.Series:
    """Whether any version of a row's listing has a key that another listing has too."""
    of = named.with_columns(listing=pl.struct(LISTING).rank("dense"))
    others = []
    for kind in LADDER:
        said = of.filter(pl.col(kind).is_not_null())
        repeated = said.filter(pl.col(kind).is_duplicated())
        several = (
            repeated.group_by(kind).agg("listing").filter(pl.col("listing").list.n_unique() > 1)
        )
        others.append(several["listing"].explode(empty_as_null=False, keep_nulls=False))
    return of["listing"].is_in(pl.concat(others).unique().implode())
