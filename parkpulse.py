"""ParkPulse's command line: thin, and it imports a room only when a command enters it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Final

import click

from connectors.errors import ParkPulseError
from connectors.home import Home, default_home, default_truth
from connectors.options import DAY, FILE, FOLDER, SECONDS, SEED, TIME, Number

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
}
"""One thread per BLAS call: reproducible scores, and many times faster on shared cores; and nobody
is told what we do."""

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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="parkpulse")
def cli() -> None:
    """ParkPulse 园区脉搏: OPC UA telemetry in; OEE, adoption, anomalies, publishable KPIs out.

    Start with `parkpulse demo`: a simulated district on loopback OPC UA servers, the whole way to a
    checked release.
    """


@cli.command()
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


@cli.command()
@click.option("--seed", type=SEED, default=20250, show_default=True)
@click.option("--at", type=TIME, default=None, help="Anchor of the timeline. [now]")
@click.option("--truth", type=FOLDER, default=None, help="Write what really happens here.")
@click.option(
    "--fleet-out",
    type=FILE,
    default=Path("fleet.toml"),
    show_default=True,
    help="Write the collector's fleet file here when all servers answer.",
)
@click.option(
    "--signal-period",
    "signal_period_s",
    type=Number(min=1, max=86_400),
    default=90.0,
    show_default=True,
    help="Seconds between two samples of a process signal.",
)
@click.option(
    "--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Server processes."
)
@click.option(
    "--wire-faults/--no-wire-faults",
    default=True,
    show_default=True,
    help="Drop connections and restart servers.",
)
@click.option(
    "--offline",
    type=FOLDER,
    default=None,
    help="Start no server: write a home with the segments a collector would have sealed.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 30),
    default=2,
    show_default=True,
    help="Closed local days for --offline.",
)
def simulate(
    seed: int,
    at: datetime | None,
    truth: Path | None,
    fleet_out: Path,
    signal_period_s: float,
    workers: int,
    wire_faults: bool,
    offline: Path | None,
    days: int,
) -> None:
    """Simulated factories and park gateways on loopback OPC UA servers, until stopped."""
    if offline is not None:
        from connectors.offline_home import write_offline

        write_offline(
            offline,
            seed=seed,
            anchor=at or datetime.now(UTC),
            days=days,
            truth=truth,
            signal_period_s=signal_period_s,
            say=say,
        )
        return
    from connectors.simulator.service import run

    run(
        seed=seed,
        at=at,
        truth=truth,
        fleet_out=fleet_out,
        workers=workers,
        signal_period_s=signal_period_s,
        wire_faults=wire_faults,
    )


@cli.command()
@click.option(
    "--fleet",
    "fleet_file",
    type=FILE,
    required=True,
    help="The fleet file: which servers to collect.",
)
@home_option
@click.option(
    "--for",
    "for_s",
    type=SECONDS,
    default=None,
    help="Stop after this many seconds. [until Ctrl-C]",
)
@click.option(
    "--history-hours",
    type=Number(min=0, max=20 * 8_760),
    default=48.0,
    show_default=True,
    help="How far back a first collection reads history.",
)
@click.option(
    "--after-history",
    "after_history_s",
    type=SECONDS,
    default=None,
    help="Stop so many seconds after the history is in.",
)
@click.option("--history-from", type=TIME, default=None, help="Or the exact time.")
@click.option(
    "--at",
    type=TIME,
    default=None,
    help="Replays only: stamp what is received as if started at TIME.",
)
def collect(
    fleet_file: Path,
    home: Path,
    for_s: float | None,
    history_hours: float,
    history_from: datetime | None,
    at: datetime | None,
    after_history_s: float | None,
) -> None:
    """Collect every readable value of the fleet's servers into durable segments.

    With --for or --after-history it ends with 1 if a server was never reached.
    """
    from connectors.opcua.service import run

    code = run(
        fleet_file,
        use(home),
        for_s=for_s,
        after_history_s=after_history_s,
        history_hours=history_hours,
        history_from=history_from,
        at=at,
        say=say,
    )
    sys.exit(code)


@cli.command()
@click.argument("endpoint")
@click.option(
    "--security",
    default="None",
    show_default=True,
    help="Policy and mode as in the fleet file: Basic256Sha256/SignAndEncrypt.",
)
@click.option("--user", default=None, help="User name. [anonymous]")
@click.option("--password-env", default=None, help="Environment variable that holds the password.")
@click.option("--write", "out", type=FILE, default=None, help="Propose a tag file to complete.")
@click.option("--against", type=FILE, default=None, help="What differs from this tag file?")
@click.option(
    "--observe",
    "observe_s",
    type=Number(min=0, max=3_600),
    default=10.0,
    show_default=True,
    help="Seconds to watch values before a --write.",
)
@home_option
@json_option
def discover(
    endpoint: str,
    security: str,
    user: str | None,
    password_env: str | None,
    out: Path | None,
    against: Path | None,
    observe_s: float,
    home: Path,
    as_json: bool,
) -> None:
    """What an OPC UA server offers: companion specifications, machines, conformance L0 to L3.

    ENDPOINT is like opc.tcp://192.168.1.10:4840. Nothing is configured and nothing is changed.
    Ends with 1 where the server differs from the tag file of --against.
    """
    import asyncio

    from connectors.fleet import ServerEntry
    from connectors.opcua import discovery, discovery_view

    entry = ServerEntry(endpoint, security=security, user=user, password_env=password_env)
    watched_s = observe_s if out else 0.0
    if out:
        discovery.refuse_existing(out)
    with patience(f"discover: browsing {endpoint}" + (f", {watched_s:.0f} s" if out else "")):
        found = asyncio.run(discovery.look(entry, home, observe_s=watched_s))
    given, differences = None, None
    if against:
        given = discovery.read_given(found, against)
        differences = discovery.differences(found, given)
    result = discovery.report(found, given)
    rows = discovery.write_proposal(found, out) if out else None
    if as_json:
        changed = {} if differences is None else {"changes": differences.to_dicts()}
        click.echo(json.dumps(result | changed, ensure_ascii=False))
    else:
        discovery_view.print_report(result)
        if rows is not None and out:
            discovery_view.print_proposal(rows, out)
        if differences is not None and against:
            discovery_view.print_differences(differences, against)
    sys.exit(1 if differences is not None and len(differences) else 0)


@cli.command()
@home_option
@json_option
def certificate(home: Path, as_json: bool) -> None:
    """Our application certificate, made on first use: trust it on your servers.

    Also names the certificates of servers that wait in the home's pki/rejected for you to judge.
    """
    from connectors.opcua.certificates import Pki, summary

    paths = use(home)
    paths.refuse_foreign()
    known = summary(Pki(paths.pki))
    if as_json:
        click.echo(json.dumps(known, ensure_ascii=False))
        return
    for name, value in known.items():
        for one in value if isinstance(value, list) else [value]:
            click.echo(f"{name:17} {one}")


@cli.command()
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


@cli.command()
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


@cli.command()
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


@cli.command()
@click.option("--raw", is_flag=True, help="Every collected value once.")
@click.option("--events", "of_events", is_flag=True, help="Every alarm and event once.")
@click.option("--out", type=FILE, required=True, help="Parquet file to write.")
@home_option
def export(raw: bool, of_events: bool, out: Path, home: Path) -> None:
    """Write every collected value (--raw), or every alarm and event, once to one Parquet file."""
    if raw == of_events:
        raise click.UsageError("say what to export: --raw or --events")
    if of_events:
        sys.exit(_export_events(use(home), out))
    from connectors.export import export_raw

    counts = export_raw(use(home).root, out)
    for line in counts.unreadable:
        say(f"export: {line}")
    say_being_written("export", counts.being_written)
    say(f"{out}: {counts.rows_out:,} values ({counts.repeats:,} repeats removed)")
    sys.exit(1 if counts.unreadable else 0)


def _export_events(home: Home, out: Path) -> int:
    """`export --events`; gives the exit code."""
    from connectors.events import export_events

    counts = export_events(home.root, out)
    for line in counts.unreadable:
        say(f"export: {line}")
    say_being_written("export", counts.being_written)
    say(f"{out}: {counts.received - counts.repeats:,} events ({counts.repeats:,} repeats removed)")
    return 1 if counts.unreadable else 0


@cli.command()
@home_option
@json_option
def events(home: Path, as_json: bool) -> None:
    """Alarms: when each was active, its severity, who acknowledged it; and what went unheard."""
    from connectors.console import print_events
    from connectors.events import summary

    found = summary(use(home).root)
    for line in found["unreadable_segments"]:
        say(f"events: {line}")
    say_being_written("events", found["being_written"])
    click.echo(json.dumps(found, ensure_ascii=False)) if as_json else print_events(found)
    sys.exit(1 if found["unreadable_segments"] else 0)


@cli.command()
@home_option
@click.option("--from", "first", type=DAY, default=None, help="First local day. [all]")
@click.option("--to", "last", type=DAY, default=None, help="Last local day. [all]")
@click.option("--node", default="", help="Only nodes whose id has this text in it.")
@json_option
def ledger(
    home: Path, first: datetime | None, last: datetime | None, node: str, as_json: bool
) -> None:
    """What was received, republished, back-filled and repeated, and every open gap."""
    from connectors.accounts import ledger_summary
    from connectors.console import print_ledger

    with patience("ledger: counting"):
        summary = ledger_summary(use(home).root, first and first.date(), last and last.date(), node)
    say_being_written("ledger", summary["being_written"])
    click.echo(json.dumps(summary, ensure_ascii=False)) if as_json else print_ledger(summary)


@cli.command()
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


@cli.command()
@home_option
def ui(home: Path) -> None:
    """Dagster's pages of a home, read-only, until Ctrl-C: the lineage from server to release."""
    paths = use(home)
    from assets.ui import serve

    serve(paths, say=say)


@cli.command()
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


@cli.command()
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


@cli.command()
@click.option(
    "--truth",
    type=FOLDER,
    default=default_truth,
    help="The simulator's truth. [$PARKPULSE_TRUTH, else ./parkpulse-truth]",
)
@home_option
@json_option
def verify(truth: Path, home: Path, as_json: bool) -> None:
    """Compare recovered figures with what the simulator knows to be true."""
    from connectors.console import print_verification
    from connectors.verification import verify as compare

    result = compare(use(home), truth.resolve())
    click.echo(json.dumps(result, ensure_ascii=False)) if as_json else print_verification(result)
    sys.exit(0 if result["ok"] else 1)


@cli.group()
def detect() -> None:
    """The anomaly detector on any table (CSV or Parquet: one time column, numeric sensors)."""


@detect.command("fit")
@click.option("--train", type=FILE, required=True, help="Rows of normal operation.")
@click.option("--model", type=FILE, required=True, help="Where to write the model.")
def detect_fit(train: Path, model: Path) -> None:
    """Learn what is normal."""
    from models.table import fit_file

    with patience(f"detect: learning from {train}"):
        notes = fit_file(train, model).notes
    for note in notes:
        say(f"detect: {note}")


@detect.command("score")
@click.option("--model", type=FILE, required=True)
@click.option("--data", type=FILE, required=True)
@click.option("--out", type=FILE, required=True)
def detect_score(model: Path, data: Path, out: Path) -> None:
    """Score every row; out has timestamp, score, is_anomaly, event_id, contributors."""
    from models.table import score_file

    with patience(f"detect: scoring {data}"):
        score_file(model, data, out)


def main() -> None:
    """Run a command; whatever goes wrong is one line that names the culprit and the remedy."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        say("stopped")
        sys.exit(130)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "parkpulse"
        say(f"parkpulse: {error.format_message()} (see `{path} --help`)")
        sys.exit(2)
    except click.ClickException as error:
        say(f"parkpulse: {error.format_message()}")
        sys.exit(2)
    except (ParkPulseError, OSError) as error:
        say(f"parkpulse: {error}")
        sys.exit(2)
    except Exception as error:
        if type(error).__module__ == "models.errors":  # without importing scikit-learn to know it
            say(f"parkpulse: {error}")
            sys.exit(2)
        if os.environ.get("PARKPULSE_DEBUG"):
            raise
        say(
            f"parkpulse: {type(error).__name__}: {error} "
            "(a defect of ours; PARKPULSE_DEBUG=1 shows where)"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
