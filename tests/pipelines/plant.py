"""A plant small enough to reason about: rows by the second, and what a loop makes of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl

from pipelines import bronze, carry, clock, counters, losses, oee, states
from pipelines.days import local_day
from pipelines.raw import EPOCH_TICKS
from pipelines.schemas import COVERAGE, CYCLES, GAPS, PLAN, RAW, REASONS, TAGS

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""2026-03-02 00:00 in Shanghai."""
DAY = date(2026, 3, 2)
SERVER = "urn:plant:s1"
BAD, UNCERTAIN = 0x8000_0000, 0x4000_0000
KEY = {"park_id": "P01", "factory_id": "F01", "line_id": "L1"}
KINDS = {
    "item_state": "state", "operation_mode": "state", "packml_state": "state",
    "packml_mode": "state", "order_id": "context", "product_id": "context",
    "stop_reason_code": "context", "parts_total": "counter", "parts_good": "counter",
    "parts_bad": "counter", "parts_rework": "counter",
    "power_kw": "energy", "energy_kwh": "energy",
}  # fmt: skip
MACHINERY = ["item_state", "operation_mode", "order_id", "product_id", "stop_reason_code",
             "parts_total", "parts_good", "parts_bad", "parts_rework"]  # fmt: skip


def at(second: float) -> datetime:
    return MIDNIGHT + timedelta(seconds=second)


def ticks(second: float) -> int:
    return (
        EPOCH_TICKS
        + (at(second) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
    )


def node(measure: str, unit: str = "M1") -> str:
    return f"nsu=urn:plant;s={unit}.{measure}"


def tags(
    measures=MACHINERY, units=("M1",), counter_max=2**31 - 1, reset_policy="never", server=SERVER
):
    rows = [
        {
            "server_uri": server, "namespace_uri": "urn:plant", "node_id": node(m, unit), **KEY,
            "work_unit_id": unit, "entity_id": unit, "machine_type": "press",
            "measure_kind": KINDS.get(m, "process"), "measure": m, "unit": None,
            "counter_max": counter_max, "reset_policy": reset_policy, "valid_from": None,
            "valid_to": None,
        }
        for unit in units
        for m in measures
    ]  # fmt: skip
    return pl.DataFrame(rows, TAGS)


@dataclass(frozen=True)
class Said:
    """One value: when (seconds from local midnight), which measure, what, how good."""

    second: float
    measure: str
    value: object
    status: int = 0
    unit: str = "M1"
    late: float = 0.0


def ahead(rows: pl.DataFrame, seconds: int) -> pl.DataFrame:
    """The same rows of a source whose clock is ahead (behind where it is negative)."""
    return rows.with_columns(
        source_time=pl.col("source_time") + pl.duration(seconds=seconds),
        source_ticks=pl.col("source_ticks") + seconds * 10_000_000,
    )


def raw(said, server=SERVER) -> pl.DataFrame:
    rows = []
    for s in said:
        kind = {float: "value_float", int: "value_int", str: "value_text"}.get(type(s.value))
        rows.append(
            {
                "server_uri": server, "node_id": node(s.measure, s.unit),
                "source_ticks": ticks(s.second), "server_ticks": ticks(s.second),
                "source_time": at(s.second), "server_time": at(s.second),
                "received_time": at(s.second + s.late), "value_type": type(s.value).__name__,
                "is_array": False, "status_code": s.status, "origin": "live",
            }
            | ({kind: s.value} if kind else {})
        )  # fmt: skip
    return pl.DataFrame(rows, RAW)


def plan(*rows) -> pl.DataFrame:
    """Rows of (shift_id, start, end, kind), in seconds, for the whole factory."""
    return pl.DataFrame(
        [
            {"park_id": "P01", "factory_id": "F01", "production_day": DAY, "shift_id": s,
             "start": at(a), "end": at(b), "kind": kind}
            for s, a, b, kind in rows
        ],
        PLAN,
    )  # fmt: skip


def cycles(**pri_s: float) -> pl.DataFrame:
    rows = [
        {"factory_id": "F01", "product_id": p, "pri_s": s, "origin": "design"}
        for p, s in pri_s.items()
    ]
    return pl.DataFrame(rows, CYCLES)


def coverage(*spans, server=SERVER) -> pl.DataFrame:
    rows = [
        {"server_uri": server, "factory_id": "F01", "from_time": at(a), "to_time": at(b)}
        for a, b in spans
    ]
    return pl.DataFrame(rows, COVERAGE)


def gaps(*rows, server=SERVER) -> pl.DataFrame:
    """Rows of (measure or None for the whole server, start, end or None), in seconds."""
    found = [
        {"server_uri": server, "node_id": m and node(m), "from_time": at(a),
         "to_time": None if b is None else at(b), "reason": "not heard"}
        for m, a, b in rows
    ]  # fmt: skip
    return pl.DataFrame(found, GAPS)


def reasons(**categories: str) -> pl.DataFrame:
    """Codes and their category, on every machine of the factory and from the beginning."""
    rows = [
        {"factory_id": "F01", "stop_reason_code": code, "name_zh": code, "name_en": code,
         "category": category}
        for code, category in categories.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, REASONS)


NOTHING_CARRIED = pl.DataFrame(schema=RAW)


def timed(rows: pl.DataFrame) -> pl.DataFrame:
    compacted = bronze.compact(rows)
    return clock.correct(compacted, clock.skew(compacted))


def silver(rows, tag_rows, cycle_rows, carried=NOTHING_CARRIED, offsets=None):
    """Episodes and increments of `rows`, behind what was carried, as the assets make them."""
    compacted = pl.concat([carried.select(RAW.names()), bronze.compact(rows)])
    values = clock.correct(compacted, clock.skew(compacted) if offsets is None else offsets)
    return (
        states.episodes(values, tag_rows),
        counters.increments(values, tag_rows, cycle_rows),
    )


def in_parts(rows, tag_rows, cycle_rows, edges):
    """Silver of each part between the `edges` (seconds), from last values, cut to its part."""
    carried = NOTHING_CARRIED
    for start, end in pairwise(map(at, [-86_400, *sorted(edges), 86_400])):
        part = bronze.compact(rows).filter(pl.col("source_time").is_between(start, end, "left"))
        episodes, increments = silver(part, tag_rows, cycle_rows, carried)
        yield (
            episodes.filter(pl.col("end").is_null() | (pl.col("end") > start)),
            increments.filter(pl.col("to_time").is_between(start, end, "left")),
        )
        carried = carry.last_values(carried, part, tag_rows, [DAY])


def by_day(rows, tag_rows, cycle_rows, days):
    """Silver of each day alone: its rows and its neighbours', behind the last values before."""
    carried = carry.last_values(NOTHING_CARRIED, bronze.compact(rows), tag_rows, days)
    offsets = clock.skew_by_day(bronze.compact(rows))
    day = local_day(pl.col("source_time"))
    for number, today in enumerate(days[2:-1], 2):
        near = rows.filter(day.is_between(days[number - 1], days[number + 1]))
        before = carried.filter(pl.col("partition_day") == days[number - 2])
        asked = {*clock.days_of(before), *days[number - 1 : number + 2]}
        known = offsets.filter(pl.col("day").is_in(asked))
        episodes, increments = silver(near, tag_rows, cycle_rows, before, known)
        yield (
            carry.touching(episodes, [today]),
            increments.filter(local_day(pl.col("to_time")) == today),
        )


def lost(rows, tag_rows, plan_rows, cycle_rows, covered, *, missed=None, **more) -> pl.DataFrame:
    """Losses by shift of the same raw rows."""
    episodes, increments = silver(rows, tag_rows, cycle_rows)
    more |= {} if missed is None else {"gaps": missed}
    return losses.by_shift(episodes, increments, plan_rows, cycle_rows, covered, tag_rows, **more)


def figures(rows, tag_rows, plan_rows, cycle_rows, covered, missed=None) -> pl.DataFrame:
    episodes, increments = silver(rows, tag_rows, cycle_rows)
    more = {} if missed is None else {"gaps": missed}
    return oee.by_shift(episodes, increments, plan_rows, cycle_rows, covered, tag_rows, **more)
