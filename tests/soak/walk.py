"""A command as an operator starts it: a process, its descendants, and what it says meanwhile."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


def parkpulse(*arguments, timeout_s=120):
    """Run a short command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "parkpulse", *map(str, arguments)],
        cwd=ROOT, env=os.environ | CLEAN, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip


def alive(process):
    """Still at work: a zombie has ended, whoever has yet to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Running:
    """A long command in a session of its own; every descendant ever seen is remembered."""

    def __init__(self, *arguments):
        self.lines, self.seen = [], {}
        self._said = threading.Condition()
        # A suite that a shell runs in the background ignores SIGINT; what it starts would too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "parkpulse", *map(str, arguments)],
            cwd=ROOT, env=os.environ | CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever happened, leave no process behind."""
        for process in self.left():
            process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
            self.look()

    def look(self):
        """Remember who descends from it now."""
        try:
            for one in psutil.Process(self.process.pid).children(recursive=True):
                self.seen[one.pid, one.create_time()] = one
        except psutil.NoSuchProcess:
            return

    def left(self):
        """Processes that it started and that still run."""
        return [one for one in list(self.seen.values()) if alive(one)]

    def await_line(self, pattern, within_s):
        """Wait until it says something that matches."""
        deadline = time.monotonic() + within_s
        with self._said:
            while not any(re.search(pattern, line) for line in self.lines):
                left_s = deadline - time.monotonic()
                assert left_s > 0, "\n".join(self.lines[-20:])
                assert self.process.poll() is None, "\n".join(self.lines[-20:])
                self._said.wait(min(left_s, 1))

    def end(self, within_s):
        """Wait for its end; exit code and seconds."""
        started = time.monotonic()
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            last = "\n".join(self.lines[-20:])
            pytest.fail(f"still running after {within_s} s, {len(self.left())} below it:\n{last}")
        self._reader.join(10)
        return code, time.monotonic() - started

    def interrupt(self, number=signal.SIGINT):
        """Ctrl-C that reaches the leader alone, as a supervisor or an IDE sends it."""
        self.look()
        self.process.send_signal(number)

    def told_from(self, count):
        """Lines said after the first `count`, the blank ones left out."""
        return [line for line in self.lines[count:] if line.strip()]


class Walk(Running):
    """`parkpulse demo`."""

    def __init__(self, folder, *more):
        self.home, self.truth = folder / "home", folder / "truth"
        super().__init__("demo", "--home", self.home, "--truth", self.truth, *more)
