"""What the command line prints: tables that line up, Chinese included."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

Result = Mapping[str, Any]


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
    """Every part of the comparison with the truth, and which tolerance is broken."""
    table = Table(title="Recovered figures against the truth", title_justify="left")
    for heading in ("part", "figure", "value", "must"):
        table.add_column(heading, justify="right" if heading in ("value", "must") else "left")
    for part, figures in result.items():
        if not isinstance(figures, Mapping):
            continue
        for name, value in figures.items():
            if isinstance(value, Mapping):
                value = ", ".join(f"{k} {number(v)}" for k, v in value.items())
            must = result.get("tolerances", {}).get(f"{part}.{name}", "")
            if part != "tolerances":
                table.add_row(part, name.replace("_", " "), number(value), must)
        table.add_section()
    out = console()
    out.print(table)
    for broken in result["broken"]:
        out.print(f"[red]broken:[/red] {broken}")
    if not result["broken"]:
        out.print("every stated tolerance holds")


def _gap(server: Result, gap: Result) -> str:
    """One gap: where, from when to when, why."""
    where = gap["node_id"] or server["url"]
    return (
        f"{server['site_id']} {where} from {gap['from']} to {gap['to'] or 'now'}: {gap['reason']}"
    )


def print_ledger(summary: Result) -> None:
    """One row per server, then every segment that cannot be read and every open gap."""
    table = Table(title="Ledger", title_justify="left")
    columns = ["server", "nodes", "live", "republished", "history", "repeats removed", "open gaps"]
    for heading in columns:
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for server in summary["servers"]:
        received = server["received"]
        counts = [received[c.replace(" ", "_")] for c in columns[2:6]]
        cells = [server["nodes"], *counts, len(server["open_gaps"])]
        table.add_row(f"{server['site_id']} {server['url']}", *map(number, cells))
    out = console()
    out.print(table)
    for lost in summary["unreadable_segments"]:
        out.print(f"unreadable: {lost}", soft_wrap=True, highlight=False, markup=False)
    for gap in (_gap(s, gap) for s in summary["servers"] for gap in s["open_gaps"]):
        out.print(f"gap: {gap}")
