"""The guide "your first real machine", command by command, against a server of flat names."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from asyncua import ua

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guides" / "your-first-real-machine.md"
URL = "opc.tcp://192.168.1.10:4840"
START = datetime.fromisoformat("2026-11-20T08:00:00+08:00")
"""When the guide's shift begins; the test's begins two hours and a half ago."""
NODES = {"运行状态": ua.VariantType.Int16, "产量": ua.VariantType.UInt32,
         "良品": ua.VariantType.UInt32, "模具温度": ua.VariantType.Float}  # fmt: skip
STATES = ((-5, 2), (0, 1), (50, 4), (60, 2), (70, 1), (110, 2), (115, 1), (120, 2))
"""Minute of the shift and state code: fault for ten minutes, then the break, idle for five."""
PIECES, GOOD, PRI_S, PBT_S = 500, 480, 10, 6600


def blocks(kind):
    """The guide's fenced blocks of a kind, by the file they are (commands: in order)."""
    found = re.findall(rf"^```{kind} ?([\w.]*)\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    return dict(found) if kind != "sh" else [text.strip() for _, text in found]


def put_files(folder, url, start):
    """The guide's files, for this server and with its shift at `start`."""
    for name, text in (blocks("csv") | blocks("toml")).items():
        for moved in sorted(set(re.findall(r"2026-11-20T[\d:+]+", text))):
            then = start + (datetime.fromisoformat(moved) - START)
            text = text.replace(moved, then.isoformat())
        day = start.astimezone(START.tzinfo).date().isoformat()
        text = text.replace("2026-11-20", day)
        (folder / name).write_text(text.replace(URL, url), "utf-8")


async def command(line, folder, url, **more):
    """One of the guide's commands in `folder`; gives exit code, stdout and stderr."""
    program, *words = line.replace(URL, url).split()
    assert program == "parkpulse"
    words += [word for name, value in more.items() for word in (f"--{name}", value)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parkpulse", *words, cwd=folder, stdout=-1, stderr=-1,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PARKPULSE_HOME": str(folder / "home")},
    )  # fmt: skip
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


RUNS = ((0, 50), (70, 110), (115, 119))
READ_AT = (-5, *range(4, 120, 5))


def counted(minute, pieces):
    """What a counter reads that began the shift at 1000 and makes `pieces` in its RUNS."""
    ran = sum(max(0, min(minute, end) - begin) for begin, end in RUNS)
    return 1000 + round(pieces * ran / sum(end - begin for begin, end in RUNS))


@pytest.fixture
async def press(plants):
    """A machine that has worked its shift, and works on while it is looked at."""
    plant = await plants()
    start = (datetime.now(UTC) - timedelta(minutes=150)).replace(second=0, microsecond=0)
    past = {"运行状态": STATES, "模具温度": [(m, 180.0 + m % 7) for m in READ_AT]}
    past["产量"] = [(m, counted(m, PIECES)) for m in READ_AT]
    past["良品"] = [(m, counted(m, GOOD)) for m in READ_AT]
    names = {name: f"Channel1.Press1.{name}" for name in NODES}
    for name, kind in NODES.items():
        said = [(start + timedelta(minutes=m), value) for m, value in past[name]]
        await plant.add(names[name], said[-1][1], kind=kind, past=said)

    async def work():
        for i in range(1, 600):
            await asyncio.sleep(0.2)
            await plant.write(names["产量"], 1000 + PIECES + i)
            await plant.write(names["良品"], 1000 + GOOD + i)
            await plant.write(names["模具温度"], 180.0 + i % 7)
            await plant.write(names["运行状态"], (1, 2, 1, 4)[i // 3 % 4])

    working = asyncio.create_task(work())
    yield plant, start
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_the_guide_leads_from_a_flat_server_to_its_oee(press, tmp_path):
    plant, start = press
    look, collect, compute, compare = blocks("sh")
    code, out, err = await command(look, tmp_path, plant.url, observe="3")
    assert (code, "item_state" in out) == (0, True), err
    proposal = pl.read_csv(tmp_path / "tags.csv").rows_by_key("measure", named=True, unique=True)
    assert {m: row["confidence"] for m, row in proposal.items()} == {
        "item_state": "medium", "parts_total": "high", "parts_good": "high", "temperature": "high",
    }  # fmt: skip
    assert {row["work_unit_id"] for row in proposal.values()} == {"Press1"}
    (tmp_path / "fleet.toml").write_text(blocks("toml")["fleet.toml"].replace(URL, plant.url))
    put_files(tmp_path, plant.url, start)

    code, out, err = await command(collect, tmp_path, plant.url, **{"history-hours": "3"})
    assert code == 0, err
    code, out, err = await command(compute, tmp_path, plant.url)
    assert code == 0, err
    (path,) = [
        path for path in (tmp_path / "home/lake/oee_by_shift").rglob("part.parquet")
        if len(pl.read_parquet(path))
    ]  # fmt: skip
    (row,) = pl.read_parquet(path).to_dicts()
    assert (row["work_unit_id"], row["pq"], row["gq"]) == ("Press1", PIECES, GOOD)
    assert row["oee"] == PRI_S * GOOD / PBT_S
    assert (row["pbt_s"], row["adet_s"] + row["adot_s"], row["unknown_s"]) == (PBT_S, 900, 0)
    assert (row["completeness"], row["lower"], row["upper"]) == (1, row["oee"], row["oee"])
    assert row["profile_id"] == "stops-2-min"
    reasons = pl.read_parquet(tmp_path / "home/lake/reasons/factory=F01/part.parquet")
    assert reasons["category"].to_list() == ["setup", "starved"]
    (of_line,) = [
        found for path in (tmp_path / "home/lake/line_oee_by_shift").rglob("part.parquet")
        for found in pl.read_parquet(path).to_dicts()
    ]  # fmt: skip
    assert (of_line["bottleneck"], of_line["oee"]) == ("Press1", row["oee"])

    code, out, _ = await command(compare, tmp_path, plant.url)
    assert (code, "the server is as it says" in out) == (0, True), out
    assert "OEE can be computed" in out
    await plant.add("Channel1.Press1.订单", "A-1", kind=ua.VariantType.String, historized=False)
    code, out, _ = await command(compare, tmp_path, plant.url)
    assert (code, "1 appeared" in out) == (1, True), out
