"""The ledger told: per server, node and local day what came by which way, and what did not."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import HomeRefused
from connectors.export import ExportCounts, Piece, site_days, values
from connectors.home import Home
from connectors.ledger import LEDGER_FILE, Ledger
from pipelines import ledger as account
from pipelines.coverage import disjoint
from pipelines.days import day_of, local_day
from pipelines.raw import event_ticks, from_segments, time_of
from pipelines.schemas import TIME

_RECEIVED: Final = {
    "live": "received_live",
    "republished": "republished",
    "history": "back_filled",
    "repeats_removed": "repeats_removed",
}
_HISTORY: Final = "history"
_NODE: Final = account.NODE


def ledger_summary(
    home: Path,
    first: date | None = None,
    last: date | None = None,
    node: str = "",
    now: datetime | None = None,
) -> dict[str, Any]:
    """The ledger for `ledger --json`: per server and node what was received, repeated, missed.

    Of the local days `first` to `last`, and of nodes whose id has `node` in it. Counts come from
    segments and bronze, so that a crash cannot part them from the rows; before there is any, the
    ledger alone tells of its servers. Days are owed up to `now`, the home's own unless given.
    """
    if not (home / "segments").is_dir() and not (home / LEDGER_FILE).is_file():
        raise HomeRefused(home, "it holds no ledger", "collect first, or give another --home")
    with Ledger(home, read_only=True) as ledger:
        summary, coverage, gaps = ledger.summary(), ledger.coverage(), ledger.gaps()
    read = ExportCounts()
    refilled = _refilled(summary)
    counted, expected = [_no_counts()], [_no_expected()]
    asked = (first or date.min).isoformat(), (last or date.max).isoformat()
    for piece in site_days(home, read, *asked):
        counted.append(_counts(piece, node))
        expected.append(_expected(piece, refilled, node))
    counts = pl.concat(counted)
    until = now or _now(home)
    days = _days(coverage, counts, first, last, until)
    found = account.by_day(counts, coverage, gaps, days, until)
    if node:
        found = found.filter(pl.col("node_id").str.contains(node, literal=True))
    known = found.join(pl.concat(expected), on=[*_NODE, "day"], how="left")
    summary["is_narrowed"] = bool(first or last or node)
    for server in summary["servers"]:
        own = known.filter(pl.col("server_uri") == (server["server_uri"] or ""))
        server |= _told(own, server, node)
    summary["unreadable_segments"] = read.unreadable
    summary["being_written"] = read.being_written
    return summary


def _now(home: Path) -> datetime:
    here = Home(home)
    return datetime.now(UTC) + timedelta(seconds=here.now_offset_s if here.exists() else 0.0)


def _days(
    coverage: pl.DataFrame,
    counts: pl.DataFrame,
    first: date | None,
    last: date | None,
    now: datetime,
) -> list[date]:
    """The local days of the account: those asked for, as far as anything is known of them."""
    starts = coverage.select(local_day(pl.col("from_time").min())).to_series()
    begun = starts.drop_nulls().to_list()
    today = day_of(now)
    known = set(counts["day"])
    if begun:
        from_day, to_day = max(begun[0], first or begun[0]), min(today, last or today)
        known |= {date.fromordinal(n) for n in range(from_day.toordinal(), to_day.toordinal() + 1)}
    return sorted(known)


# --- what came


def _no_counts() -> pl.DataFrame:
    integers = dict.fromkeys(account.COUNTS, pl.Int64())
    return pl.DataFrame(
        schema={"server_uri": pl.String(), "node_id": pl.String(), "day": pl.Date(), **integers}
    )


def _counts(piece: Piece, node: str) -> pl.DataFrame:
    """Rows of a piece by node and way, and how many of them were repeats."""
    day = pl.lit(date.fromisoformat(piece.days[0]))
    names = [*_NODE, "origin"]
    rows = pl.DataFrame(pl.from_arrow(piece.received.select(names)))
    came = rows.group_by(names).len("rows").with_columns(pl.col(names).cast(pl.String), day=day)
    columns = [*names, "day", "rows"]
    received = pl.concat(
        [came.select(pl.col(columns[:-1]), pl.col("rows").cast(pl.Int64)),
         piece.pruned.select(columns)]
    )  # fmt: skip
    kept = values(piece, ExportCounts()).group_by(_NODE).len("rows").with_columns(day=day)
    found = account.counts(received, kept)
    return found.filter(pl.col("node_id").str.contains(node, literal=True)) if node else found


# --- what history should hold


def _refilled(summary: dict[str, Any]) -> pl.DataFrame:
    """Disjoint spans, by server or node, that were missed and then read from history."""
    rows = [
        (server["server_uri"], gap["node_id"], *(_time(gap[end]) for end in ("from", "to")))
        for server in summary["servers"]
        for gap in server["closed_gaps"]
        if gap["resolved"] == _HISTORY
    ]
    schema = {"server_uri": pl.String(), "node_id": pl.String(), "from_time": TIME, "to_time": TIME}
    return disjoint(pl.DataFrame(rows, schema=schema, orient="row"), _NODE)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _no_expected() -> pl.DataFrame:
    return _no_counts().select(*_NODE, "day", expected=pl.lit(None, pl.Int64))


def _expected(piece: Piece, refilled: pl.DataFrame, node: str) -> pl.DataFrame:
    """How many values history has, by the sources' clocks, of the spans that it refilled.

    Nowhere else is a number to be expected known; nor is it where segments were pruned, for a
    value that was heard live too is in bronze as such.
    """
    if refilled.is_empty() or not piece.pruned.is_empty():
        return _no_expected()
    own = piece.received.filter(_of_origin(piece))
    rows = from_segments(pl.DataFrame(pl.from_arrow(own)))
    rows = rows.unique([*_NODE, "source_ticks", "server_ticks", "value_float", "value_int",
                        "value_uint", "value_text", "value_raw", "status_code"])  # fmt: skip
    times = rows.select(*_NODE, time=time_of(event_ticks())).drop_nulls().sort("time")
    inside = [
        _inside(times, refilled.filter(pl.col("node_id").is_null()).drop("node_id"), _NODE[:1]),
        _inside(times, refilled.filter(pl.col("node_id").is_not_null()), _NODE),
    ]
    day = pl.lit(date.fromisoformat(piece.days[0]))
    found = pl.concat(inside).unique().group_by(_NODE).agg(expected=pl.len().cast(pl.Int64))
    if node:
        found = found.filter(pl.col("node_id").str.contains(node, literal=True))
    return found.select(*_NODE, day=day, expected="expected")


def _of_origin(piece: Piece) -> Any:  # noqa: ANN401 - an Arrow mask; pyarrow has no types
    import pyarrow.compute as pc

    return pc.equal(pc.cast(piece.received.column("origin"), "string"), _HISTORY)


def _inside(times: pl.DataFrame, spans: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The rows that lie in a span of their key."""
    begun = times.with_row_index("row").join_asof(
        spans.sort("from_time"), left_on="time", right_on="from_time", by=by,
        strategy="backward", check_sortedness=False,
    )  # fmt: skip
    return begun.filter(pl.col("time") < pl.col("to_time")).select("row", *_NODE)


# --- the words


def _told(own: pl.DataFrame, server: dict[str, Any], node: str) -> dict[str, Any]:
    """Of one server: totals by node, its days as a whole, and its nodes' days."""
    of_nodes = own.filter(pl.col("node_id").is_not_null())
    names = list(_RECEIVED.values())
    totals = of_nodes.filter(pl.sum_horizontal(names) > 0).group_by("node_id").agg(pl.sum(*names))
    per_node = {
        row["node_id"]: {name: row[column] for name, column in _RECEIVED.items()}
        for row in totals.sort("node_id").iter_rows(named=True)
    }
    sums = of_nodes.group_by("day").agg(
        pl.col("expected").sum().replace(0, None), nodes_incomplete=_is_incomplete().sum()
    )
    windows = (
        own.filter(pl.col("node_id").is_null()).drop("expected").join(sums, on="day", how="left")
        .with_columns(pl.col("nodes_incomplete").fill_null(0))
    )  # fmt: skip
    days = of_nodes.drop("server_uri").partition_by("node_id", as_dict=True, include_key=False)
    return {
        "received": {name: sum(each[name] for each in per_node.values()) for name in _RECEIVED},
        "per_node": per_node,
        "windows": [] if node else _rows(windows.drop(_NODE)),
        "nodes_by_day": {str(key[0]): _rows(frame) for key, frame in days.items()},
        "unrecoverable": _unrecoverable(server),
    }


def _is_incomplete() -> pl.Expr:
    return pl.col("completeness") < 1


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.with_columns(pl.col("day").cast(pl.String)).to_dicts()


def _unrecoverable(server: dict[str, Any]) -> list[dict[str, Any]]:
    """The gaps that nothing filled, by reason: how many, how many still open, seconds of the rest.

    A gap of a node counts its own seconds, one of the server those of all.
    """
    found: dict[str, dict[str, Any]] = {}
    for gap in server["open_gaps"]:
        row = found.setdefault(
            gap["reason"], {"reason": gap["reason"], "gaps": 0, "open": 0, "gap_s": 0.0}
        )
        row["gaps"] += 1
        if gap["to"] is None:
            row["open"] += 1
        else:
            row["gap_s"] += (_time(gap["to"]) - _time(gap["from"])).total_seconds()
    return list(found.values())
