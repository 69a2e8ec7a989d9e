"""Units of measure by UNECE Recommendation 20: common codes, symbols, and what each allows.

`units.csv` holds the units that machines of the five sectors speak, not all of the recommendation:
one that is missing is a row to add there. `least` and `most` are bounds of nature (no temperature
below absolute zero, no gauge pressure below a vacuum), never of a process.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

UNITS: Final = pl.Schema(
    {
        "code": pl.String(),
        "symbol": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "aliases": pl.String(),
        "least": pl.Float64(),
        "most": pl.Float64(),
    }
)
ALIAS: Final = "|"


@cache
def known() -> pl.DataFrame:
    """The table as data, one row per unit."""
    path = files("pipelines").joinpath("units.csv")
    with path.open("rb") as file:
        return pl.read_csv(file, schema=UNITS)


@cache
def spelled() -> pl.DataFrame:
    """`unit code least most`: every way to write a unit, by code, symbol, English name or alias."""
    table = known().with_columns(
        unit=pl.concat_list(
            "code", "symbol", "name_en", pl.col("aliases").fill_null("").str.split(ALIAS)
        )
    )
    return (
        table.select("unit", "code", "least", "most")
        .explode("unit")
        .filter(pl.col("unit") != "")
        .unique("unit", keep="first", maintain_order=True)
    )
