"""Bad input through the real command line: one line, what to do, an exit code, no traceback."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from connectors import received
from connectors.home import Home
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.release.whole import SUMS, sums_of
from connectors.segments import SegmentWriter
from connectors.simulator.clock import SimClock
from connectors.simulator.nodes import UNIFIED, Series, Served
from connectors.simulator.server import SimulatedServer

ROOT = Path(__file__).parents[1]
NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
DEFECT = "a defect of ours"


def command(*arguments, **environment):
    """Run `python -m parkpulse`; gives exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "parkpulse", *map(str, arguments)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    assert DEFECT not in done.stderr
    return done


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Said:
    """A machine with one variable that has said a value a second for an hour, up to `until`."""

    site_id, server_uri = "F01", "urn:test:said"
    nodes = (Served("nsu=urn:test:said;s=v", ((UNIFIED, "v"),), "Double"),)

    def __init__(self, until):
        first = ticks_of(until) - 3_600 * 10_000_000
        ticks = first + np.arange(3_600, dtype=np.int64) * 10_000_000
        status = np.zeros(len(ticks), np.uint32)
        self.one = Series(ticks, ticks, ticks, np.arange(len(ticks), dtype=float), status)

    def series(self, node):
        return self.one


def rows_of(number, day):
    """Ten rows."""
    rows = [
        {
            "server_uri": "urn:a", "node_id": "nsu=urn:n;s=a",
            "source_ticks": ticks_of(day + timedelta(seconds=n)), "received_time": day,
            "value_type": "Double", "is_array": False, "value_float": float(number * 10 + n),
            "status_code": 0, "origin": "live",
        }
        for n in range(10)
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA)


def segment(home, number, day=NOON):
    """Seal one segment of ten rows."""
    writer = SegmentWriter(home / "segments" / "F01", site_id="F01", server_uri="urn:a")
    writer.append(rows_of(number, day))
    return writer.seal()


@pytest.fixture
def home(tmp_path):
    """A home with three segments."""
    made = Home(tmp_path / "home").create(first_day=NOON.date())
    for number in range(3):
        segment(made.root, number, NOON + timedelta(hours=number))
    return made


def fleet_file(folder, *urls):
    servers = "".join(f'[[factory.server]]\nurl = "{url}"\n' for url in urls)
    path = folder / "fleet.toml"
    path.write_text(f'[[factory]]\nid = "F01"\n{servers}')
    return path


async def collected(home, fleet, *options):
    """Run `collect`; gives its exit code and the lines of stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parkpulse", "collect", "--fleet", str(fleet), "--home", str(home),
        *options, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        _, stderr = await process.communicate()
    assert "Traceback" not in stderr.decode()
    return process.returncode, stderr.decode().splitlines()


@pytest.fixture
async def said():
    """A server of `Said`."""
    now = datetime.now(UTC)
    server = SimulatedServer(Said(now), SimClock(now, time.monotonic()))
    await server.start()
    yield server
    await server.stop()


def told(home):
    """The servers of `ledger --json`, by url."""
    done = command("ledger", "--json", "--home", home)
    assert done.returncode == 0
    return {server["url"]: server for server in json.loads(done.stdout)["servers"]}


async def test_an_unreachable_server_stops_no_other(tmp_path, said):
    dead, home = f"opc.tcp://127.0.0.1:{closed_port()}", tmp_path / "home"
    fleet = fleet_file(tmp_path, dead, said.url)
    code, lines = await collected(home, fleet, "--for", "3")
    assert code == 1, lines
    about = [line for line in lines if dead in line]
    assert len(about) == 1, lines
    assert "start the server or correct its `url` in the fleet file" in about[0]
    assert "1 never reached" in lines[-1]
    rows, _ = received.everything(Home(home), "F01")
    found = rows.filter(pl.col("node_id").cast(pl.String) == Said.nodes[0].node_id)
    assert set(found["value_float"]) == set(map(float, range(3_600)))
    servers = told(home)
    assert servers.keys() == {dead, said.url}
    assert (servers[dead]["server_uri"], servers[dead]["state"]) == (None, "reconnecting")
    assert servers[dead]["why"]
    assert servers[said.url]["state"] == "stopped"


async def test_a_site_of_another_name_is_refused_and_nothing_comes_twice(tmp_path, said):
    home, fleet = tmp_path / "home", fleet_file(tmp_path, said.url)
    code, lines = await collected(home, fleet, "--after-history", "0")
    assert code == 0, lines
    fleet.write_text(fleet.read_text().replace("F01", "F02"))
    code, lines = await collected(home, fleet, "--for", "30")
    assert code == 1, lines
    (line,) = [line for line in lines if said.url in line]
    assert "as site F01" in line
    assert "keep the id F01, or use a new --home" in line
    done = command("export", "--raw", "--out", tmp_path / "raw.parquet", "--home", home)
    assert done.returncode == 0
    nodes = pl.read_parquet(tmp_path / "raw.parquet")["node_id"]
    assert (nodes == Said.nodes[0].node_id).sum() == 3_600
    assert "as site F01" in told(home)[said.url]["why"]


async def test_the_ledger_tells_of_a_server_before_there_is_a_segment(tmp_path):
    home, url = tmp_path / "home", f"opc.tcp://127.0.0.1:{closed_port()}"
    code, lines = await collected(home, fleet_file(tmp_path, url), "--after-history", "0")
    assert code == 1, lines
    assert not (home / "segments").exists()
    assert told(home)[url]["state"] == "reconnecting"
    done = command("ledger", "--home", home)
    assert done.returncode == 0
    assert f"reconnecting: {url} since " in done.stdout.replace("\n", "")


async def test_the_tail_of_a_site_that_the_fleet_names_no_more_is_sealed(home, tmp_path):
    writer = SegmentWriter(home.segments / "F00", site_id="F00", server_uri="urn:a")
    writer.append(rows_of(7, NOON))
    writer.sync()
    (tail,) = (home.segments / "F00").iterdir()
    left = tail.read_bytes()
    tail.unlink()
    tail.write_bytes(left)
    fleet = fleet_file(tmp_path, f"opc.tcp://127.0.0.1:{closed_port()}")
    _, lines = await collected(home.root, fleet, "--for", "0.1")
    assert sum("F00: sealed 10 rows" in line for line in lines) == 1
    rows, (car,) = received.everything(home, "F00")
    assert (rows.height, car.site_id) == (10, "F00")
    assert not list(home.segments.rglob("*.open"))


async def test_a_silent_server_is_named_at_the_end(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"opc.tcp://127.0.0.1:{silent.getsockname()[1]}"
        code, lines = await collected(tmp_path / "home", fleet_file(tmp_path, url), "--for", "1")
    assert code == 1, lines
    (line,) = [line for line in lines if url in line]
    assert "no answer so far; start the server" in line


SERVER = '[[factory]]\nid = "F01"\n[[factory.server]]\nurl = "opc.tcp://x:1"\n'
BAD_FLEETS = {
    "no TOML": ("[[factory]\n", "fleet.toml"),
    "no text": (b"\xff\xfe\x00", "fleet.toml"),
    "unknown key": ('[[factory]]\nid = "F01"\nurl = "opc.tcp://x:1"\n', "`url`"),
    "no server": ('[[factory]]\nid = "F01"\n', "F01"),
    "no number": (f"{SERVER}history_overlap_s = nan\n", "`history_overlap_s`"),
    "no NodeId": (f'{SERVER}nodes = ["ns=70000;s=x"]\n', "'ns=70000;s=x'"),
    "NUL": (
        '[[factory]]\nid = "F01"\ncycles = "a\\u0000"\n[[factory.server]]\nurl = "opc.tcp://x:1"\n',
        "`cycles`",
    ),
}


@pytest.mark.parametrize("case", BAD_FLEETS)
def test_a_malformed_fleet_file_is_named_in_one_line(tmp_path, case):
    content, culprit = BAD_FLEETS[case]
    path = tmp_path / "fleet.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = command("collect", "--fleet", path, "--home", tmp_path / "home")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"parkpulse: {path}")
    assert culprit in line
    assert not (tmp_path / "home").exists()


BAD_OPTIONS = (
    "--history-hours 1e9", "--history-hours nan", "--history-from 0001-01-01",
    "--history-from 9999-12-31T23:59:59-08:00", "--at 0001-01-01", "--for -1", "--for nan",
    "--after-history inf",
)  # fmt: skip


def refused(tmp_path):
    """Commands that name something that is not there or not ours, and the culprit they name."""
    mine, empty = tmp_path / "mine", tmp_path / "empty"
    mine.mkdir()
    empty.mkdir()
    (mine / "letter.txt").write_text("dear")
    fleet = fleet_file(tmp_path, "opc.tcp://127.0.0.1:1")
    nowhere = tmp_path / "nowhere"
    return {
        "missing fleet file": (["collect", "--fleet", nowhere, "--home", empty], nowhere),
        "another's folder": (["collect", "--fleet", fleet, "--home", mine], mine),
        "a file as home": (["export", "--raw", "--out", empty / "o", "--home", fleet], fleet),
        "no segments to export": (
            ["export", "--raw", "--out", empty / "o.parquet", "--home", mine],
            mine,
        ),
        "no ledger to tell": (["ledger", "--home", mine], mine),
        "no status to tell": (["status", "--home", mine], mine),
        "nothing to prune": (["prune", "--home", mine], mine),
        "unknown option": (["collect", "--fleet", fleet, "--turbo"], "--turbo"),
        "unknown command": (["colect"], "colect"),
        "no time": (["simulate", "--at", "yesterday"], "'yesterday'"),
        "no release": (["release", "--check", empty], empty),
    } | {
        option: (["collect", "--fleet", fleet, "--home", empty, *option.split()], option.split()[0])
        for option in BAD_OPTIONS
    }


@pytest.mark.parametrize(
    "case",
    [
        "missing fleet file", "another's folder", "a file as home", "no segments to export",
        "no ledger to tell", "no status to tell", "nothing to prune", "unknown option",
        "unknown command", "no time", "no release",
        *BAD_OPTIONS,
    ],
)  # fmt: skip
def test_what_is_refused_is_named_in_one_line(tmp_path, case):
    arguments, culprit = refused(tmp_path)[case]
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("parkpulse: ")
    assert str(culprit) in line
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert len(list((tmp_path / "mine").iterdir())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["materialize", "--from", "0001-01-01"],
        ["report", "--day", "9999-12-31"],
        ["simulate", "--seed", "-1"],
        ["simulate", "--signal-period", "0"],
        ["demo", "--live", "nan"],
        ["status", "--port", "9000"],
        ["status", "--prometheus", "--json"],
        ["prune", "--keep-days", "-1"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_no_option(tmp_path, arguments):
    done = command(*arguments, PARKPULSE_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert arguments[1] in line
    assert not (tmp_path / "home").exists()


def test_a_damaged_segment_is_named_and_the_others_are_exported(home, tmp_path):
    cut, garbled = sorted((home.segments / "F01").glob("*.arrow"))[:2]
    cut.write_bytes(cut.read_bytes()[:200])
    garbled.with_suffix(".json").write_text('{"rows": ')
    done = command("export", "--raw", "--out", tmp_path / "raw.parquet", "--home", home.root)
    assert done.returncode == 1
    for culprit in (cut, garbled.with_suffix(".json")):
        assert sum(str(culprit) in line for line in done.stderr.splitlines()) == 1
    frame = pl.read_parquet(tmp_path / "raw.parquet")
    assert sorted(frame["value_float"]) == [float(n) for n in range(20, 30)]


def test_what_is_being_written_is_told_in_one_line(home, tmp_path):
    writer = SegmentWriter(home.segments / "F01", site_id="F01", server_uri="urn:a")
    writer.append(rows_of(3, NOON))
    writer.sync()
    for arguments in (["export", "--raw", "--out", tmp_path / "raw.parquet"], ["ledger"]):
        done = command(*arguments, "--home", home.root)
        assert done.returncode == 0
        (line,) = [line for line in done.stderr.splitlines() if ".arrow.open" in line]
        assert "stop the collector" in line
    assert pl.read_parquet(tmp_path / "raw.parquet").height == 30


def test_a_device_is_not_replaced(home):
    done = command("export", "--raw", "--out", "/dev/full", "--home", home.root)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "/dev/full: it is no regular file" in line
    assert Path("/dev/full").is_char_device()


def test_bronze_goes_on_past_a_damaged_segment(home, caplog):
    (_, middle, _) = sorted((home.segments / "F01").glob("*.arrow"))
    data = bytearray(middle.read_bytes())
    data[len(data) // 2] ^= 0xFF
    middle.write_bytes(bytes(data))
    rows, read = received.rows(home, "F01", [NOON.date()])
    assert (rows.height, len(read)) == (20, 2)
    (warning,) = caplog.messages
    assert str(middle) in warning
    assert "restore it" in warning


def test_the_ledger_tells_of_damaged_segments_and_a_damaged_ledger(home):
    (first, *_) = sorted((home.segments / "F01").glob("*.arrow"))
    first.write_bytes(b"nothing")
    told = command("ledger", "--json", "--home", home.root)
    assert told.returncode == 0
    (lost,) = json.loads(told.stdout)["unreadable_segments"]
    assert str(first) in lost
    plain = command("ledger", "--home", home.root)
    assert plain.returncode == 0
    assert str(first) in plain.stdout.replace("\n", "")
    home.ledger.write_bytes(b"no database at all" * 100)
    done = command("ledger", "--home", home.root)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert str(home.ledger) in line


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "preliminary-1"
    folder.mkdir()
    files = {"kpi.csv": b"indicator_id\noee\n", "metadata.json": b"{}"}
    for name, content in {**files, SUMS: sums_of(files)}.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_tampered_release_is_told_by_its_first_bad_file(release):
    whole = command("release", "--check", release)
    assert (whole.returncode, whole.stderr) == (0, "")
    for name, content in (("kpi.csv", b"indicator_id\nOEE\n"), ("more.csv", b"")):
        kept = (release / name).read_bytes() if (release / name).exists() else None
        (release / name).write_bytes(content)
        done = command("release", "--check", release)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert str(release / name) in line
        if kept is not None:
            (release / name).write_bytes(kept)


WATCHED = ("dagster", "great_expectations", "sklearn", "scipy", "asyncua")
"""Seconds each; pandas is not among them: pyarrow itself brings it in to look at an array."""
RUN = """
import json, sys
import parkpulse
watched, commands = json.loads(sys.argv[1])
found = {}
for name, arguments in commands.items():
    sys.argv = ["parkpulse", *arguments]
    try:
        parkpulse.main()
    except SystemExit:
        pass
    found[name] = sorted(set(watched) & set(sys.modules))
print(json.dumps(found))
"""


def imported(commands):
    """Which of WATCHED are there after each of the commands, run in one process."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([WATCHED, commands])],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_the_everyday_commands_import_no_orchestrator(home, release, tmp_path):
    at, out = ["--home", str(home.root)], str(tmp_path / "raw.parquet")
    commands = {
        "release": ["release", "--check", str(release)],
        "export": ["export", "--raw", "--out", out, *at],
        "ledger": ["ledger", *at],
        "status": ["status", *at],
        "prune": ["prune", *at],
        "verify": ["verify", "--truth", str(tmp_path / "truth"), *at],
        "collect": ["collect", "--fleet", str(tmp_path / "nowhere"), *at],
    }
    expected = {name: [] for name in commands} | {"collect": ["asyncua"]}
    assert imported(commands) == expected
    assert Path(out).exists()


def test_the_detector_imports_no_orchestrator(tmp_path):
    missing = str(tmp_path / "nowhere.csv")
    found = imported({"fit": ["detect", "fit", "--train", missing, "--model", missing]})
    assert set(found["fit"]) <= {"sklearn", "scipy"}


def test_reading_and_rolling_back_models_imports_no_orchestrator(tmp_path):
    home = Home(tmp_path / "home")
    enter = (
        '{"entry": "version", "work_unit_id": "M1", "machine_type": "t", "version": %d, '
        '"training_days": ["2026-11-20"], "collected_days": 1.0, "training_rows": 500, '
        '"learned": true, "path": "p", "sha256": "s", "fingerprint": "f", "code_version": "c", '
        '"reason": "first", "why": "w", "at": "now", "habits": "{}"}\n'
        '{"entry": "appointment", "work_unit_id": "M1", "version": %d, "since": "2026-11-2%d", '
        '"act": "promoted", "why": "w", "at": "now"}\n'
    )
    register = home.models / "F01" / "register.jsonl"
    register.parent.mkdir(parents=True)
    register.write_text(enter % (1, 1, 1) + enter % (2, 2, 3), "utf-8")
    at = ["--home", str(home.root)]
    found = imported(
        {
            "list": ["model", "list", *at],
            "card": ["model", "card", "M1", *at],
            "rollback": ["model", "rollback", "M1", "--reason", "loud", "--by", "li", *at],
        }
    )
    assert all(set(names) <= {"sklearn", "scipy"} for names in found.values())
    last = json.loads(register.read_text("utf-8").splitlines()[-1])
    assert (last["version"], last["act"], last["since"]) == (1, "rolled_back", "2026-11-23")


def test_the_arithmetic_of_oee_imports_polars_alone():
    script = "import json, sys, pipelines.oee; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    modules = set(json.loads(done.stdout))
    assert "polars" in modules
    assert not modules & {*WATCHED, "numpy", "pyarrow"}
