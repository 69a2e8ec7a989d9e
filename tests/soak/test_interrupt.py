"""Ctrl-C in the middle: everything that was started ends, and the last word is one line."""

import pytest

from tests.soak.walk import Walk

pytestmark = pytest.mark.soak

STARTED = r"^collect: \d+ servers"
"""The collector's own first words: servers, their workers and the truth's writer all run by now."""
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
