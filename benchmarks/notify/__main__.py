"""`python -m benchmarks.notify`: the transcript of a flood."""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

import click

from benchmarks.notify.flood import (
    START,
    VirtualClock,
    by_minute,
    delays_s,
    flood,
    most_in,
    trouble,
    world,
)  # fmt: skip


@click.command()
@click.option("--events", type=click.IntRange(60, 5_000), default=500, show_default=True)
@click.option("--hours", type=click.IntRange(1, 48), default=25, show_default=True)
def main(events: int, hours: int) -> None:
    """500 events in an hour by four channels that enforce their limits, with trouble in it."""
    happened, clock = flood(events), VirtualClock()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder) / "home", clock) as found:
        trouble(found)
        found.run(happened, minutes=90)
        found.run(happened, minutes=hours * 60 - 90, step_s=300)
        click.echo(f"{events} events in an hour, {Counter(happened['priority']).most_common()}")
        for name, server in found.servers.items():
            minutes = by_minute(server)
            click.echo(f"\n{name}: messages accepted in each minute that had any")
            click.echo("  " + "  ".join(f"{at}:{minutes[at]}" for at in sorted(minutes)))
        click.echo(
            f"\n{'channel':10}{'events told':>12}{'messages':>10}{'urgent':>8}{'most/min':>10}"
            f"{'refused':>9}{'put off':>9}{'dead':>6}{'median s':>12}{'latest s':>12} (high events)"
        )
        lost = 0
        for name, server in found.servers.items():
            gone = [one for one in found.gone if one.channel == name]
            sent = [one for one in gone if one.status == "sent"]
            told, late = sum(one.events for one in sent), sorted(delays_s(found, name, happened))
            lost += told != events
            click.echo(
                f"{name:10}{told:12}{len(sent):10}{sum(o.is_urgent for o in sent):8}"
                f"{most_in(server, 60):10}{len(server.refused):9}"
                f"{sum(o.status == 'retrying' for o in gone):9}"
                f"{sum(o.status == 'dead' for o in gone):6}"
                f"{median(late):12.0f}{late[-1]:12.0f}"
            )
        click.echo(f"\nof a clock that went {hours} h from {START:%H:%M} UTC, told every 30 s")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
