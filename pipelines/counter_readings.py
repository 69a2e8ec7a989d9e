"""What counters and products said, by numbers of nodes and work units, and which counter counts."""

from typing import Final, NamedTuple

import polars as pl

from pipelines.catalogue import NODE, bad, is_measure, known_tags, named, number
from pipelines.equipment import UNIT
from pipelines.packing import in_order, packed
from pipelines.schemas import TIME

KINDS: Final = {
    "parts_total": "total",
    "parts_good": "good",
    "parts_bad": "scrap",
    "parts_rework": "rework",
}
PRODUCT: Final = "product_id"
READ: Final = [
    *NODE, "time", "server_ticks", "received_time", "status_code", "value_float", "value_int",
    "value_uint", "value_text",
]  # fmt: skip

NEVER_GONE: Final = pl.datetime(2200, 1, 1, time_zone="UTC").cast(TIME)


class Heard(NamedTuple):
    """Readings and products beside the tags they are of, whose place is their `tag_no`.

    `known` has `kind` (null for a product), `unit_no` and `node_no`; `readings` are by node and
    time, `products` by work unit and time.
    """

    known: pl.DataFrame
    readings: pl.DataFrame
    products: pl.DataFrame


def heard(values: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> Heard:
    """What is heard of counters and products in raw rows with `time`."""
    known = _known(tags, units)
    present = [name for name in READ if name in values.columns]
    said = named(values.select(present), tags, _wanted(), adds=[])
    is_count = known["kind"].is_not_null().gather(said["tag_no"])
    readings, products = said.filter(is_count), said.filter(~is_count)
    return Heard(known, _readings(readings, known), _products(products, known))


def _wanted() -> pl.Expr:
    return is_measure([*KINDS, PRODUCT])


def _known(tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """The tags of counters and products by `tag_no`, with `kind`, `unit_no` and `node_no`."""
    known = known_tags(tags, _wanted()).join(
        units, on=UNIT, nulls_equal=True, how="left", maintain_order="left"
    )
    begins = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in NODE)
    kind = pl.col("measure").replace_strict(KINDS, default=None, return_dtype=pl.String)
    return known.with_columns(kind=kind, node_no=begins.fill_null(value=False).cum_sum())


def _readings(said: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Counter readings by node and time; `count` is null where a value is Bad or no number."""
    rows = said.select("tag_no", "time", count=pl.when(~bad()).then(number()))
    return _by_node(rows, known)


def _by_node(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Rows with their `node_no`, by that and time."""
    found = rows.with_columns(known["node_no"].gather(rows["tag_no"]))
    (key,) = packed((found["node_no"], found["time"].to_physical()))
    return in_order(found, key)


def _products(said: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What each work unit makes (`product_id`, null for nothing) from `time` on, by these."""
    text = pl.coalesce("value_text", number().cast(pl.String))
    named_so = pl.when(text != "").then(text)
    rows = said.filter(~bad()).select("tag_no", "time", product_id=named_so)
    made = _by_node(rows, known)
    made = made.with_columns(known["unit_no"].gather(made["tag_no"]))
    (key,) = packed((made["unit_no"], made["time"].to_physical()))
    ordered = in_order(made.with_columns(_key=key), key)
    is_last = pl.col("_key").ne_missing(pl.col("_key").shift(-1))
    return ordered.filter(is_last).select("unit_no", "time", "product_id")


def once(rows: pl.DataFrame, said: Heard, tags: pl.DataFrame) -> pl.DataFrame:
    """The rows of one node per work unit and kind: two nodes that count the same count once.

    The first by server and node id; another only until that one has spoken, and once it is gone.
    """
    kind = ["unit_no", "kind"]
    known, readings = said.known, said.readings
    counters = known.filter(pl.col("kind").is_not_null())
    if counters.select(*kind, "node_no").n_unique() == counters.select(kind).n_unique():
        return rows
    good = readings.filter(pl.col("count").is_not_null())
    first = good.group_by("tag_no").agg(first=pl.min("time"))
    there = counters.join(first, on="tag_no").group_by(*kind, "node_no", *NODE).agg(pl.min("first"))
    spoke = there.join(_gone(tags), on=NODE, how="left").sort(*kind, "node_no")
    others = spoke.with_columns(
        better=pl.col("first").cum_min().shift(1).over(kind),
        until=pl.col("until").cum_max().shift(1).over(kind),
    ).select(*kind, "node_no", "better", "until")
    of_tag = known.join(others, on=[*kind, "node_no"], how="left", maintain_order="left")
    ranked = rows.hstack(of_tag.select("better", "until")[rows["tag_no"]])
    before, after = pl.col("to_time") <= pl.col("better"), pl.col("to_time") >= pl.col("until")
    kept = ranked.filter(pl.col("better").is_null() | before | after)
    return kept.drop("better", "until")


def _gone(tags: pl.DataFrame) -> pl.DataFrame:
    """Per counter node `until` when its tags hold: NEVER_GONE where one still does."""
    ends = pl.col("valid_to").fill_null(NEVER_GONE).max()
    return tags.filter(is_measure(list(KINDS))).group_by(NODE).agg(until=ends)
