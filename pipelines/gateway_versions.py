"""What each thing at a gateway was from a local day on, from the values that the gateway said."""

from collections.abc import Sequence

import polars as pl

from pipelines.gateway_values import Frame, named, text

THING = ["server_uri", "entity_id"]
_CLEARED = "\0"
"""Stands for a field that was said to be empty, while earlier values are carried on."""


def wide(values: Frame, tags: Frame) -> pl.DataFrame:
    """`server_uri entity_id park_id valid_from` and a text per measure of kind register.

    One row per thing and local day on which it said anything, all fields as they stood at the end
    of that day; a cleared field is null. `measures` are those that the thing ever said.
    """
    said = (
        named(values, tags, "register", None)
        .select(*THING, "park_id", "measure", "day", said=text().fill_null(_CLEARED))
        .collect(engine="in-memory")
    )
    newest = said.unique([*THING, "measure", "day"], keep="last", maintain_order=True)
    measures = newest["measure"].unique().sort().to_list()
    days = newest.group_by(*THING, "day").agg(
        *(pl.col("said").filter(pl.col("measure") == name).last().alias(name) for name in measures),
        gateway_park=pl.col("park_id").drop_nulls().sort().first(),
    )
    ordered = days.sort(*THING, "day").rename({"day": "valid_from"})
    carried = ordered.with_columns(
        pl.col(*measures).forward_fill().over(THING) if measures else pl.lit(None)
    )
    return carried.with_columns(
        *(pl.col(name).is_not_null().any().over(THING).alias(f"says_{name}") for name in measures),
    ).with_columns(pl.col(*measures).replace({_CLEARED: None}) if measures else pl.lit(None))


def changes(rows: pl.DataFrame, key: Sequence[str], content: Sequence[str]) -> pl.DataFrame:
    """The rows that say something new of their thing (by thing and day), with `valid_to`.

    `valid_to` is set only where the next row of the thing has another `key`: the same key is closed
    by its next version (`register_history`).
    """
    same_thing = pl.all_horizontal(pl.col(THING) == pl.col(THING).shift(1))
    names = [*key, *content]
    is_same = pl.all_horizontal(pl.col(names).eq_missing(pl.col(names).shift(1)))
    new = rows.filter(~(same_thing & is_same).fill_null(value=False))
    followed = pl.all_horizontal(pl.col(THING) == pl.col(THING).shift(-1))
    is_other = ~pl.all_horizontal(pl.col(list(key)).eq_missing(pl.col(list(key)).shift(-1)))
    ends = pl.when(followed & is_other).then(pl.col("valid_from").shift(-1))
    return new.with_columns(valid_to=ends)
