"""What commands share: their options, and how they speak."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Final

import click

from connectors.home import Home, default_home
from connectors.options import FOLDER

PATIENCE_S: Final = 2.0
"""Whatever takes longer says what it is doing."""


home_option = click.option(
    "--home",
    type=FOLDER,
    default=default_home,
    help="Where everything is kept. [$PARKPULSE_HOME, else ./parkpulse-home]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def say(text: str) -> None:
    """Progress goes to stderr, figures to stdout."""
    click.echo(text, err=True)


@contextmanager
def patience(text: str) -> Iterator[None]:
    """Say what is being done once it has taken PATIENCE_S."""
    timer = Timer(PATIENCE_S, say, [f"{text} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def say_being_written(command: str, tails: list[str]) -> None:
    """Name in one line what a running collector has not sealed yet."""
    if tails:
        say(
            f"{command}: without {len(tails)} tails that a collector is writing ({tails[0]}, ...);"
            " run again in a minute, when they are sealed, or stop the collector first"
        )


def use(home: Path) -> Home:
    """Make `home` the one that this process, and Dagster in it, work in."""
    os.environ["PARKPULSE_HOME"] = str(home.resolve())
    return Home(home.resolve())
