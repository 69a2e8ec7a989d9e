"""Machine-shifts beside the true ones, as `parkpulse verify` prints them."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from rich import box
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]


def tables(part: Row) -> Iterator[Table | Text]:
    """By factory with a total, the worst by name, and every one where the part holds them."""
    yield _by_factory(part)
    yield _by_name("Furthest from the truth, then least sure", part["worst"])
    if "every" in part:
        yield _by_name("Every machine-shift", part["every"])


def _by_factory(part: Row) -> Table:
    table = _table(
        "Machine-shifts against the truth",
        ["factory"],
        "machine-\nshifts", "fully\ncovered", "max OEE\nerror", "max loss\nerror s",
        "truth in\nbounds", "median\nwidth", "largest\nwidth", "partly collected,\nin bounds",
    )  # fmt: skip
    for row in part["by_factory"]:
        table.add_row(row["factory_id"], *_tally(row))
    table.add_section()
    table.add_row("all", *_tally(part["total"]), style="bold")
    return table


def _tally(row: Row) -> Iterator[str]:
    yield f"{row['machine_shifts']:,}"
    yield f"{row['fully_covered']:,}"
    yield error(row["max_abs_error"])
    yield error(row["max_loss_error_s"], 1)
    yield f"{row['inside_bounds']:,}/{row['machine_shifts']:,}"
    yield error(row["median_bound_width"])
    yield error(row["max_bound_width"])
    yield f"{row['partly_inside_bounds']:,}/{row['partly_collected']:,}"


def _by_name(title: str, rows: list[Row]) -> Table:
    words = ["factory", "work unit", "day", "shift", "covered"]
    table = _table(title, words, "OEE", "true", "error", "lower..upper", "loss\nerror s")
    for row in rows:
        names = (row[name] for name in ("factory_id", "work_unit_id", "production_day", "shift_id"))
        table.add_row(*(Text(str(name)) for name in (*names, row["covers"])), *_figures(row))
    return table


def _figures(row: Row) -> Iterator[Text]:
    yield Text(_ratio(row["oee"]))
    yield Text(_ratio(row["oee_true"]))
    yield Text(error(row["abs_error"]))
    bounds = f"{_ratio(row['lower'])}..{_ratio(row['upper'])}"
    yield Text(bounds, style="" if row["inside_bounds"] else "red")
    yield Text(error(row["loss_error_s"], 1))


def _table(title: str, words: list[str], *numbers: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading in (*words, *numbers):
        side: Literal["left", "right"] = "left" if heading in words else "right"
        table.add_column(heading, justify=side, overflow="fold")
    return table


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def error(value: float | None, digits: int = 4) -> str:
    """An error for the eye: 0 only where it is 0.

    >>> error(None), error(0.0), error(0.00213), error(3.2e-13), error(12.53, 1)
    ('–', '0', '0.0021', '3e-13', '12.5')
    """
    if value is None:
        return "–"
    if not value:
        return "0"
    return f"{value:.{digits}f}" if abs(value) >= 10**-digits else f"{value:.0e}"
