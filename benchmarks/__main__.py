"""`python -m benchmarks`: one table of ratios from one interleaved run."""

import os
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

MEASUREMENTS: Final = ("decoding", "mixed", "oee", "compaction", "imports")


@click.command()
@click.option(
    "--only",
    type=click.Choice(MEASUREMENTS),
    multiple=True,
    help="One measurement; may be given again. [all]",
)
@click.option(
    "--rounds", type=click.IntRange(1, 50), default=3, show_default=True, help="Medians of so many."
)
def main(only: tuple[str, ...], rounds: int) -> None:
    """Measure ParkPulse beside its peers, in turns, and print ratios.

    Times of a shared machine mean little; a ratio is of two runs seconds apart. Every measurement
    first compares results: where a peer disagrees, nothing is printed and the exit code is 1.
    """
    if find_spec("duckdb") is None:
        raise click.ClickException("duckdb is not installed; run `pip install -e .[bench]`")
    from benchmarks.rounds import DisagreementError, run

    started = time.monotonic()
    table = Table(title=f"medians of {rounds} rounds, {os.cpu_count()} cores", title_justify="left")
    for name in ("task", "contender"):
        table.add_column(name)
    for name in ("seconds", "x ours"):
        table.add_column(name, justify="right")
    said = []
    for name in only or MEASUREMENTS:
        click.echo(f"{name} ...", err=True)
        with tempfile.TemporaryDirectory(prefix="parkpulse-bench-") as folder:
            try:
                measurement = import_module(f"benchmarks.{name}").measurement(Path(folder))
            except DisagreementError as error:
                click.echo(f"benchmarks: {error}", err=True)
                sys.exit(1)
            for number, row in enumerate(run(measurement, rounds)):
                first = number == 0
                table.add_row(
                    row.task if first else "", row.name, f"{row.seconds:.4f}", f"{row.ratio:.2f}"
                )
        table.add_section()
        said.append(f"{measurement.task}: {measurement.agreement}")
    Console(width=100).print(table)
    for line in said:
        click.echo(line)
    click.echo(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
