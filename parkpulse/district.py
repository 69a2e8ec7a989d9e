"""Commands of the whole walk: demo, materialize, ui, report, release, verify."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from connectors.home import default_truth
from connectors.options import DAY, FOLDER, SECONDS, SEED, TIME
from parkpulse.common import home_option, json_option, say, use


@click.command()
@home_option
@click.option(
    "--truth",
    type=FOLDER,
    default=default_truth,
    help="Where the simulator keeps what really happened. [./parkpulse-truth]",
)
@click.option(
    "--seed", type=SEED, default=20250, show_default=True, help="Which fleet and which days."
)
@click.option("--at", type=TIME, default=None, help="Pretend it is TIME. [now]")
@click.option(
    "--live",
    "live_s",
    type=SECONDS,
    default=40.0,
    show_default=True,
    help="Seconds of live traffic after the history.",
)
@click.option("--ui", is_flag=True, help="Leave Dagster's pages running (read-only) until Ctrl-C.")
def demo(home: Path, truth: Path, seed: int, at: datetime | None, live_s: float, ui: bool) -> None:
    """The whole walk on simulated factories; ends with verify's exit code."""
    paths = use(home)
    from assets.demo import run

    sys.exit(run(paths, truth.resolve(), seed=seed, at=at, live_s=live_s, ui=ui, say=say))


@click.command()
@home_option
@click.option(
    "--from",
    "first",
    type=DAY,
    default=None,
    help="First local day. [the home's first]",
)
@click.option("--to", "last", type=DAY, default=None, help="Last local day. [today]")
def materialize(home: Path, first: datetime | None, last: datetime | None) -> None:
    """Compute every asset from the collected segments."""
    use(home)
    from assets.materialize import everything

    sys.exit(0 if everything(first and first.date(), last and last.date(), say=say) else 1)


@click.command()
@home_option
def ui(home: Path) -> None:
    """Dagster's pages of a home, read-only, until Ctrl-C: the lineage from server to release."""
    paths = use(home)
    from assets.ui import serve

    serve(paths, say=say)


@click.command()
@home_option
@click.option(
    "--day",
    type=DAY,
    default=None,
    help="Local day. [the last closed one]",
)
def report(home: Path, day: datetime | None) -> None:
    """Write each factory's anomaly report of a day."""
    use(home)
    from assets.materialize import reports

    written, is_well = reports(day and day.date(), say=say)
    for path in written:
        click.echo(path)
    sys.exit(0 if is_well else 1)


@click.command()
@click.argument("period", required=False)
@click.option(
    "--check",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=None,
    help="Is this release whole and untampered?",
)
@home_option
def release(period: str | None, folder: Path | None, home: Path) -> None:
    """Write the bureau's release of PERIOD (a local day such as 2026-11-21), or check one."""
    if folder is not None:
        from connectors.release import check

        check(folder)
        click.echo(f"{folder}: whole and unchanged")
        return
    if period is None:
        raise click.UsageError("name a PERIOD such as 2026-11-21, or a folder with --check")
    use(home)
    from assets.materialize import release_period

    if (written := release_period(period, say=say)) is None:
        sys.exit(1)
    click.echo(written)


@click.command()
@click.option(
    "--truth",
    type=FOLDER,
    default=default_truth,
    help="The simulator's truth. [$PARKPULSE_TRUTH, else ./parkpulse-truth]",
)
@home_option
@json_option
@click.option("--shifts", is_flag=True, help="Every machine-shift beside the true one.")
def verify(truth: Path, home: Path, as_json: bool, shifts: bool) -> None:
    """Compare recovered figures with what the simulator knows to be true."""
    from connectors.console import print_verification
    from connectors.verification import verify as compare

    result = compare(use(home), truth.resolve(), shifts=shifts)
    click.echo(json.dumps(result, ensure_ascii=False)) if as_json else print_verification(result)
    sys.exit(0 if result["ok"] else 1)
