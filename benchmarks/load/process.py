"""The load server and the clients it is asked by, each as a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 60.0
_AT_REST: Final = 0.02
"""Share of a core below which a client waits for values and does nothing else."""


class ProcessFailure(Exception):
    """A server or client did not do its part: its figures mean nothing."""


class LoadProcess:
    """A load server in its own process; use it as a context manager."""

    def __init__(
        self, *, variables: int, types: str = "double", per_publish: int = 1_000, history: int = 0
    ) -> None:
        options = {
            "variables": variables, "types": types, "per-publish": per_publish, "history": history,
        }  # fmt: skip
        given = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        self.variables, self.types = variables, types
        self._process = start([sys.executable, "-m", "benchmarks.load", *given])
        self.url = str(self._answer()["url"])

    def __enter__(self) -> "LoadProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=START_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProcessFailure("the load server ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, line: str) -> dict[str, Any]:
        """One line to the server's stdin, its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def go(self, values: int, rate: float = 0) -> None:
        """Let the subscription emit at least so many values."""
        self.ask(f"go {values} {rate}")

    def subscription(self) -> dict[str, Any]:
        """The account of the one subscription there is, {} where there is none."""
        found: list[dict[str, Any]] = self.ask("state")["subscriptions"]
        return found[0] if found else {}

    def wait_for_items(self, client: "ClientProcess") -> None:
        """Until a client has subscribed to every variable and has come to rest."""
        give_up_s = time.monotonic() + START_S
        while time.monotonic() < give_up_s:
            client.check()
            found = self.subscription()
            if found.get("items") == self.variables and found["requests"]:
                before = client.cpu_s()
                time.sleep(0.5)
                if client.cpu_s() - before <= 0.5 * _AT_REST:
                    return
            time.sleep(0.1)
        raise ProcessFailure(f"{client.name} has not subscribed within {START_S:.0f} s")

    def wait_for_all(self, client: "ClientProcess", limit_s: float) -> dict[str, Any]:
        """Until everything emitted is acknowledged; gives the account."""
        give_up_s = time.monotonic() + limit_s
        while time.monotonic() < give_up_s:
            client.check()
            found = self.subscription()
            if found and not found["left"] and found["values"] == found["acknowledged"]:
                return found
            time.sleep(0.05)
        raise ProcessFailure(f"{client.name} has not acknowledged all within {limit_s:.0f} s")


class ClientProcess:
    """A client under measurement: its CPU seconds from outside, its own count at the end."""

    def __init__(self, name: str, command: Sequence[str], folder: Path = ROOT) -> None:
        self.name = name
        self._process = start(command, folder)
        self._seen = psutil.Process(self._process.pid)

    def check(self) -> None:
        """ProcessFailure where it has ended."""
        if self._process.poll() is not None:
            _, said = self._process.communicate()
            raise ProcessFailure(f"{self.name} ended: {said.strip()[-300:]}")

    def cpu_s(self) -> float:
        """User and system time so far, of all its threads."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Resident memory."""
        return int(self._seen.memory_info().rss)

    def interrupt(self) -> None:
        """Ask for an end by SIGINT, and wait for it."""
        self._process.send_signal(2)
        self._end()

    def finish(self) -> dict[str, Any]:
        """End its stdin; gives the JSON it says last."""
        out = self._end()
        found: dict[str, Any] = json.loads(out.splitlines()[-1]) if out else {}
        return found

    def _end(self) -> str:
        out, said = self._process.communicate(timeout=START_S)
        if self._process.returncode:
            raise ProcessFailure(f"{self.name} failed: {said.strip()[-300:]}")
        return out

    def kill(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def start(command: Sequence[str], folder: Path = ROOT) -> "subprocess.Popen[str]":
    """A process with pipes to its stdin, stdout and stderr, one thread per BLAS call."""
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **single},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
