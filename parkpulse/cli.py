"""ParkPulse's command line: thin, and it imports a room only when a command enters it."""

import os
import signal
import sys
from typing import Final

import click

from connectors.ending import ENDING
from connectors.errors import ParkPulseError
from parkpulse import (
    accounts,
    cards,
    care,
    collection,
    detection,
    district,
    feedback,
    indicators,
    models,
    notify,
    register,
    warnings,
)
from parkpulse.common import say

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
}
"""One thread per BLAS call: reproducible scores, and many times faster on shared cores; and nobody
is told what we do."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="parkpulse")
def cli() -> None:
    """ParkPulse 园区脉搏: OPC UA telemetry in; OEE, adoption, anomalies, publishable KPIs out.

    Start with `parkpulse demo`: a simulated district on loopback OPC UA servers, the whole way to a
    checked release.
    """


COMMANDS: Final = (
    district.demo, collection.simulate, collection.collect, collection.discover,
    collection.certificate, care.status, care.prune, care.doctor, accounts.export, accounts.events,
    accounts.ledger, district.materialize, district.ui, district.report, district.release,
    district.verify, detection.detect, feedback.verdict, feedback.ack, feedback.shelve,
    feedback.unshelve, feedback.alarms, notify.notify, models.model, indicators.indicator,
    register.register, cards.card, warnings.warning,
)  # fmt: skip
for _command in COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run a command; whatever goes wrong is one line that names the culprit and the remedy."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is to be ended
    ENDING.listen()
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
