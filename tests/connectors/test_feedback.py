"""The journal of what people said: whole lines, kept through crashes and crowds."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feedback import Journal

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from connectors.feedback import Journal
journal, who, most = Journal(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for n in range(most):
    journal.append([{"time": datetime.now(UTC), "by": who, "event_id": f"{who}-{n}",
                     "action": "acknowledge", "note": "长" * 3000}])
    print(n, flush=True)
"""


def said(event_id="M1-20261121T040000Z", **more):
    return {"time": NOON, "by": "li", "event_id": event_id, "action": "acknowledge", **more}


def writer(home, who, most):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), who, str(most)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_was_said_is_read_as_it_was_said(tmp_path):
    journal = Journal(tmp_path)
    assert journal.read().entries == []
    assert not (tmp_path / "feedback").exists()
    one = said(note='轴承已更换\n"ok"', until=NOON + timedelta(hours=8), peak_score=2.5)
    assert journal.append([one, said(action="confirm")]) == [1, 2]
    assert journal.append([said(verdict=None)]) == [3]
    read = journal.read()
    assert read.set_aside == []
    assert read.entries == [
        {"sequence": 1, **one},
        {"sequence": 2, **said(action="confirm")},
        {"sequence": 3, **said()},
    ]
    lines = journal.path.read_text("utf-8").splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2, 3]


def test_bytes_that_are_no_text_do_not_break_the_journal(tmp_path):
    journal = Journal(tmp_path)
    journal.append([said(note=os.fsdecode(b"caf\xe9"))])
    assert journal.read().entries[0]["note"] == "caf?"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.binary(max_size=5))
def test_wherever_a_crash_tears_the_last_line_all_goes_on(tmp_path_factory, cut, junk):
    """Cut after any byte, and maybe bytes that never were written (zeros, halves of characters)."""
    journal = Journal(tmp_path_factory.mktemp("torn"))
    journal.append([said("a"), said("b", note="长注释")])
    first, second = journal.path.read_bytes().splitlines(keepends=True)
    torn = second[: cut % (len(second) + 1)] + junk.replace(b"\n", b"\0")
    journal.path.write_bytes(first + torn)
    is_whole = torn.startswith(second) or torn.strip() == second.strip()
    before = journal.read()
    numbers = journal.append([said("c")])
    after = journal.read()
    ids = ["a", "b"] if is_whole else ["a"]
    assert [one["event_id"] for one in before.entries] == ids
    assert [one["event_id"] for one in after.entries] == [*ids, "c"]
    assert numbers == [len(ids) + 1]
    lost = not is_whole and bool(torn)
    if not (torn.startswith(second) and junk):  # junk after a whole line is a line of its own
        assert len(before.set_aside) == len(after.set_aside) == lost


def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_safe(tmp_path):
    """kill -9 in the middle of writing, again and again."""
    safe = {}
    for n in range(3):
        process = writer(tmp_path, f"w{n}", 10_000)
        for _ in range(6):
            safe[f"w{n}"] = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        rest = process.stdout.read().split("\n")[:-1]
        safe[f"w{n}"] = int(rest[-1]) if rest else safe[f"w{n}"]
        process.stdout.close()
    with Journal(tmp_path).path.open("ab") as file:  # what a kill inside of a write leaves
        file.write(b'{"sequence": 9999, "time": "2026-11-2')
    Journal(tmp_path).append([said("last")])
    read = Journal(tmp_path).read()
    ids = {one["event_id"] for one in read.entries}
    assert {f"{who}-{n}" for who, most in safe.items() for n in range(most + 1)} <= ids
    assert "last" in ids
    assert len(read.set_aside) == 1
    numbers = [one["sequence"] for one in read.entries]
    assert numbers == list(range(1, len(numbers) + 1))


def test_two_writers_at_once_lose_nothing(tmp_path):
    processes = [writer(tmp_path, who, 40) for who in ("a", "b")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda n: Journal(tmp_path).append([said(f"t-{n}")]), range(20)))
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    read = Journal(tmp_path).read()
    wanted = {f"{who}-{n}" for who in "ab" for n in range(40)} | {f"t-{n}" for n in range(20)}
    assert {one["event_id"] for one in read.entries} == wanted
    assert [one["sequence"] for one in read.entries] == list(range(1, 101))
    assert read.set_aside == []


@pytest.mark.parametrize(
    "line",
    [b"[]", b"1", b"{}", b'{"sequence": "1"}', b"\0\0\0", b"\xff",
     b'{"sequence":1,"time":"2026-11-21T04:00:00","by":"a","event_id":"b","action":"c"}',
     b'{"sequence":1,"time":"soon","by":"a","event_id":"b","action":"c"}',
     b'{"sequence":1,"time":"2026-11-21T04:00:00Z","by":"a","event_id":"b","action":7}'],
)  # fmt: skip
def test_a_line_that_is_no_entry_is_counted_and_stops_nobody(tmp_path, line):
    journal = Journal(tmp_path)
    journal.append([said()])
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append([said()])
    read = journal.read()
    assert read.set_aside == [2]
    assert [one["sequence"] for one in read.entries] == [1, 2]
