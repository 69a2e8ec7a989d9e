"""What a machine was doing: episodes of states and their context.

Numbers are OPC 40001-1's: item_state NotAvailable 0, OutOfService 1, NotExecuting 2, Executing 3;
operation_mode None 0, Maintenance 1, Setup 2, Processing 3.
"""

from typing import Final

import polars as pl

from pipelines.catalogue import (
    NODE,
    bad,
    good,
    is_measure,
    known_tags,
    named,
    number,
    numbered,
)
from pipelines.equipment import UNIT
from pipelines.packing import in_order, latest, packed
from pipelines.schemas import STATE_EPISODES

NOT_AVAILABLE, OUT_OF_SERVICE, NOT_EXECUTING, EXECUTING = 0, 1, 2, 3
NONE, MAINTENANCE, SETUP, PROCESSING = 0, 1, 2, 3

PACKML_MODES: Final = {1: PROCESSING, 2: MAINTENANCE, 3: SETUP}
"""PackML UnitModeCurrent Produce, Maintenance, Manual; Invalid and modes of the maker's own are
unknown to us."""

PACKML_ITEM_STATES: Final = {
    state: {6: EXECUTING, 1: OUT_OF_SERVICE, 8: OUT_OF_SERVICE, 9: OUT_OF_SERVICE}.get(
        state, NOT_EXECUTING
    )
    for state in range(1, 20)
}
"""PackML StateCurrent (OPC 30050): Execute runs, Clearing, Aborting and Aborted are out of
service, every other state waits."""

PACKML_OUTSIDE_ORDERS: Final = [1, 2, 7, 8, 9]
"""Clearing, Stopped, Stopping, Aborting, Aborted: in mode Produce nothing is being processed."""

MEASURES: Final = ["item_state", "operation_mode", "packml_state", "packml_mode"]
CONTEXT: Final = ["order_id", "product_id", "stop_reason_code"]
_ALL: Final = [*MEASURES, *CONTEXT]
READ: Final = [
    *NODE, "time", "clock_unstable", "server_ticks", "received_time", "status_code", "value_float",
    "value_int", "value_uint", "value_text",
]  # fmt: skip
UNKNOWN: Final = -1
"""Stands for a state that a Bad value hides, until the node's next value that is not Bad."""

_INSTANT: Final = ["unit_no", "start"]


def episodes(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """`schemas.STATE_EPISODES` from raw rows with `time` (see `clock.correct`).

    Several changes at one instant are one. Bad context keeps its last value, as uncertain. A node
    that speaks for the first time begins an episode, even an equal one: before it the rows carried
    over midnight (see `carry.last_values`) know less than the rows of that day did.
    """
    wanted = tags.filter(is_measure(_ALL), pl.col("work_unit_id").is_not_null())
    units = numbered(wanted).join(_offers(wanted), on=UNIT, nulls_equal=True, maintain_order="left")
    changes = _shape(_held(_events(values, wanted, units)), units)
    following = pl.when(pl.col("unit_no") == pl.col("unit_no").shift(-1)).then(
        pl.col("start").shift(-1)
    )
    return _typed(changes.with_columns(units.select(UNIT)[changes["unit_no"]], end=following))


def stitch(frame: pl.DataFrame) -> pl.DataFrame:
    """Episodes of several days as one series: each once, ends closed by the next start."""
    rows = frame.sort(*UNIT, "start", maintain_order=True)
    once = rows.unique([*UNIT, "start"], keep="last", maintain_order=True)
    return _closed(once.filter(_changed(UNIT)))


def _offers(tags: pl.DataFrame) -> pl.DataFrame:
    """Which states a work unit has nodes for; Machinery's own come before PackML's."""
    return tags.group_by(UNIT).agg(
        (pl.col("measure") == name).any().alias(f"has_{name}") for name in MEASURES
    )


def _events(values: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """What was said of each work unit, in order of time."""
    every = pl.lit(value=True)
    clock = pl.col("clock_unstable") if "clock_unstable" in values.columns else pl.lit(value=False)
    said = named(values.select(n for n in READ if n in values.columns), tags, every, adds=[])
    known = known_tags(tags, every).join(units, on=UNIT, nulls_equal=True, maintain_order="left")
    place = pl.col("measure").replace_strict(_ALL, range(len(_ALL)), return_dtype=pl.UInt8)
    of_tag = known.select("unit_no", measure_no=place, is_state=is_measure(MEASURES))
    hidden = bad() | clock | (pl.col("is_state") & number().is_null())
    events = said.hstack(of_tag[said["tag_no"]]).select(
        "unit_no", "measure_no", "value_text", start="time", number=number(), hidden=hidden,
        doubt=(hidden | ~good()).cast(pl.Int8),
    )  # fmt: skip
    (key,) = packed((events["unit_no"], events["start"].to_physical()))
    return in_order(events, key)


def _held(events: pl.DataFrame) -> pl.DataFrame:
    """One row per work unit and instant, with what each measure last said; null before it spoke."""
    begins = pl.any_horizontal(pl.col(n).ne_missing(pl.col(n).shift(1)) for n in _INSTANT)
    instants = events.select(_INSTANT).filter(begins)
    columns = [one for measure in _ALL for one in _last(events, measure, instants)]
    return instants.with_columns(columns)


def _last(events: pl.DataFrame, measure: str, instants: pl.DataFrame) -> list[pl.Series]:
    """A measure's last value at each instant, and whether its last word was in doubt."""
    asked = instants["unit_no"], instants["start"].to_physical()
    text = pl.coalesce("value_text", pl.col("number").cast(pl.String), pl.lit(""))
    value = (
        pl.when("hidden").then(UNKNOWN).otherwise("number")
        if measure in MEASURES
        else pl.when(~pl.col("hidden")).then(text)
    )  # fmt: skip
    rows = events.filter(pl.col("measure_no") == _ALL.index(measure)).select(
        *_INSTANT, "doubt", value=value
    )
    if rows["value"].has_nulls():
        rows = rows.with_columns(pl.col("value").forward_fill().over("unit_no"))
    found = latest((rows["unit_no"], rows["start"].to_physical()), asked)
    last = rows.select(pl.col("value").alias(measure), pl.col("doubt").alias(f"doubt_{measure}"))
    return [column.gather(found) for column in last]


def _shape(held: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Filled rows as episodes: PackML translated, doubt named, rows that change nothing dropped."""
    state, unit_mode = pl.col("packml_state"), pl.col("packml_mode")
    from_packml = state.replace_strict(PACKML_ITEM_STATES, default=None, return_dtype=pl.Int64)
    mode = unit_mode.replace_strict(PACKML_MODES, default=None, return_dtype=pl.Int64)
    mode = pl.when(pl.col("has_packml_mode")).then(mode).otherwise(PROCESSING)
    idle = (mode == PROCESSING) & state.is_in(PACKML_OUTSIDE_ORDERS)
    own_mode = pl.col("has_operation_mode")
    item_state = pl.when("has_item_state").then("item_state").otherwise(from_packml)
    operation_mode = (
        pl.when(own_mode).then("operation_mode")
        .when("has_packml_state").then(pl.when(idle).then(NONE).otherwise(mode))
        .otherwise(PROCESSING)
    )  # fmt: skip
    assumed = ~own_mode & ~pl.col("has_packml_mode")
    doubt = pl.any_horizontal(pl.col(f"doubt_{name}").fill_null(0) > 0 for name in _ALL)
    unknown = pl.col("item_state").is_null() | pl.col("operation_mode").is_null()
    quality = pl.when(unknown).then(pl.lit("unknown")).when(doubt | assumed)
    texts = [pl.when(pl.col(name) != "").then(name).alias(name) for name in CONTEXT]
    spoken = pl.sum_horizontal(pl.col(f"doubt_{name}").is_not_null() for name in _ALL)
    offers = units.select(pl.selectors.starts_with("has_"))[held["unit_no"]]
    return (
        held.hstack(offers)
        .with_columns(spoken=spoken)
        .with_columns(
            _in_range(item_state, "item_state"), _in_range(operation_mode, "operation_mode")
        )
        .with_columns(*texts, quality=quality.then(pl.lit("uncertain")).otherwise(pl.lit("good")))
        .filter(_changed(["unit_no", "spoken"]))
    )


def _in_range(code: pl.Expr, name: str) -> pl.Expr:
    """The state as a number the specification knows; any other is unknown."""
    return pl.when(code.is_between(0, 3)).then(code).cast(pl.Int8).alias(name)


def _changed(unit: list[str]) -> pl.Expr:
    """The first row of a work unit, or one that differs from the row before; rows are sorted."""
    content = ["item_state", "operation_mode", *CONTEXT, "quality"]
    return pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1)) for name in (*unit, *content)
    )


def _closed(rows: pl.DataFrame) -> pl.DataFrame:
    following = pl.col("start").shift(-1).over(UNIT, order_by="start")
    return _typed(rows.with_columns(end=following)).sort(*UNIT, "start")


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in STATE_EPISODES.items())
