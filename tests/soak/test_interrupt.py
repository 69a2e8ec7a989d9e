"""Ctrl-C in the middle: everything that was started ends, and the last word is one line."""

import signal

import pytest

from tests.soak.walk import Running, Walk, parkpulse

pytestmark = pytest.mark.soak

STARTED = r"^collect: \d+ servers"
"""The collector's own first words: servers, their workers and the truth's writer all run by now."""
SECOND = r"^factory F02"
UP_S, END_S = 180, 30


def test_ctrl_c_ends_every_process_in_time(tmp_path):
    with Walk(tmp_path, "--at", "2026-11-18T15:30") as walk:
        walk.await_line(STARTED, UP_S)
        before = len(walk.lines)
        walk.interrupt()
        assert len(walk.left()) >= 4, "simulate, two workers and collect were to be seen"
        code, took_s = walk.end(END_S)
        assert walk.left() == []
    print(f"ended {took_s:.1f} s after SIGINT")
    assert code == 130
    own = [
        line for line in walk.told_from(before) if not line.startswith(("collect:", "simulate:"))
    ]
    assert own == ["stopped"], walk.told_from(before)
    assert "Traceback" not in "\n".join(walk.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_asked_for_while_dagster_computes_begins_no_other_factory(tmp_path, number):
    home = tmp_path / "home"
    made = parkpulse("simulate", "--offline", home, "--days", 1)
    assert made.returncode == 0, made.stderr
    with Running("materialize", "--home", home) as run:
        run.await_line(SECOND, UP_S)
        before = len(run.lines)
        run.interrupt(number)
        code, _ = run.end(END_S)
        assert run.left() == []
    assert code == 130
    assert run.told_from(before) == ["stopped"]
