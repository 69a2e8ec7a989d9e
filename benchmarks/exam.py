"""`python -m benchmarks.exam`: the simulated fleet's exam (exam.toml), through the product.

Seeds 1 to 9 are for whoever develops a detector, 101 to 109 for published figures alone.
"""

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from parkpulse.cli import ENVIRONMENT

if TYPE_CHECKING:
    from benchmarks.examined import Sheet
    from models.evaluate import Quality


@click.command()
@click.option(
    "--seed", type=click.IntRange(1), required=True, help="1-9 develop, 101-109 held out."
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where its home is made, or used again, with `truth` beside it. [a temporary folder]",
)
@click.option("--days", type=int, default=14, show_default=True, help="As exam.toml says.")
@click.option("--factories", default="", help="Of these alone, such as F01,F02. [all]")
@click.option("--controls", is_flag=True, help="Plain detectors beside, at as few false alarms.")
@click.option("--keep", is_flag=True, help="Leave the temporary folder, to be used again.")
def main(
    seed: int, home: Path | None, days: int, factories: str, controls: bool, keep: bool
) -> None:
    """Simulate, materialise, detect, and hold the events against what was planted."""
    warnings.filterwarnings("ignore", message=".*is currently in beta")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before anything loads BLAS
    from benchmarks import examined
    from connectors.simulator.exam import days as exam_days

    if days != exam_days():
        raise click.UsageError(f"exam.toml has {exam_days()} days")
    folder = home.resolve().parent if home else Path(tempfile.mkdtemp(prefix="parkpulse-exam-"))
    root, truth = (home.resolve() if home else folder / "home"), folder / "truth"
    only = [name for name in factories.split(",") if name]
    try:
        _timed("simulate", lambda: examined.simulate(seed, root, truth, only))
        _timed("silver", lambda: examined.silver(root))
        _timed("detect", lambda: examined.detect(root))
        click.echo(f"seed {seed}, {examined.use_of(seed)}")
        sheet = examined.read(root, truth)
        quality = examined.show(sheet)
        if controls:
            _timed("controls", lambda: _beside(sheet, quality, seed))
    finally:
        if home is None and not keep:
            shutil.rmtree(folder)
    if home is None and keep:
        click.echo(f"--home {root}")


def _beside(sheet: "Sheet", quality: "Quality", seed: int) -> None:
    from rich.console import Console

    from benchmarks import exam_controls

    told = exam_controls.answers(sheet, seed)
    Console(width=110).print(exam_controls.table(quality, told, exam_controls.weeks(sheet)))


def _timed(what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    click.echo(f"{what}: {time.monotonic() - began:.0f} s", err=True)


if __name__ == "__main__":
    main()
