"""What the values of a factory-day do wrong against the unified interface, counted by tag.

Only the factory's own doing counts: time that our ledger does not vouch for, and gaps of ours, are
taken off before anybody is called silent, and a steady clock offset is one finding of the server,
not a fault of each of its values. docs/decisions/0040-cards-and-conformance.md has the rules.
"""

from datetime import date
from typing import Final, NamedTuple

import polars as pl

from pipelines import clock
from pipelines.catalogue import SERVER, bad, good, known_tags, named, number
from pipelines.conformance_silence import Listened, listened
from pipelines.coverage import NO_GAPS
from pipelines.packing import packed
from pipelines.units import spelled

STATE_CODES: Final = {
    "item_state": (0, 3),
    "operation_mode": (0, 3),
    "packml_state": (1, 19),
    "packml_mode": (0, 31),
}
"""Codes of the enumerations (OPC 40001-1, OPC 30050); PackML leaves modes to 31 to the maker."""

EXPECTED_UNITS: Final = {"energy_kwh": "KWH", "power_kw": "KWT", "ideal_cycle_s": "SEC"}
"""Measures whose name says their unit."""

RESET_SHARE: Final = 2
"""A total that falls to less than half began anew; one that falls by less simply fell."""

NEAR_MAX: Final = 100
"""A rollover comes from the last hundredth below `counter_max`."""

READ: Final = [
    "server_uri", "node_id", "time", "source_ticks", "server_ticks", "received_time", "value_type",
    "value_float", "value_int", "value_uint", "value_text", "status_code",
]  # fmt: skip
FAULTS: Final = pl.Schema(
    {"row": pl.UInt32(), "tag_no": pl.UInt32(), "finding": pl.String(), "detail": pl.String()}
)
TICKS: Final = 10
"""OPC UA ticks in a microsecond."""


class Observed(NamedTuple):
    """A day's account of every tag.

    `tags` are those of `catalogue.known_tags` by `tag_no`, with `values`, `faulty` (those with any
    fault; all of them where the clock is not steady), and microseconds `owed_us` and `silent_us`.
    `faults`: tag_no, finding, `count`, `detail` (one example); `clocks`: `clock.skew` by server;
    `silence`: see `conformance_silence.Listened`.
    """

    tags: pl.DataFrame
    faults: pl.DataFrame
    clocks: pl.DataFrame
    silence: Listened


def observe(
    values: pl.DataFrame,
    tags: pl.DataFrame,
    day: date,
    coverage: pl.DataFrame,
    gaps: pl.DataFrame | None = None,
) -> Observed:
    """Count faults in the raw values (`schemas.RAW`, compacted) of a local day.

    Values of nodes that are no work unit's have no place here. About 0.5 s a million rows.
    """
    clocks = clock.skew(values)
    rows = _rows(values, tags, clocks)
    known = _units(known_tags(tags, pl.lit(value=True), SERVER))
    found = _faults(rows, known, clocks)
    quiet = listened(rows, known, day, coverage, NO_GAPS if gaps is None else gaps)
    per_tag = rows.group_by("tag_no").agg(values=pl.len().cast(pl.Int64))
    faulty = found.group_by("tag_no").agg(faulty=pl.col("row").n_unique().cast(pl.Int64))
    unsteady = clock.judged(clocks).filter("clock_unstable")["server_uri"]
    counted = (
        known.join(per_tag, on="tag_no", how="left")
        .join(faulty, on="tag_no", how="left")
        .join(quiet.by_tag, on="tag_no", how="left")
        .with_columns(pl.col("values", "faulty", "owed_us", "silent_us").fill_null(0))
        .with_columns(
            faulty=pl.when(pl.col("server_uri").is_in(unsteady.implode())).then("values")
            .otherwise("faulty")
        )
        .sort("tag_no")
    )  # fmt: skip
    counts = found.group_by("tag_no", "finding").agg(
        count=pl.len().cast(pl.Int64), detail=pl.col("detail").drop_nulls().first()
    )
    return Observed(counted, counts.sort("tag_no", "finding"), clocks, quiet)


def _rows(values: pl.DataFrame, tags: pl.DataFrame, clocks: pl.DataFrame) -> pl.DataFrame:
    timed = values if "time" in values.columns else clock.correct(values, clocks)
    said = named(timed.select(READ), tags, pl.lit(value=True), adds=[])
    return said.with_row_index("row")


def _units(known: pl.DataFrame) -> pl.DataFrame:
    """Tags with the UNECE `code` of their unit, and the `least` and `most` it allows."""
    return known.join(spelled(), on="unit", how="left", maintain_order="left")


def _faults(rows: pl.DataFrame, known: pl.DataFrame, clocks: pl.DataFrame) -> pl.DataFrame:
    """`row tag_no finding`: every fault of every value; one value may have several."""
    parts = [
        _of(rows.filter(bad()), "status_bad"),
        _of(rows.filter(~good() & ~bad()), "status_uncertain"),
        _of(rows.filter(good() & (pl.col("value_type") == "Null")), "empty"),
        _of(rows.filter(good() & ~pl.col("value_float").is_finite()), "not_finite"),
        _of(rows.filter(pl.col("source_ticks").is_null()), "no_source_time"),
        _of(_ahead(rows, known, clocks), "ahead"),
        _of(_backwards(rows), "backwards"),
        _outside(rows, known),
        _unknown_codes(rows, known),
        *_of_counters(rows, known),
        _energy_fell(rows, known),
    ]
    return pl.concat([pl.DataFrame(schema=FAULTS), *parts])


def _of(rows: pl.DataFrame, finding: str, detail: pl.Expr | None = None) -> pl.DataFrame:
    example = pl.lit(None, pl.String) if detail is None else detail
    return rows.select("row", "tag_no", finding=pl.lit(finding), detail=example)


def _ahead(rows: pl.DataFrame, known: pl.DataFrame, clocks: pl.DataFrame) -> pl.DataFrame:
    """Values from the future: a source time beyond the server's, the steady offset taken off."""
    taken = clock.judged(clocks).select("server_uri", "taken_us")
    per_tag = (
        known.select("server_uri")
        .join(taken, on="server_uri", how="left", maintain_order="left")["taken_us"]
        .fill_null(0)
    )
    ahead = rows.select(pl.col("source_ticks") - pl.col("server_ticks")).to_series()
    beyond = rows.filter(ahead > clock.TOLERATED_US * TICKS)
    own = per_tag.gather(beyond["tag_no"]) if beyond.height else per_tag.clear()
    over = pl.col("source_ticks") - pl.col("server_ticks") - own * TICKS
    return beyond.filter(over > clock.TOLERATED_US * TICKS)


def _backwards(rows: pl.DataFrame) -> pl.DataFrame:
    """Values that the server had after one of the same node with a later source time.

    Rows stand by tag and source time: it is those whose server time is later than that of a row
    behind them. Number and server time are packed into one integer, so one running minimum does.
    """
    both = rows.filter(pl.col("source_ticks").is_not_null(), pl.col("server_ticks").is_not_null())
    if both.is_empty():
        return both
    (key,) = packed((both["tag_no"], both["server_ticks"]))
    behind = key.reverse().cum_min().reverse().shift(-1)
    return both.filter((key > behind).fill_null(value=False))


def _of_tags(rows: pl.DataFrame, known: pl.DataFrame, wanted: pl.Expr) -> pl.DataFrame:
    """Good values of some tags that are not empty, with what their tag says."""
    some = known.filter(wanted)
    is_wanted = known.select(pl.col("tag_no").is_in(some["tag_no"].implode())).to_series()
    mine = rows.filter(is_wanted.gather(rows["tag_no"]), good(), pl.col("value_type") != "Null")
    facts = ["measure", "measure_kind", "counter_max", "reset_policy", "least", "most"]
    return mine.join(known.select("tag_no", *facts), on="tag_no", maintain_order="left")


def _float() -> pl.Expr:
    whole = (pl.col(name).cast(pl.Float64) for name in ("value_int", "value_uint"))
    return pl.coalesce("value_float", *whole)


def _outside(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Values that their unit does not allow; of most tags only the extremes are looked at."""
    bounded = known.filter(
        pl.col("least").is_not_null() | pl.col("most").is_not_null()
    ).select("tag_no", "least", "most")  # fmt: skip
    ends = (
        rows.filter(good())
        .group_by("tag_no").agg(low=_float().min(), high=_float().max())
        .join(bounded, on="tag_no")
    )  # fmt: skip
    beyond = ends.filter((pl.col("low") < pl.col("least")) | (pl.col("high") > pl.col("most")))
    wanted = pl.col("tag_no").is_in(beyond["tag_no"].implode())
    value = _float()
    out = _of_tags(rows, known, wanted).filter(
        ((value < pl.col("least")) | (value > pl.col("most"))) & value.is_finite()
    )
    return _of(out, "outside_unit")


def _unknown_codes(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """States outside their enumeration, or that their value map does not name."""
    said = _of_tags(rows, known, pl.col("measure").is_in(list(STATE_CODES)))
    low = pl.col("measure").replace_strict({m: c[0] for m, c in STATE_CODES.items()})
    high = pl.col("measure").replace_strict({m: c[1] for m, c in STATE_CODES.items()})
    inside = number().is_between(low, high).fill_null(value=False)
    raw = pl.coalesce("value_text", number().cast(pl.String), pl.col("value_float").cast(pl.String))
    return _of(said.filter(~inside), "code_unknown", raw)


def _of_counters(rows: pl.DataFrame, known: pl.DataFrame) -> list[pl.DataFrame]:
    """Counts that are no whole number, negative, beyond their maximum, or less than before."""
    said = _of_tags(rows, known, pl.col("measure_kind") == "counter").with_columns(count=number())
    whole = said.filter(pl.col("count").is_not_null())
    before, count, most = pl.col("before"), pl.col("count"), pl.col("counter_max")
    steps = whole.with_columns(before=_before("count"))
    is_rollover = (most - before <= most // NEAR_MAX) & (count <= most // NEAR_MAX)
    is_reset = (count * RESET_SHARE < before) & (
        pl.col("reset_policy").fill_null("never") != "never"
    )
    fell = (count < before) & ~is_rollover.fill_null(value=False) & ~is_reset
    return [
        _of(said.filter(pl.col("count").is_null()), "count_type"),
        _of(whole.filter(count < 0), "count_negative"),
        _of(whole.filter(count > most), "count_over_max"),
        _of(steps.filter(fell), "count_fell"),
    ]


def _energy_fell(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Totals of energy that are less than before, and did not begin anew."""
    said = _of_tags(rows, known, pl.col("measure") == "energy_kwh").with_columns(total=_float())
    steps = said.filter(pl.col("total").is_finite()).with_columns(before=_before("total"))
    fell = (pl.col("total") < pl.col("before")) & (
        pl.col("total") * RESET_SHARE >= pl.col("before")
    )
    return _of(steps.filter(fell), "energy_fell")


def _before(name: str) -> pl.Expr:
    """The value before of the same tag; rows stand by tag and time."""
    same = pl.col("tag_no") == pl.col("tag_no").shift(1)
    return pl.when(same).then(pl.col(name).shift(1))
