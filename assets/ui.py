"""Dagster's pages of a home, read-only, until Ctrl-C."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Final
from urllib.error import URLError

from connectors.ending import ENDING
from connectors.errors import ParkPulseError
from connectors.home import Home

PAGES: Final = "Dagster's pages"
FIRST_PORT: Final = 3000
PORTS: Final = 50
UP_S: Final = 120.0
POLL_S: Final = 0.5


def serve(home: Home, say: Callable[[str], None]) -> None:
    """Run Dagster's webserver on loopback until interrupted; says where it answers."""
    _ = home.first_day  # HomeRefused where there is no home
    if importlib.util.find_spec("dagster_webserver") is None:
        raise ParkPulseError(PAGES, "need dagster-webserver", "pip install 'parkpulse[ui]'")
    from assets.materialize import prepare

    prepare()
    port = free_port()
    command = [
        sys.executable, "-m", "dagster_webserver", "--read-only", "-h", "127.0.0.1",
        "-p", str(port), "-m", "assets.definitions",
    ]  # fmt: skip
    environment = os.environ | {"DAGSTER_HOME": str(home.dagster), "PARKPULSE_HOME": str(home.root)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _await(f"http://127.0.0.1:{port}/server_info", process)
            say(f"Dagster: http://127.0.0.1:{port}/asset-groups (read-only; Ctrl-C ends it)")
            ended(process)
        finally:
            process.terminate()


def free_port() -> int:
    """The first free port from 3000 on, on loopback."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise ParkPulseError(
        PAGES,
        f"no free port in {FIRST_PORT} to {FIRST_PORT + PORTS}",
        "end another server",
    )


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + UP_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise ParkPulseError(
        PAGES,
        "do not answer",
        "start `dagster-webserver -m assets.definitions` to see why",
    )


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Wait in short steps: one long wait does not notice Ctrl-C once Polars is loaded."""
    while process.poll() is None:
        ENDING.check()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
    return process.returncode
