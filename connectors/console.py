"""What the command line prints: tables that line up, Chinese included."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connectors import shift_tables
from connectors.options import FIRST_YEAR

if TYPE_CHECKING:
    from connectors.doctor import Finding
    from connectors.link_status import HomeStatus, LinkStatus

Result = Mapping[str, Any]

PARTS: Final = (
    "values", "oee", "losses", "adoption", "conformance", "parks", "warnings", "portraits",
    "anomaly",
)  # fmt: skip
RECEIVED: Final = ("live", "republished", "history", "repeats_removed")


def console() -> Console:
    """Standard output; 120 columns where it is a file or a pipe."""
    out = Console()
    return out if out.is_terminal else Console(width=120)


def number(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """A figure for the eye: thousands apart, floats short, nothing for null."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_verification(result: Result) -> None:
    """Every figure of the comparison with the truth, what it must be and whether it is."""
    out = console()
    out.print(_figures(result))
    if result["machine_shifts"]:
        out.print(*shift_tables.tables(result["machine_shifts"]), sep="\n")
    if result["planted"]:
        out.print(_plantings(result["planted"]))
    for line in result["broken"]:
        out.print(Text.assemble(("broken: ", "bold red"), line))
    if not result["broken"]:
        out.print("every stated tolerance holds")


def _figures(result: Result) -> Table:
    table = Table(title="Recovered figures against the truth", title_justify="left")
    for heading in ("part", "figure", "value", "must be", ""):
        side: Literal["left", "right"] = "right" if heading in ("value", "must be") else "left"
        table.add_column(heading, justify=side, overflow="fold")
    for part in PARTS:
        figures = result[part]
        if figures is None:
            broken = any(line.startswith(f"{part}:") for line in result["broken"])
            table.add_row(part, "not computed", "–", "", _mark(broken) if broken else "")
        for row, (name, value) in enumerate((figures or {}).items()):
            must = result["tolerances"].get(f"{part}.{name}", "")
            mark = _mark(any(b.startswith(f"{part}.{name} ") for b in result["broken"]))
            table.add_row(
                "" if row else part,
                name.replace("_", " "),
                _cell(value),
                must,
                mark if must else "",
            )
        table.add_section()
    return table


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, Mapping):
        return "\n".join(f"{name.replace('_', ' ')} {number(v)}" for name, v in value.items())
    return number(value)


def _plantings(planted: Result) -> Table:
    """What was planted in the collected window, beside what of it was recovered."""
    table = Table(title="Planted and recovered", title_justify="left")
    for heading in ("planted kind", "planted", "recovered", ""):
        side: Literal["left", "right"] = "right" if heading.endswith("ed") else "left"
        table.add_column(heading, justify=side, overflow="fold")
    for kind, counts in planted.items():
        found = counts["recovered"]
        mark = "" if found is None else _mark(found < counts["planted"])
        table.add_row(kind.replace("_", " "), number(counts["planted"]), number(found), mark)
    return table


def _mark(broken: bool) -> str:
    return "[red]✗[/red]" if broken else "[green]✓[/green]"


def print_ledger(summary: Result) -> None:
    """One row per server, then every gap that nothing filled and every refused node."""
    table = Table(title="Ledger", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("site", "server", "state", "nodes", *RECEIVED, "gaps"):
        table.add_column(
            heading.replace("_", "\n"),
            justify="left" if heading in ("site", "server", "state") else "right",
            overflow="fold",
        )
    for server in summary["servers"]:
        received = (number(server["received"][name]) for name in RECEIVED)
        gaps = number(len(server["open_gaps"]))
        name = server["server_uri"] or server["url"]
        row = (server["site_id"], name, server["state"], number(server["nodes"]))
        table.add_row(*row, *received, gaps)
    out = console()
    out.print(table)
    if (days := _days(summary)).row_count:
        out.print(days)
    for line in _unfilled(summary):
        out.print(Text(line))


def print_events(summary: Result) -> None:
    """One row per alarm, then the spans in which events may have gone unheard."""
    table = Table(title="Alarms", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("source", "alarm", "severity", "active from", "to", "acknowledged", "message"):
        justify: Literal["left", "right"] = "right" if heading == "severity" else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for alarm in summary["alarms"]:
        acked = " ".join(part for part in (alarm["acked_time"], alarm["user"]) if part)
        name = alarm["condition_name"] or alarm["condition_id"]
        until = alarm["end"] or "now"
        row = (alarm["source_name"], name, str(alarm["severity"]), alarm["start"], until, acked)
        table.add_row(*(Text(part or "") for part in (*row, alarm["message"])))
    out = console()
    out.print(table)
    kept = summary["received"] - summary["repeats_removed"]
    out.print(f"{number(kept)} events, {number(summary['repeats_removed'])} repeats removed")
    for gap in summary["unheard"]:
        until = gap["to"] or "now"
        line = f"unheard: {gap['server_uri']} {gap['from']} to {until}: {gap['reason']}"
        out.print(Text(line))


def _days(summary: Result) -> Table:
    """The days asked for, else those that are not complete; nodes' where nodes were asked for."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("day", "of", *RECEIVED, "covered", "missing", "complete"):
        side: Literal["left", "right"] = "left" if heading in ("day", "of") else "right"
        table.add_column(heading.replace("_", "\n"), justify=side, overflow="fold")
    is_narrowed = summary.get("is_narrowed", False)
    for server in summary["servers"]:
        own = {server["server_uri"]: server["windows"]} if server["windows"] else {}
        for name, rows in (own or (server["nodes_by_day"] if is_narrowed else {})).items():
            for row in rows:
                share = row["completeness"]
                if is_narrowed or (share is not None and share < 1):
                    table.add_row(*_day(name, row))
    return table


def _day(name: str, row: Result) -> tuple[str, ...]:
    counts = (row["received_live"], row["republished"], row["back_filled"], row["repeats_removed"])
    spans = (row["covered_s"], row["uncovered_s"])
    share = row["completeness"]
    return (
        row["day"], name, *map(number, counts),
        *("–" if span is None else duration(span) for span in spans),
        "–" if share is None else f"{min(share, 1 if share == 1 else 0.9999):.2%}",
    )  # fmt: skip


def _unfilled(summary: Result) -> Iterator[str]:
    for server in summary["servers"]:
        uri = server["server_uri"]
        if server["why"]:
            yield f"{server['state']}: {server['url']} since {server['since']}: {server['why']}"
        for gap in server["open_gaps"]:
            until = gap["to"] or "now"
            yield f"gap: {gap['node_id'] or uri} {gap['from']} to {until}: {gap['reason']}"
        for node, why in server["refused"].items():
            yield f"refused: {node} of {uri}: {why}"
    for segment in summary["unreadable_segments"]:
        yield f"unreadable: {segment}"


_COLOURS: Final = {
    "connected": "green", "backfilling": "cyan", "connecting": "yellow", "degraded": "yellow",
    "reconnecting": "red", "refused": "bold red", "stopped": "dim", "unknown": "bold red",
}  # fmt: skip


def status_view(status: "HomeStatus") -> Group:
    """One row per link, why some are not connected, and the state of collector and disk."""
    now = datetime.now(UTC)
    table = Table(box=box.SIMPLE_HEAD)
    headings = (
        "site", "server", "state", "for", "nodes", "refused", "values/s", "values", "lag", "heard",
    )  # fmt: skip
    for heading in headings:
        is_word = heading in ("site", "server", "state")
        table.add_column(
            heading, justify="left" if is_word else "right", overflow="fold", no_wrap=not is_word
        )
    for link in status.links:
        table.add_row(*_link_row(link, now))
    lines = [Text(line) for line in _told(status)]
    return Group(table, *lines)


def watch_status(home: Path) -> None:
    """The view of a home anew every second, until Ctrl-C."""
    from connectors.status import read_status

    with Live(console=console(), auto_refresh=False) as live:
        while True:
            live.update(status_view(read_status(home)), refresh=True)
            time.sleep(1.0)


def _link_row(link: "LinkStatus", now: datetime) -> tuple[str | Text, ...]:
    rate, lag_s = link.values_per_s, link.lag_s
    return (
        link.site_id,
        link.url.removeprefix("opc.tcp://"),
        Text(link.state, style=_COLOURS[link.state]),
        duration((now - link.since).total_seconds()) if link.since.year > FIRST_YEAR else "–",
        number(link.nodes) if link.nodes else "–",
        number(link.quarantined) if link.quarantined else "–",
        "–" if rate is None else f"{rate:,.0f}",
        number(sum(link.values.values())) if link.values else "–",
        "–" if lag_s is None else f"{lag_s:.1f} s",
        "–" if link.last_heard is None else _ago((now - link.last_heard).total_seconds()),
    )


def _told(status: "HomeStatus") -> Iterator[str]:
    for link in status.links:
        if link.why and link.why != status.why:
            yield f"{link.state}: {link.url}: {link.why}"
        yield from (f"note: {link.url}: {note}" for note in link.notes)
    if status.why:
        yield f"collector: {status.why}"
    else:
        yield f"collector: running (pid {status.pid})"
    free, total = status.disk_free_bytes, status.disk_total_bytes
    lasts = f", lasts {duration(status.lasts_s)} at the present rate" if status.lasts_s else ""
    yield f"disk: {size(free)} of {size(total)} free{lasts}"


_VERDICTS: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def findings_view(findings: "Sequence[Finding]") -> Table:
    """A line for each finding, its remedy below it."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for finding in findings:
        says = Text(finding.says)
        if finding.verdict != "ok":
            says.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(finding.verdict, style=_VERDICTS[finding.verdict]), finding.name, says)
    return table


def _ago(seconds: float) -> str:
    return "now" if seconds < 1.5 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """A span for the eye, in its two largest units: `3 d 4 h`.

    >>> duration(59.6), duration(3660), duration(90_000), duration(1e9)
    ('1 min', '1 h 1 min', '1 d 1 h', '31 y 259 d')
    """
    rest = round(max(seconds, 0.0))
    parts: list[str] = []
    for name, unit_s in (("y", 31_536_000), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, unit_s)
        if count or parts:
            parts.append(f"{count:,} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def size(count: float) -> str:
    """Bytes for the eye, in decimal units.

    >>> size(999), size(12_300), size(67e9), size(1.5e15)
    ('999 B', '12.3 kB', '67.0 GB', '1,500.0 TB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.1f} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= 1000
    return f"{value:,.1f} TB"
