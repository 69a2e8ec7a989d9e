"""Commands that speak OPC UA: simulate, collect, discover, certificate."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.options import FILE, FOLDER, SECONDS, SEED, TIME, Number
from parkpulse.common import home_option, json_option, patience, say, use


@click.command()
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
    "--register-out",
    "office",
    type=FOLDER,
    default=None,
    help="With --truth: write the district office's register files here, to be imported.",
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
@click.option(
    "--exam",
    is_flag=True,
    help="With --offline: the faults that a detector is examined by, over the days.",
)
def simulate(
    seed: int,
    at: datetime | None,
    truth: Path | None,
    fleet_out: Path,
    office: Path | None,
    signal_period_s: float,
    workers: int,
    wire_faults: bool,
    offline: Path | None,
    days: int,
    exam: bool,
) -> None:
    """Simulated factories and park gateways on loopback OPC UA servers, until stopped."""
    if office is not None and truth is None:
        raise click.UsageError("--register-out needs --truth DIR: the files are part of it")
    if exam:
        from connectors.simulator.exam import days as exam_days

        if offline is None or days != exam_days():
            raise click.UsageError(f"--exam needs --offline FOLDER and --days {exam_days()}")
    if offline is not None:
        from connectors.offline_home import write_offline

        write_offline(
            offline,
            seed=seed,
            anchor=at or datetime.now(UTC),
            days=days,
            truth=truth,
            signal_period_s=signal_period_s,
            exam=exam,
            office=office,
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
        office=office,
    )


@click.command()
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


@click.command()
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


@click.command()
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
