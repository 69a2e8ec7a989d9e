"""Segments as a collector would have sealed them, straight from the timeline, outages included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA
from connectors.segments import SegmentWriter
from connectors.simulator.calendars import ZONE, local_midnight_ms, to_ms
from connectors.simulator.fleet_file import EVIDENCE_HOURS, write_fleet
from connectors.simulator.nodes import Series, Served, SiteTimeline
from connectors.simulator.outages import Outage, plan_outages, wire_faults
from connectors.simulator.rows import value_arrays
from connectors.simulator.sites import TRUTH_BACK, timelines, write_truth
from connectors.simulator.timeline import FactoryTimeline, span_of

FIRST_PORT: Final = 4840
"""OPC UA's registered port; an offline fleet file needs some address."""
ROLL_MS: Final = 6 * 3_600_000
"""One segment per server and six hours: about 60,000 rows each."""
FLEET: Final = "fleet.toml"
"""In the home, with the calendars and cycles that it names beside it."""
NOW_S: Final = 600.0
"""An anchor this near is now: the home needs no clock of its own."""
RECONNECT_MS: Final = 2_000
"""From the end of an outage until the collector has its history and a subscription again."""
_ORIGINS: Final = ("live", "history")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A run of the collector from `start_ms` to `end_ms`, history from `history_ms` (epoch ms)."""

    history_ms: int
    start_ms: int
    end_ms: int


def write_offline(
    folder: Path,
    *,
    seed: int,
    anchor: datetime,
    days: int,
    sites: Sequence[SiteTimeline] | None = None,
    truth: Path | None = None,
    signal_period_s: float = 90.0,
    exam: bool = False,
    office: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[list[SiteTimeline], list[Outage]]:
    """Write a new home with the segments a collector would have sealed; the sites and outages.

    Covers `days` closed local days before the anchor's and today up to the anchor, and of park
    gateways their evidence before that; all sites where `sites` names none, with the faults of the
    `exam` or of the default day. The fleet file (of urls that nobody serves) lies in the home, what
    really happened to `truth`. Catalogue, plans and ledger are added by `connectors.offline_home`.
    HomeRefused where the folder is not empty.
    """
    home = Home(folder)
    if home.exists():
        raise HomeRefused(folder, "it holds a home already", "delete it or give a new folder")
    first_day = anchor.astimezone(ZONE).date() - timedelta(days=days)
    home.create(first_day=first_day, now_offset_s=_offset_s(anchor), made_by="simulate")
    made = list(
        sites or timelines(seed, anchor, signal_period_s, days_back=max(4, days), exam=exam)
    )
    urls = {site.site_id: f"opc.tcp://127.0.0.1:{FIRST_PORT + n}" for n, site in enumerate(made)}
    write_fleet(folder / FLEET, urls, span_of(anchor, days_back=max(4, days)))
    outages = write_segments(
        home.segments, seed=seed, anchor=anchor, days=days, sites=made, say=say
    )
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        (truth / "wire_faults.jsonl").write_text(wire_faults(outages), encoding="utf-8")
        back = max(TRUTH_BACK, timedelta(days=days + 2))
        write_truth(truth, seed, anchor, made, back=back, office=office)
    return made, outages


def _offset_s(anchor: datetime) -> float:
    """How far the home's clock is ahead of the machine's; 0 for an anchor of just now."""
    ahead_s = (anchor - datetime.now(UTC)).total_seconds()
    return ahead_s if abs(ahead_s) > NOW_S else 0.0


def collected(site: SiteTimeline, anchor: datetime, days: int) -> Window:
    """The run that fills an offline home: since `days` local midnights before the anchor's."""
    start_ms = local_midnight_ms(anchor.astimezone(ZONE).date() - timedelta(days=days))
    is_factory = isinstance(site, FactoryTimeline)
    history_ms = start_ms - (0 if is_factory else EVIDENCE_HOURS * 3_600_000)
    return Window(history_ms, start_ms, to_ms(anchor))


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
    played: list[Outage] = []
    for site in sites:
        window = collected(site, anchor, days)
        outages = plan_outages(seed, site, window.start_ms, window.end_ms)
        write_site(folder / site.site_id, site, outages, window)
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


def write_site(folder: Path, site: SiteTimeline, outages: Sequence[Outage], window: Window) -> None:
    """Write one site's segments, one for every six hours."""
    batch = _everything(site, outages, window)
    received = batch.column("received_time").cast(pa.int64()).to_numpy()
    writer = SegmentWriter(folder, site_id=site.site_id, server_uri=site.server_uri)
    edges = [*range(window.start_ms, window.end_ms, ROLL_MS), window.end_ms]
    cuts = np.searchsorted(received, np.array(edges) * 1000).tolist()
    for low, high in pairwise(cuts):
        writer.append(batch.slice(low, high - low))
        writer.seal()


def _hear(node: Served, series: Series, outages: Sequence[Outage], window: Window) -> _Heard:
    """What is received of one node, and when.

    First the history up to the start; then the subscription gives what stands, and so it does
    again after an outage, when history has brought what was missed (of nodes that have one).
    """
    start_us, end_us = window.start_ms * 1000, window.end_ms * 1000
    delivered_us = (series.delivered_ticks - EPOCH_TICKS) // 10
    first, last = np.searchsorted(delivered_us, (start_us, end_us))
    past = _history(series, int(first), EPOCH_TICKS + window.history_ms * 10_000)
    received = delivered_us[first:last].copy()
    missed = np.zeros(last - first, np.bool_)
    standing = [(start_us, int(first) - 1)]
    for outage in outages:
        back_us = (outage.end_ms + RECONNECT_MS) * 1000
        inside = (received >= outage.start_ms * 1000) & (received < back_us)
        received[inside] = back_us
        missed |= inside
        standing.append((back_us, int(np.searchsorted(delivered_us, back_us)) - 1))
    if not first:
        series = _nothing_last(series)  # row -1: a node that has not spoken gives a null
    again = [(time, row % len(series.status)) for time, row in standing if time < end_us]
    rows = np.concatenate([past, np.arange(first, last), [row for _, row in again]])
    times = np.concatenate(
        [np.full(len(past), start_us), received, [time for time, _ in again]]
    ).astype(np.int64)
    by_history = np.concatenate(
        [np.ones(len(past), np.bool_), missed, np.zeros(len(again), np.bool_)]
    )
    order = np.argsort(times, kind="stable")
    if not node.historized:
        order = order[~by_history[order]]
    return _Heard(node, series, rows[order].astype(np.intp), times[order], by_history[order])


def _nothing_last(series: Series) -> Series:
    """The series and behind it the value of a node that has said nothing: null, without a time."""
    return Series(
        np.append(series.source_ticks, 0),
        np.append(series.server_ticks, 0),
        np.append(series.delivered_ticks, series.delivered_ticks[-1:].max(initial=0)),
        np.append(series.values.astype(np.object_), [None]),
        np.append(series.status, np.uint32(0)),
    )


def _history(series: Series, delivered: int, from_ticks: int) -> npt.NDArray[np.intp]:
    """Rows a first back-fill reads, by source time: what stood at `from_ticks`, all that follow.

    Only the first `delivered` rows are there to be read.
    """
    source, server = series.source_ticks[:delivered], series.server_ticks[:delivered]
    ticks = np.where(source > 0, source, server)
    order = np.argsort(ticks, kind="stable")
    low = int(np.searchsorted(ticks[order], from_ticks, "left"))
    stood = int(np.searchsorted(ticks[order], from_ticks, "right")) - 1
    return np.concatenate([order[max(stood, 0) : stood + 1], order[low:]])


def _everything(site: SiteTimeline, outages: Sequence[Outage], window: Window) -> pa.RecordBatch:
    """All that is received of a site in the window, in order of delivery."""
    parts = []
    for number, node in enumerate(site.nodes):
        one = _hear(node, site.series(node), outages, window)
        if len(one.rows):
            parts.append(_columns(one, number))
    nodes = pa.array([node.node_id for node in site.nodes])
    return _in_order(pa.Table.from_batches(parts, schema=_PART), site.server_uri, nodes)


_PART: Final = pa.schema(
    [
        pa.field("node", pa.int32()),
        *(field for field in RAW_SCHEMA if field.name not in ("server_uri", "node_id", "origin")),
        pa.field("from_history", pa.int32()),
    ]
)
"""RAW_SCHEMA with codes where a site-wide dictionary comes later."""


def _columns(one: _Heard, number: int) -> pa.RecordBatch:
    rows = one.rows
    return pa.RecordBatch.from_arrays(
        [
            pa.array(np.full(len(rows), number, np.int32)),
            _ticks(one.series.source_ticks[rows]),
            _ticks(one.series.server_ticks[rows]),
            pa.array(one.received_us).cast(pa.timestamp("us", "UTC")),
            *value_arrays(one.node, one.series.values[rows]),
            pa.array(one.series.status[rows]),
            pa.array(one.from_history.astype(np.int32)),
        ],
        schema=_PART,
    )


def _ticks(ticks: Ints) -> pa.Array:
    """Ticks as a column; 0 is no time."""
    return pa.array(ticks, mask=ticks == 0)


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
