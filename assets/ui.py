"""Dagster's pages of a home, read-only, until Ctrl-C."""

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

from connectors.errors import ParkPulseError
from connectors.home import Home

FIRST_PORT: Final = 3000
PORTS: Final = 50
UP_S: Final = 120.0


def serve(home: Home, say: Callable[[str], None]) -> None:
    """Run Dagster's webserver on loopback until interrupted; says where it answers."""
    if importlib.util.find_spec("dagster_webserver") is None:
        raise ParkPulseError("--ui", "needs dagster-webserver", "pip install 'parkpulse[ui]'")
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
            process.wait()
        finally:
            process.terminate()


def free_port() -> int:
    """The first free port from 3000 on, on loopback."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise ParkPulseError(
        "--ui", f"no free port in {FIRST_PORT} to {FIRST_PORT + PORTS}", "end another server"
    )


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + UP_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise ParkPulseError("Dagster's webserver", "does not answer", "run `dagster dev` to see why")
