"""Segments as a collector would have sealed them, straight from the timeline, outages included."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.home import Home
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA
from connectors.segments import SegmentWriter
from connectors.simulator.calendars import ZONE, local_midnight_ms, to_ms
from connectors.simulator.fleet_file import write_fleet
from connectors.simulator.nodes import Series, Served, SiteTimeline
from connectors.simulator.outages import Outage, plan_outages, wire_faults
from connectors.simulator.rows import value_arrays
from connectors.simulator.timeline import build_factories
from connectors.simulator.truth import write_truth

FIRST_PORT: Final = 4840
"""OPC UA's registered port; an offline fleet file needs some address."""
ROLL_MS: Final = 6 * 3_600_000
"""One segment per server and six hours: about 60,000 rows each."""
RECONNECT_MS: Final = 2_000
"""From the end of an outage until the collector has its history and a subscription again."""
_ORIGINS: Final = ("live", "history")

Ints = npt.NDArray[np.int64]


def write_offline(
    folder: Path,
    *,
    seed: int,
    anchor: datetime,
    days: int,
    sites: Sequence[SiteTimeline] | None = None,
    truth: Path | None = None,
    signal_period_s: float = 90.0,
    say: Callable[[str], None] | None = None,
) -> list[Outage]:
    """Write a home with the segments a collector would have sealed; gives the outages played.

    Covers `days` closed local days before the anchor's and today up to the anchor. Without `sites`
    the ten factories are built. Also writes the fleet file (with urls that nobody serves) and,
    given `truth`, what really happened.
    """
    if sites is None:
        sites = build_factories(
            seed,
            anchor,
            days_back=max(4, days - 1),
            days_ahead=0.0,
            signal_period_s=signal_period_s,
        )
    first_day = anchor.astimezone(ZONE).date() - timedelta(days=days)
    ahead_s = (anchor - datetime.now(UTC)).total_seconds()
    home = Home(folder).replace(first_day=first_day, now_offset_s=ahead_s)
    urls = {site.site_id: f"opc.tcp://127.0.0.1:{FIRST_PORT + n}" for n, site in enumerate(sites)}
    write_fleet(folder / "fleet.toml", sites, urls)
    outages = write_segments(
        home.segments, seed=seed, anchor=anchor, days=days, sites=sites, say=say
    )
    if truth is not None:
        write_truth(truth, sites, end=anchor)
        (truth / "wire_faults.jsonl").write_text(wire_faults(outages), encoding="utf-8")
    return outages


def write_segments(
    folder: Path,
    *,
    seed: int,
    anchor: datetime,
    days: int,
    sites: Sequence[SiteTimeline],
    say: Callable[[str], None] | None = None,
) -> list[Outage]:
    """Write `<folder>/<site>/NNNNNNNN-*.arrow` and sidecars, rows in order of delivery."""
    start_ms = local_midnight_ms(anchor.astimezone(ZONE).date() - timedelta(days=days))
    end_ms = to_ms(anchor)
    played: list[Outage] = []
    for site in sites:
        outages = plan_outages(seed, site, start_ms, end_ms)
        _write_site(folder / site.site_id, site, outages, start_ms, end_ms)
        played += outages
        if say is not None:
            say(f"{site.site_id}: segments of {days} days and today written")
    return played


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the collector receives of one node, in order: rows of the series, when, how."""

    node: Served
    series: Series
    rows: npt.NDArray[np.intp]
    received_us: Ints
    from_history: npt.NDArray[np.bool_]


def _write_site(
    folder: Path, site: SiteTimeline, outages: Sequence[Outage], start_ms: int, end_ms: int
) -> None:
    heard = [_hear(n, site.series(n), outages, start_ms, end_ms) for n in site.nodes]
    writer = SegmentWriter(folder, site_id=site.site_id, server_uri=site.server_uri)
    for left in range(start_ms, end_ms, ROLL_MS):
        right = min(left + ROLL_MS, end_ms)
        for batch in _batches(site, heard, left * 1000, right * 1000):
            writer.append(batch)
        writer.seal()


def _hear(
    node: Served, series: Series, outages: Sequence[Outage], start_ms: int, end_ms: int
) -> _Heard:
    """Received times of one node.

    The subscription first gives what stands; so it does again after an outage, when history has
    brought what was missed (of nodes that have one).
    """
    delivered_us = (series.delivered_ticks - EPOCH_TICKS) // 10
    first, last = np.searchsorted(delivered_us, (start_ms * 1000, end_ms * 1000))
    rows = [np.arange(first, last)]
    received = [delivered_us[first:last].copy()]
    missed = np.zeros(last - first, np.bool_)
    standing = [(start_ms * 1000, int(first) - 1)]
    for outage in outages:
        back_us = (outage.end_ms + RECONNECT_MS) * 1000
        inside = (received[0] >= outage.start_ms * 1000) & (received[0] < back_us)
        received[0][inside] = back_us
        missed |= inside
        standing.append((back_us, int(np.searchsorted(delivered_us, back_us)) - 1))
    again = [(time, row) for time, row in standing if row >= 0 and time < end_ms * 1000]
    rows.append(np.array([row for _, row in again], np.intp))
    received.append(np.array([time for time, _ in again], np.int64))
    order = np.argsort(all_received := np.concatenate(received), kind="stable")
    by_history = np.concatenate([missed, np.zeros(len(again), np.bool_)])
    if not node.historized:
        order = order[~by_history[order]]
    return _Heard(node, series, np.concatenate(rows)[order], all_received[order], by_history[order])


def _batches(
    site: SiteTimeline, heard: Sequence[_Heard], left_us: int, right_us: int
) -> Iterator[pa.RecordBatch]:
    """All nodes' rows received in [left, right), in order of delivery."""
    parts = []
    for number, one in enumerate(heard):
        low, high = np.searchsorted(one.received_us, (left_us, right_us))
        if low < high:
            parts.append(_columns(one, number, slice(int(low), int(high))))
    if parts:
        nodes = pa.array([one.node.node_id for one in heard])
        yield _in_order(pa.Table.from_batches(parts), site.server_uri, nodes)


_PART: Final = pa.schema(
    [
        pa.field("node", pa.int32()),
        *(field for field in RAW_SCHEMA if field.name not in ("server_uri", "node_id", "origin")),
        pa.field("from_history", pa.int32()),
    ]
)
"""RAW_SCHEMA with codes where a site-wide dictionary comes later."""


def _columns(one: _Heard, number: int, part: slice) -> pa.RecordBatch:
    rows = one.rows[part]
    return pa.RecordBatch.from_arrays(
        [
            pa.array(np.full(len(rows), number, np.int32)),
            pa.array(one.series.source_ticks[rows]),
            pa.array(one.series.server_ticks[rows]),
            pa.array(one.received_us[part]).cast(pa.timestamp("us", "UTC")),
            *value_arrays(one.node, one.series.values[rows]),
            pa.array(one.series.status[rows]),
            pa.array(one.from_history[part].astype(np.int32)),
        ],
        schema=_PART,
    )


def _in_order(table: pa.Table, server_uri: str, nodes: pa.Array) -> pa.RecordBatch:
    order = np.argsort(table.column("received_time").cast(pa.int64()).to_numpy(), kind="stable")
    sorted_ = table.unify_dictionaries().combine_chunks().take(pa.array(order)).combine_chunks()
    columns = {name: sorted_.column(name).combine_chunks() for name in sorted_.column_names}
    zeros = pa.array(np.zeros(len(order), np.int32))
    columns["server_uri"] = pa.DictionaryArray.from_arrays(zeros, pa.array([server_uri]))
    columns["node_id"] = pa.DictionaryArray.from_arrays(columns.pop("node"), nodes)
    origin = columns.pop("from_history")
    columns["origin"] = pa.DictionaryArray.from_arrays(origin, pa.array(_ORIGINS))
    arrays = [columns[name] for name in RAW_SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
