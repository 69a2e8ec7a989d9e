"""Read, HistoryRead and Browse in bulk: our session beside asyncua's client, from one server."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.load.process import ClientProcess, LoadProcess, ProcessFailure
from benchmarks.readers import HISTORY_NODES, READ_NODES, READ_PER_CALL
from benchmarks.rounds import Contender, DisagreementError, Measurement, Target

HISTORY_VALUES: Final = 2_500
BROWSED: Final = 20_000


def read(folder: Path) -> Measurement:
    """Values of many nodes, a thousand a call."""
    task = f"Read of {READ_NODES:,} values, {READ_PER_CALL:,} a call"
    return _measurement(task, "read", "asyncua read_values", 1 / 10, LoadProcess(variables=5_000))


def history(folder: Path) -> Measurement:
    """Raw history of many nodes."""
    task = f"HistoryRead of {HISTORY_NODES} x {HISTORY_VALUES:,} values"
    server = LoadProcess(variables=HISTORY_NODES, history=HISTORY_VALUES)
    return _measurement(task, "history", "asyncua read_raw_history", 1 / 8, server)


def browse(folder: Path) -> Measurement:
    """Every node below Objects."""
    server = LoadProcess(variables=BROWSED)
    task = f"browse {BROWSED:,} variables"
    return _measurement(task, "browse", "asyncua get_children, node by node", 1 / 8, server)


def _measurement(
    task: str, what: str, stock: str, at_most: float, server: LoadProcess
) -> Measurement:
    held = ExitStack()
    held.enter_context(server)
    known: dict[str, Any] = {}

    def contender(name: str, who: str) -> Contender:
        return Contender(name, lambda: _cost(known, name, who, what, server.url), True)

    return Measurement(
        task,
        [contender("ParkPulse", "ours"), contender(stock, "stock")],
        "both found the same",
        f"CPU µs/{'node' if what == 'browse' else 'value'}",
        [Target("ParkPulse", stock, at_most)],
        held=held,
    )


def _cost(known: dict[str, Any], name: str, who: str, what: str, url: str) -> float:
    """CPU µs of one; DisagreementError where it did not find what was found before."""
    client = ClientProcess(name, [sys.executable, "-m", "benchmarks.readers", who, what, url])
    try:
        told = client.finish()
    except ProcessFailure as error:
        raise DisagreementError(str(error)) from error
    finally:
        client.kill()
    first = known.setdefault("found", (told["count"], told["digest"]))
    if first != (told["count"], told["digest"]):
        raise DisagreementError(f"{what}: {name} found {told['count']:,}, not the same as before")
    return float(told["cpu_s"]) / int(told["count"]) * 1e6
