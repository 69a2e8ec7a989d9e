"""Commands for whoever keeps a collector running: status, prune, doctor."""

import json
import sys
from pathlib import Path

import click

from connectors.options import Number
from parkpulse.common import home_option, json_option, patience, say, use


@click.command()
@home_option
@json_option
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@click.option("--prometheus", is_flag=True, help="Print Prometheus text.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=None,
    help="With --prometheus: serve it on 127.0.0.1:PORT/metrics until Ctrl-C (0: any free port).",
)
def status(home: Path, as_json: bool, watch: bool, prometheus: bool, port: int | None) -> None:
    """How every link stands, since when and why; ends with 1 unless all are connected."""
    if port is not None and not prometheus:
        raise click.UsageError("--port goes with --prometheus")
    if as_json + watch + prometheus > 1:
        raise click.UsageError("choose one of --json, --watch and --prometheus")
    root = use(home).root
    from connectors.status import read_status, status_json

    found = read_status(root)
    if port is not None:
        from connectors.metrics import MetricsServer

        with MetricsServer(root, port) as server:
            say(f"status: {server.url} until Ctrl-C")
            server.serve_forever()
    elif prometheus:
        from connectors.metrics import exposition

        click.echo(exposition(found), nl=False)
    elif as_json:
        click.echo(json.dumps(status_json(found), ensure_ascii=False))
    else:
        from connectors.console import console, status_view, watch_status

        watch_status(root) if watch else console().print(status_view(found))
    sys.exit(0 if found.is_well else 1)


@click.command()
@home_option
@click.option(
    "--keep-days",
    type=Number(min=0, max=36_500),
    default=7.0,
    show_default=True,
    help="Keep segments sealed within so many days.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, remove nothing.")
def prune(home: Path, keep_days: float, dry_run: bool) -> None:
    """Remove old segments all of whose rows bronze holds; nothing that is told by them is lost.

    From then on the lake's raw_values are the only place of their rows: back them up.
    """
    from connectors.console import size
    from connectors.pruning import prune as prune_segments

    paths = use(home)
    with patience("prune: holding segments against bronze"):
        done = prune_segments(paths, keep_days=keep_days, dry_run=dry_run)
    for line in done.kept:
        say(f"prune: kept {line}")
    what = "would free" if dry_run else "freed"
    click.echo(f"{what} {size(done.freed_bytes)}: {done.segments:,} segments, {done.rows:,} rows")
    sys.exit(1 if done.kept else 0)


@click.command()
@home_option
@json_option
def doctor(home: Path, as_json: bool) -> None:
    """Is this machine fit to run, and what to do if not; ends with 1 where something is not."""
    from connectors.doctor import examine, findings_json, is_fit

    with patience("doctor: examining"):
        findings = examine(home.resolve())
    if as_json:
        click.echo(json.dumps(findings_json(home.resolve(), findings), ensure_ascii=False))
    else:
        from connectors.console import console, findings_view

        console().print(findings_view(findings))
    sys.exit(0 if is_fit(findings) else 1)
