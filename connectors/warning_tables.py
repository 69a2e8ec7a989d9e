"""Warnings of enterprises, as `parkpulse warning list` prints them."""

from typing import Final

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

GRAVITY: Final = {"high": 0, "medium": 1, "low": 2}
STYLES: Final = {"high": "bold red", "medium": "yellow"}
NOT_SAID: Final = "–"


def sorted_warnings(known: pl.DataFrame, park: str | None, *, with_past: bool) -> pl.DataFrame:
    """Those asked for (rows of `warning_journal.known`), the gravest and the newest first."""
    asked = known if with_past else known.filter("is_open")
    own = asked if park is None else asked.filter(pl.col("owner_park_id") == park)
    gravity = pl.col("severity").replace_strict(GRAVITY, default=len(GRAVITY))
    order = [gravity, pl.col("raised_on"), pl.col("warning_id")]
    return own.sort(order, descending=[False, True, False])


def warnings_table(told: pl.DataFrame) -> Table:
    """A row per warning."""
    table = Table(title=f"{told.height} warnings", title_justify="left", box=box.SIMPLE)
    for name in ("warning", "park", "severity", "sure", "since", "raised", "value", "state"):
        table.add_column(name, no_wrap=True)  # an id is copied
    table.add_column("last word", overflow="fold")
    for row in told.iter_rows(named=True):
        word = f"{row['by']}: {row['reason']}" if row["by"] else NOT_SAID
        table.add_row(
            row["warning_id"], row["owner_park_id"] or NOT_SAID,
            Text(row["severity"], STYLES.get(row["severity"], "")),
            f"{row['confidence']:.0%}", f"{row['begun_on']:%m-%d}", f"{row['raised_on']:%m-%d}",
            NOT_SAID if row["value"] is None else f"{row['value']:.3g}", row["state"], Text(word),
        )  # fmt: skip
    return table
