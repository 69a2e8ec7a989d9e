"""The raw export against every value the timeline holds, site by site."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from connectors.export import ExportCounts, site_spans
from connectors.home import Home
from connectors.raw import ticks_of, time_of
from connectors.verification import planted
from connectors.verification.truth import Truth
from connectors.verification.window import Window
from pipelines import comparison, schemas
from pipelines.days import midnight

_KINDS: Final = ("lost", "repeated", "foreign")
_SERVERS_OWN: Final = "nsu=http://opcfoundation.org/UA/;"
"""The namespace of nodes that every server has for itself; no timeline speaks for them."""
_BEGINNING: Final = -(2**63)
_END: Final = 2**63 - 1
_NAMED: Final = 3
"""Nodes named in a line of what is broken; the figure has the rest."""


@dataclass(slots=True)
class Compared:
    """What the comparison of all sites has found."""

    counts: Counter[str] = field(default_factory=Counter)
    received: ExportCounts = field(default_factory=ExportCounts)
    apart: list[pl.DataFrame] = field(default_factory=list)
    touched: list[pl.DataFrame] = field(default_factory=list)
    drops: list[pl.DataFrame] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """Lost values by server."""

    def figures(self, window: Window) -> dict[str, Any]:
        """The part `values` of the result."""
        names = (
            "emitted",
            "exported",
            *_KINDS,
            "before_truth",
            "after_truth",
            "of_servers_themselves",
        )
        first, last = window.spans["from_time"].min(), window.spans["to_time"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        return {
            **{name: self.counts[name] for name in names},
            "repeats_removed": self.received.repeats,
            "unreadable_segments": len(self.received.unreadable),
            "sites": window.spans["factory_id"].n_unique(),
            "uncollected_sites": len(window.missing),
            "from": _iso(first),
            "to": _iso(last),
        }

    def culprits(self, kind: str) -> str:
        """The nodes with most values apart, and when the first of them was."""
        rows = pl.concat(self.apart).filter(pl.col("kind") == kind)
        nodes = rows.group_by("node_id").agg(pl.sum("count"), pl.min("ticks"))
        worst = nodes.sort("count", "node_id", descending=[True, False]).head(_NAMED)
        said = [
            f"{node} ({count} from {_iso(time_of(ticks))})" if ticks else f"{node} ({count})"
            for node, count, ticks in worst.iter_rows()
        ]
        more = [f"{nodes.height - _NAMED} more nodes"] if nodes.height > _NAMED else []
        return ", ".join([*said, *more])


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def compare(home: Home, truth: Truth, window: Window) -> Compared | None:
    """Compare every site that both know; None where the ledger vouches for nothing at all."""
    if window.spans.is_empty():
        return None
    found = Compared()
    for site_id in _sites(home, truth):
        _compare_site(home, truth, window, site_id, found)
    return found


def _sites(home: Home, truth: Truth) -> Iterator[str]:
    """Sites of the truth that have segments; what others said is in no coverage either."""
    return (site for site in truth.servers if (home.segments / site).is_dir())


def _compare_site(home: Home, truth: Truth, window: Window, site_id: str, found: Compared) -> None:
    """Compare piece by piece: whole days, so that a value and its repeats are in one piece."""
    server = truth.servers[site_id]
    spans = window.spans.filter(pl.col("server_uri") == server)
    nasty = planted.of_server(truth, server)
    touched = []
    for first, last, ours in _pieces(home, site_id, found.received):
        said = truth.values(site_id, first, last)
        own, apart_from = _served(ours)
        found.counts.update(apart_from)
        counts, apart = comparison.values(own, said, spans)
        foreign = apart.filter(pl.col("kind") == "foreign")
        excused = _unknowable(foreign, own, spans, truth.span(site_id))
        foreign = foreign.join(excused, on="row", how="anti")
        apart = pl.concat([apart.filter(pl.col("kind") != "foreign"), foreign])
        found.counts.update(counts | {"foreign": foreign.height})
        found.counts.update(excused["why"].to_list())
        found.lost[server] += counts["lost"]
        found.apart.append(apart)
        touched.append(planted.touched(nasty, said, apart, spans))
    found.touched.append(planted.untouched_by_loss(touched))
    true = window.true.filter(pl.col("server_uri") == server)
    found.drops.append(planted.drops(nasty, truth.scan_values(site_id), true))


def _pieces(
    home: Home, site_id: str, received: ExportCounts
) -> Iterator[tuple[int, int, pl.DataFrame]]:
    """Rows of the raw export with event ticks in [first, last); the pieces leave no time out."""
    before, held = _BEGINNING, pl.DataFrame(schema=schemas.RAW)
    for day, rows in site_spans(home.root, site_id, received):
        if held.height:
            here = ticks_of(midnight(day))
            yield before, here, held
            before = here
        held = rows
    yield before, _END, held


def _served(ours: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of which a timeline can know, and how many are not so.

    `of_servers_themselves`: values of nodes that every server has for itself. `not_yet_spoken`:
    nulls without any time, which a server gives for a node that has said nothing so far; no
    timeline holds such a value, and every new subscription is given it again.
    """
    node = pl.col("node_id").cast(pl.String)
    timeless = pl.coalesce("source_ticks", "server_ticks").is_null()
    silent = timeless & (pl.col("value_type").cast(pl.String) == "Null")
    marked = ours.with_columns(own=node.str.starts_with(_SERVERS_OWN), silent=silent)
    known = marked.filter(~pl.col("own") & ~pl.col("silent")).drop("own", "silent")
    apart = marked.select(
        of_servers_themselves=pl.col("own").sum(),
        not_yet_spoken=(pl.col("silent") & ~pl.col("own")).sum(),
    )
    return known, apart.row(0, named=True)


def _unknowable(
    foreign: pl.DataFrame,
    ours: pl.DataFrame,
    spans: pl.DataFrame,
    known: tuple[datetime, datetime],
) -> pl.DataFrame:
    """`row` and `why` of the values of which the truth cannot know: they lie outside its span.

    Stamped before the truth begins they are excused where coverage reaches back so far, else one
    per node: the value that stood when history was asked for. Received after the truth's end they
    are excused as what was said since.
    """
    start, end = known
    rows = foreign.with_columns(received=ours["received_time"][foreign["row"]])
    older = rows.filter(pl.col("ticks") < ticks_of(start))
    first = spans["from_time"].min()
    asked = pl.col("ticks") >= (ticks_of(first) if isinstance(first, datetime) else _END)
    newest = pl.col("ticks") == pl.max("ticks").over("node_id")
    alone = pl.col("ticks").is_first_distinct().over("node_id")
    standing = older.filter(asked | (newest & alone))
    later = rows.filter(pl.col("received") >= end, pl.col("ticks") >= ticks_of(start))
    return pl.concat(
        [
            part.select("row", why=pl.lit(why))
            for part, why in ((standing, "before_truth"), (later, "after_truth"))
        ]
    )
