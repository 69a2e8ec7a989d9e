"""`python -m benchmarks`: one table of ratios from one interleaved run."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

MEASUREMENTS: Final = {
    "decoding": "decoding.measurement",
    "mixed": "mixed.measurement",
    "oee": "oee.measurement",
    "oee-scaling": "oee.scaling",
    "oee-memory": "oee.memory",
    "compaction-oee": "raw_oee.measurement",
    "compaction": "compaction.measurement",
    "restate": "restate.measurement",
    "imports": "imports.measurement",
    "ingest-doubles": "ingest.doubles",
    "ingest-large": "ingest.large",
    "ingest-mixed": "ingest.mixed",
    "read": "reading.read",
    "history": "reading.history",
    "browse": "reading.browse",
    "windows": "features.windows",
    "scoring": "features.score",
}
"""What takes turns with its peers: module and function below `benchmarks`."""
YEARS: Final = {"adoption": "adoption.sheet"}
"""What runs once, on files of its own."""
SUSTAINED: Final = {"sustained-20k": 20_000, "sustained-200k": 200_000}
"""What runs by itself for a while: values a second."""
SHEETS: Final = {
    "fleet-day": "features.fleet",
    "fit-week": "features.fitting",
    "detection": "detection.exam.sheet",
}
"""What runs once: module and function below `benchmarks`."""


@click.command()
@click.option(
    "--only",
    type=click.Choice([*MEASUREMENTS, *SHEETS, *YEARS, *SUSTAINED]),
    multiple=True,
    help="One measurement; may be given again. [all]",
)
@click.option(
    "--rounds", type=click.IntRange(1, 50), default=3, show_default=True, help="Medians of so many."
)
@click.option(
    "--seconds",
    type=click.IntRange(2, 3_600),
    default=60,
    show_default=True,
    help="Length of a sustained run.",
)
def main(only: tuple[str, ...], rounds: int, seconds: int) -> None:
    """Measure ParkPulse beside its peers, in turns, and print ratios.

    Times of a shared machine mean little; a ratio is of two runs seconds apart. Every measurement
    compares results: where a peer disagrees, or a value is lost, nothing is printed and the exit
    code is 1.
    """
    for package in ("duckdb", "psutil"):
        if find_spec(package) is None:
            raise click.ClickException(f"{package} is not installed; run `pip install -e .[bench]`")
    from benchmarks.rounds import DisagreementError

    started = time.monotonic()
    table = Table(title=f"medians of {rounds} rounds, {os.cpu_count()} cores", title_justify="left")
    for name in ("task", "contender"):
        table.add_column(name)
    for name in ("measured", "unit", "x ours"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    said: list[str] = []
    for name in only or (*MEASUREMENTS, *SHEETS, *YEARS, *SUSTAINED):
        click.echo(f"{name} ...", err=True)
        with tempfile.TemporaryDirectory(prefix="parkpulse-bench-") as folder:
            try:
                said += _measure(name, Path(folder), rounds, seconds, table)
            except DisagreementError as error:
                click.echo(f"benchmarks: {error}", err=True)
                sys.exit(1)
    Console(width=110).print(table)
    for line in said:
        click.echo(line)
    click.echo(f"{time.monotonic() - started:.0f} s in all")


def _measure(name: str, folder: Path, rounds: int, seconds: int, table: Table) -> list[str]:
    """One task's rows into the table; gives the lines below it."""
    from benchmarks.rounds import run

    if name in SUSTAINED:
        from benchmarks.sustained import measure

        sheet = measure(folder, SUSTAINED[name], seconds)
    elif name in SHEETS:
        sheet = _function(SHEETS[name])()
    elif name in YEARS:
        sheet = _function(YEARS[name])(folder)
    else:
        sheet = run(_function(MEASUREMENTS[name])(folder), rounds)
    for number, row in enumerate(sheet.rows):
        task = sheet.task if number == 0 else ""
        figure = row.why if row.figure is None else f"{row.figure:.4f}"
        table.add_row(
            task, row.name, figure, row.unit, "" if row.ratio is None else f"{row.ratio:.2f}"
        )
    table.add_section()
    return list(sheet.said)


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(f"benchmarks.{module}"), function)
    return found


if __name__ == "__main__":
    main()
