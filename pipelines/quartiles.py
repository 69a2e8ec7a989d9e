"""What peers are like, without naming them: quartiles by sector and size class.

Where too few are left, of the sector, then of all industry. What is told is checked against
whoever knows all values but one, over all cells that speak of it (docs/decisions/0041).
"""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.cloud.firms import ACTIVE, INDUSTRY
from pipelines.order_figures import CELL, QUARTERS, UNKNOWN, order_figures, ranges, ranked
from pipelines.park_figures import QUARTILES
from pipelines.versions import as_of

LEAST_GROUPS: Final = {("median",): 5, ("q1", "q3"): 8}
"""From so many on the windows around a quartile leave out the least and the greatest value."""

LEFT_STEPS: Final = 2
"""Who knows all others must be left with a range of so many steps of the figure: no value can be
told to within a step. Ours."""

EVERYBODY: Final = "all"
LEVELS: Final = {
    "sector_size": pl.col("sector") + "/" + pl.col("size_class"),
    "sector": pl.col("sector"),
    EVERYBODY: pl.lit(EVERYBODY),
}
"""Who peers are, the nearest first, and what their cell is called (null: in none)."""

ROW: Final = ["sector", "size_class", "figure"]

CONNECTIVITY: Final = "connectivity"


@cache
def figures() -> pl.DataFrame:
    """Figures that peers compare: `figure zh en unit step least most better note_zh note_en`."""
    source = files("pipelines").joinpath("portrait_figures.csv").read_bytes()
    bounds = dict.fromkeys(["step", "least", "most"], pl.Float64())
    return pl.read_csv(source, schema_overrides=bounds | {"unit": pl.String()})


def values(portraits: pl.DataFrame) -> pl.DataFrame:
    """`uscc sector size_class figure value` of what is known in PORTRAITS."""
    online = pl.when(pl.col("terminals") > 0).then(pl.col("terminals_online") / pl.col("terminals"))
    wide = portraits.with_columns(online.alias(CONNECTIVITY))
    names = figures().get_column("figure").to_list()
    key = ["uscc", "sector", "size_class"]
    long = wide.select(*key, *names).unpivot(names, index=key, variable_name="figure")
    return long.filter(pl.col("value").is_finite())


def quartiles(portraits: pl.DataFrame, enterprises: pl.DataFrame) -> pl.DataFrame:
    """QUARTILES of PORTRAITS (of one reference date), ENTERPRISES saying who is a peer of whom.

    Peers are industrial (sections B, C, D), 在营 and of the New City; each legal group speaks once.
    """
    dates = portraits.get_column("reference_date").unique()
    if dates.is_empty():
        return QUARTILES.to_frame()
    known = values(portraits).join(_peers(enterprises, dates.item()), on="uscc")
    wanted, parts, left = _wanted(portraits, known), [], _no_ranges()
    for level, cell in LEVELS.items():
        asked = wanted.with_columns(cell=cell)
        spoken = ranked(known.with_columns(cell=cell).join(asked, on=CELL, how="semi"))
        found, left = _told(spoken, left)
        parts.append(asked.join(found, on=CELL).with_columns(basis=pl.lit(level)).drop("cell"))
        wanted = wanted.join(parts[-1], on=ROW, how="anti", nulls_equal=True)
    everybody = known.group_by("figure").agg(enterprises=pl.len().cast(pl.Int64))
    parts.append(wanted.join(everybody, on="figure", how="left"))
    return (
        pl.concat(parts, how="diagonal")
        .with_columns(pl.col("enterprises").fill_null(0), reference_date=pl.lit(dates.item()))
        .select(pl.col(name).cast(dtype) for name, dtype in QUARTILES.items())
        .sort(ROW)
    )


def with_peers(portraits: pl.DataFrame, quartiles: pl.DataFrame) -> pl.DataFrame:
    """PORTRAITS with `peers`: the fewest enterprises that a told figure of its page rests on."""
    cell = ["sector", "size_class"]
    told = quartiles.filter(pl.col("median").is_not_null())
    fewest = told.group_by(cell).agg(peers=pl.min("enterprises"))
    return portraits.drop("peers").join(
        fewest, on=cell, how="left", nulls_equal=True, maintain_order="left"
    )


def _peers(enterprises: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc legal_group` of the industrial enterprises of the New City on the day."""
    section = pl.col("industry_code").str.slice(0, 1)
    return as_of(enterprises, on).filter(
        pl.col("register_status") == ACTIVE, pl.col("in_new_city"), section.is_in(INDUSTRY)
    ).select("uscc", pl.coalesce("legal_group", "uscc"))  # fmt: skip


def _wanted(portraits: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Every sector and size class that a peer has, times every figure."""
    cells = portraits.join(known, on="uscc", how="semi").select("sector", "size_class").unique()
    return cells.join(figures().select("figure"), how="cross")


def _no_ranges() -> pl.DataFrame:
    named = {"figure": pl.String(), "legal_group": pl.String(), "member": pl.String()}
    bounds = {"low": pl.Float64(), "high": pl.Float64()}
    return pl.DataFrame(schema={**named, "members": pl.Int64(), **bounds})


def _told(spoken: pl.DataFrame, had: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`cell figure enterprises median q1 q3` of cells that may be told, and what all told leaves.

    The median first; the other two only where they, beside it, leave enough.
    """
    found = spoken.select(*CELL, "enterprises", "groups").unique(maintain_order=True)
    for names, least in LEAST_GROUPS.items():
        enough = spoken.filter(pl.col("groups") >= least)
        if "median" in found.columns:
            enough = enough.join(found.drop_nulls("median"), on=CELL, how="semi")
        tried = order_figures(enough, figures(), list(names))
        left = _narrowed(had, ranges(enough, tried))
        safe = _safe(left)
        had = _replaced(had, left.join(safe, on=CELL, how="semi"))
        wide = tried.join(safe, on=CELL, how="semi").pivot(
            "name", index=CELL, values="told", on_columns=list(names)
        )
        found = found.join(wide, on=CELL, how="left", maintain_order="left")
    return found.drop_nulls("median").select(*CELL, "enterprises", *QUARTERS), had


def _narrowed(had: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """What is left of each value by what was told before and what is tried now."""
    both = now.join(had, on=["figure", *UNKNOWN], how="left", suffix="_had")
    return both.with_columns(
        low=pl.max_horizontal("low", "low_had"), high=pl.min_horizontal("high", "high_had")
    ).select(*CELL, *UNKNOWN, "low", "high")


def _safe(left: pl.DataFrame) -> pl.DataFrame:
    """Cells in which each value keeps its range, within what the figure can be at all."""
    known = left.join(figures().select("figure", "step", "least", "most"), on="figure")
    width = pl.min_horizontal("high", "most") - pl.max_horizontal("low", "least")
    is_wide = width >= LEFT_STEPS * pl.col("step") * (1 - 1e-9)
    return known.group_by(CELL).agg(safe=is_wide.all()).filter("safe").select(CELL)


def _replaced(had: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    kept = had.join(now, on=["figure", *UNKNOWN], how="anti")
    return pl.concat([kept, now.select("figure", *UNKNOWN, "low", "high")])
