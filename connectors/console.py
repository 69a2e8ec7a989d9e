"""What the command line prints: tables that line up, Chinese included."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Result = Mapping[str, Any]

PARTS: Final = ("values", "oee", "losses", "adoption", "anomaly")
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
        table.add_column(heading, justify=side)
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
        table.add_column(heading, justify="right" if heading.endswith("ed") else "left")
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
