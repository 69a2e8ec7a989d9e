"""`python -m benchmarks.detection`: what is found on plants unlike ours, controls beside."""

import sys
import time
from functools import partial

import click
from rich.console import Console

from benchmarks import plants
from benchmarks.detection.exam import contenders, said_of_causality
from benchmarks.detection.runs import runs
from benchmarks.detection.tables import show

DEV_SEEDS = plants.DEVELOPMENT[:3]


@click.command()
@click.option("--plants", "names", default=",".join(plants.PLANTS), show_default=True)
@click.option(
    "--seeds", default="", help="Comma-separated; 1 to 9 to develop, 101 to 109 held out."
)
@click.option("--dev", is_flag=True, help="Seeds 1 to 3, the default.")
@click.option("--controls", "with_controls", is_flag=True, help="Controls beside, at two limits.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option(
    "--most-s", type=click.IntRange(10, 7_200), default=1_200, show_default=True,
    help="No case is begun after so many seconds.",
)  # fmt: skip
def main(names: str, seeds: str, dev: bool, with_controls: bool, jobs: int, most_s: int) -> None:
    """Events found, false alarms, delay, culprit, balanced accuracy and VUS-PR, by kind of plant.

    Ours is `models.detector.fit(train)` and `Detector.score(test)`, nothing else. Ends with a check
    that no score knows of later rows; exit code 1 where one does.
    """
    begun = time.monotonic()
    chosen = _chosen(names, seeds, dev)
    console = Console(width=170)
    for name in chosen[0]:
        done = runs(
            name, chosen[1], with_controls=with_controls, jobs=jobs, until=begun + most_s,
            progress=partial(_progress, name),
        )  # fmt: skip
        if not done:
            click.echo(f"{name}: not run, {most_s} s were over")
            continue
        title = f"{name}, seeds {', '.join(map(str, chosen[1]))}, {len(done)} cases"
        show(title, contenders(name, done), console)
    is_causal = True
    for name in chosen[0]:
        said, is_held = said_of_causality(name, chosen[1][0])
        is_causal &= is_held
        click.echo(said)
    click.echo(f"{time.monotonic() - begun:.0f} s in all")
    sys.exit(0 if is_causal else 1)


def _progress(name: str, at: int, of: int) -> None:
    """On a terminal one line that counts, elsewhere a line at each fifth."""
    if sys.stderr.isatty():
        click.echo(f"\r{name} {at}/{of}", err=True, nl=at == of)
    elif at == of or at * 5 // of > (at - 1) * 5 // of:
        click.echo(f"{name} {at}/{of}", err=True)


def _chosen(names: str, seeds: str, dev: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    chosen = tuple(name.strip() for name in names.split(",") if name.strip())
    for name in chosen:
        if name not in plants.PLANTS:
            raise click.BadParameter(f"{name!r}: one of {', '.join(plants.PLANTS)}")
    try:
        numbers = tuple(int(seed) for seed in seeds.split(",") if seed.strip())
    except ValueError:
        raise click.BadParameter(f"--seeds {seeds!r}: numbers with commas between") from None
    if dev and any(seed not in plants.DEVELOPMENT for seed in numbers):
        raise click.BadParameter("--dev goes with seeds 1 to 9 only")
    return chosen, numbers or DEV_SEEDS


if __name__ == "__main__":
    main()
