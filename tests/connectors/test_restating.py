"""Late values, without Dagster: how far they reach, where they stop, and what stays untouched."""

import shutil
from datetime import UTC, datetime, timedelta
from itertools import chain

import polars as pl
import pyarrow as pa
import pytest

from connectors import fingerprints
from connectors.factory_days import receive, recompute
from connectors.home import Home, write_atomic
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from connectors.raw import RAW_SCHEMA
from connectors.restating import replace_figures
from connectors.restating import told as told_of
from connectors.segments import SegmentWriter
from pipelines.fingerprints import boxes
from pipelines.schemas import CONVENTIONS, PLAN, RESTATEMENTS
from tests.pipelines import plant
from tests.pipelines.plant import Said

DAYS = [plant.DAY + timedelta(days=n) for n in range(9)]
TODAY = DAYS[-1]
NOW = datetime(2026, 3, 20, tzinfo=UTC)
DAY_S, HOUR_S = 86_400, 3_600
MEASURES = ["item_state", "operation_mode", "parts_total", "parts_bad"]


def plan(days, hours=8):
    rows = [
        {"factory_id": "F01", "production_day": day, "shift_id": "E", "kind": "busy",
         "start": plant.at(n * DAY_S + 6 * HOUR_S),
         "end": plant.at(n * DAY_S + (6 + hours) * HOUR_S)}
        for n, day in enumerate(DAYS) if day in days
    ]  # fmt: skip
    return pl.DataFrame(rows, PLAN)


def breaks(days):
    """An hour in each shift."""
    rest = pl.col("start") + timedelta(hours=3)
    whole = plan(days).with_columns(start=rest, end=rest + timedelta(hours=1))
    return whole.with_columns(kind=pl.lit("break"))


def convention(name, start, kept):
    return {"factory_id": "F01", "profile_id": name, "rules": "opc40001-1", "breaks": kept,
            "rework": "not_good", "micro_stop_s": 300.0, "start_up_s": 600.0,
            "least_completeness": 0.9, "valid_from": DAYS[start]}  # fmt: skip


def told(states):
    """A machine that counts every hour, and reports these states (second, number)."""
    said = [Said(60, "operation_mode", 3), Said(60, "parts_bad", 0)]
    said += [Said(second, "item_state", state) for second, state in states]
    said += [
        Said(n * HOUR_S + 120, "parts_total", n * 10, late=1) for n in range(len(DAYS) * 24 - 2)
    ]
    return said


STATES = ((1, 3), (20, 2))
LIVELY = [(n * DAY_S + h * HOUR_S, state) for n in range(len(DAYS)) for h, state in STATES]
"""It stops every evening and starts at night."""
QUIET = [(60, 3), (6 * DAY_S + 60, 2), (6 * DAY_S + 120, 3)]
"""It runs, and stops once, in the first minutes of day 6."""


def seal(home, said):
    rows = plant.raw(said).to_dicts()
    writer = SegmentWriter(home.segments / "F01", site_id="F01", server_uri=plant.SERVER)
    writer.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    writer.seal()


def settle(home):
    """Make what is stale until nothing is; which days, in the order of the runs."""
    made = []
    for turn in range(2 * len(DAYS)):
        found = boxes(fingerprints.stale(home, "F01", TODAY))
        if not found:
            return made
        for first, last in found:
            days = [day for day in DAYS if first <= day <= last]
            fingerprints.begin(home, "F01", days, f"run-{turn}-{first}")
            receive(home, "F01", days)
            recompute(home, "F01", days, run_id=f"run-{turn}-{first}", at=NOW)
            made.append([DAYS.index(day) for day in days])
    raise AssertionError(f"stale for ever: {made}")


def lived(folder, states):
    """A factory of one machine after nine days, all of them made."""
    made = Home(folder / "home").create(first_day=DAYS[0])
    lake, site = Lake(made.lake), Partition(factory="F01")
    lake.write("tags", plant.tags(MEASURES), site)
    lake.write("plan", plan(DAYS), site)
    lake.write("cycles", _cycle(), site)
    with Ledger(made.root) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", plant.SERVER)
        ledger.cover(uri, plant.at(0), plant.at(len(DAYS) * DAY_S))
    seal(made, told(states))
    assert settle(made) == [list(range(len(DAYS)))]
    assert not list((made.lake / "restatements").rglob("*"))
    return made


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    return lived(tmp_path_factory.mktemp("lively"), LIVELY)


@pytest.fixture
def home(lively, tmp_path):
    """A copy of the lively home: stale by nothing, and a test's own."""
    shutil.copytree(lively.root, tmp_path / "home")
    return Home(tmp_path / "home")


def _cycle():
    return plant.cycles(A=300.0).with_columns(product_id=pl.lit(None, pl.String))


def files_of(home):
    return {
        str(path.relative_to(home.lake)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in home.lake.rglob("part.*")
    }


def restated(home):
    """What was told by day: figure, old, new and cause."""
    lake = Lake(home.lake)
    found = {n: lake.read("restatements", Partition(day, "F01")) for n, day in enumerate(DAYS)}
    return {n: rows for n, rows in found.items() if rows is not None}


def test_a_stop_within_a_day_reaches_its_neighbours_and_changes_nothing_there(home):
    before = files_of(home)
    seal(home, [Said(3 * DAY_S + 7 * HOUR_S, "item_state", 1, late=2 * DAY_S),
                Said(3 * DAY_S + 8 * HOUR_S, "item_state", 3, late=2 * DAY_S)])  # fmt: skip
    made = settle(home)
    assert sorted(chain(*made)) == [2, 3, 4]
    assert made[0] == [3]
    (rows,) = restated(home).values()
    assert set(rows["cause"]) == {"late_values"}
    sides = {figure: (old, new) for figure, old, new in rows.select("figure", "old", "new").rows()}
    assert sides["apt_s"] == (8 * HOUR_S, 7 * HOUR_S)
    assert "pq" not in sides
    losses = told_of(Lake(home.lake), "losses_by_shift", Partition(DAYS[3], "F01"))
    of_loss = losses.filter(figure="lost_s").select(
        pl.col("part").str.split("/").list.first(), "old", "new"
    )
    changes = {part: (new or 0) - (old or 0) for part, old, new in of_loss.rows()}
    assert sum(changes.values()) == 0
    assert changes["speed"] == -HOUR_S
    assert set(losses["cause"]) == {"late_values"}
    after = files_of(home)
    changed = {name for name in after if after[name] != before.get(name)}
    inside = f"day={DAYS[3]}/factory=F01"
    outside = {name for name in changed if inside not in name}
    assert outside == {f"fingerprints/day={DAYS[n]}/factory=F01/part.json" for n in (2, 4)}


def test_a_stop_is_carried_until_the_state_is_told_again(tmp_path):
    """The next word of the machine is on day 6: until then the carry-out differs."""
    home = lived(tmp_path, QUIET)
    seal(home, [Said(3 * DAY_S + 12 * HOUR_S, "item_state", 1, late=2 * DAY_S)])
    made = settle(home)
    assert max(chain(*made)) == 7  # silver of day 7 takes what was carried out of day 5
    told = restated(home)
    assert list(told) == [3, 4, 5]
    lost = {n: r.filter(figure="apt_s").select("old", "new").row(0) for n, r in told.items()}
    assert lost == {3: (8 * HOUR_S, 6 * HOUR_S), 4: (8 * HOUR_S, 0), 5: (8 * HOUR_S, 0)}
    assert set(told[3]["cause"]) == {"late_values"}
    assert set(told[5]["cause"]) == {"carried_values"}
    assert settle(home) == []


def test_scrap_from_the_laboratory_belongs_to_its_production_window(home):
    """Seven pieces of day 2 found bad on day 7: source time then, received now."""
    seal(home, [Said(2 * DAY_S + 10 * HOUR_S, "parts_bad", 7, late=5 * DAY_S)])
    settle(home)
    (day, rows), *others = restated(home).items()
    assert (day, others) == (2, [])
    sides = {figure: (old, new) for figure, old, new in rows.select("figure", "old", "new").rows()}
    assert sides["sq"] == (0, 7)
    assert sides["gq"] == (80, 73)
    assert "pq" not in sides
    assert sides["oee"] == pytest.approx((80 * 300 / 28_800, 73 * 300 / 28_800))


def test_a_day_recomputed_alone_gives_what_the_whole_gave(home):
    before = files_of(home)
    for n in (0, 4, 8):
        fingerprints.begin(home, "F01", [DAYS[n]], "alone")
        receive(home, "F01", [DAYS[n]])
        recompute(home, "F01", [DAYS[n]], run_id="alone", at=NOW)
    assert files_of(home) == before


def test_a_changed_plan_restates_its_days_and_no_others(home):
    shorter = pl.concat([plan(DAYS[:5]), plan(DAYS[5:6], hours=4), plan(DAYS[6:])])
    Lake(home.lake).write("plan", shorter, Partition(factory="F01"))
    assert settle(home) == [[4, 5, 6]]
    told = restated(home)
    assert list(told) == [5]
    assert set(told[5]["cause"]) == {"plan"}
    assert told[5].filter(figure="pbt_s").select("old", "new").row(0) == (8 * HOUR_S, 4 * HOUR_S)


def test_a_convention_restates_the_days_from_its_own_on_and_leaves_those_before(home):
    lake, site = Lake(home.lake), Partition(factory="F01")
    lake.write("plan", pl.concat([plan(DAYS), breaks(DAYS)]), site)
    settle(home)
    before = files_of(home)

    def agree(*rows):
        lake.write(
            "conventions", pl.DataFrame([convention(*row) for row in rows], CONVENTIONS), site
        )

    agree(("kept", 5, "kept"))
    assert settle(home) == [[5, 6, 7, 8]]
    own = {n: rows.filter(cause="profile") for n, rows in restated(home).items()}
    assert [n for n, rows in own.items() if rows.height] == [5, 6, 7, 8]
    for rows in list(own.values())[5:]:
        sides = {row["figure"]: row for row in rows.to_dicts()}
        texts = [sides["profile_id"][name] for name in ("old_text", "new_text")]
        assert texts == ["opc40001-1", "kept"]
        numbers = [sides["pbt_s"][name] for name in ("old", "new")]
        assert numbers == [7 * HOUR_S, 8 * HOUR_S]
    after = files_of(home)
    written = {name for name in after if after[name] != before.get(name)}
    assert {name.split("/")[1] for name in written if "day=" in name} == {
        f"day={day}" for day in DAYS[5:]
    }
    for table in ("oee_by_shift", "losses_by_shift"):
        made = [set(lake.read(table, Partition(day, "F01"))["profile_id"]) for day in DAYS]
        assert made == [{"opc40001-1"}] * 5 + [{"kept"}] * 4

    agree(("kept", 5, "kept"), ("usual", 7, "cut"))
    assert settle(home) == [[7, 8]]
    last = restated(home)[7].filter(figure="pbt_s", cause="profile").select("old", "new").rows()
    assert last == [(7 * HOUR_S, 8 * HOUR_S), (8 * HOUR_S, 7 * HOUR_S)]
    agree(("usual", 7, "cut"), ("kept", 5, "kept"))
    assert settle(home) == []


def test_other_cycles_restate_every_day(home):
    faster = _cycle().with_columns(pri_s=pl.lit(150.0))
    Lake(home.lake).write("cycles", faster, Partition(factory="F01"))
    assert settle(home) == [list(range(len(DAYS)))]
    assert [set(rows["cause"]) for rows in restated(home).values()] == [{"cycles"}] * len(DAYS)


def test_a_gap_that_is_found_restates_its_neighbourhood(home):
    with Ledger(home.root) as ledger:
        start, end = (plant.at(5 * DAY_S + h * HOUR_S) for h in (7, 8))
        ledger.open_gap(plant.SERVER, None, start, "found later")
        ledger.close_gap(plant.SERVER, None, end, None)
    assert settle(home) == [[4, 5, 6]]
    (rows,) = restated(home).values()
    assert set(rows["cause"]) == {"coverage"}
    assert rows.filter(figure="unknown_s").select("old", "new").row(0) == (0, HOUR_S)


def test_a_damaged_plan_or_fingerprint_makes_stale_and_is_no_end(home):
    path = home.lake / f"fingerprints/day={DAYS[4]}/factory=F01/part.json"
    path.write_text("{")
    assert list(fingerprints.stale(home, "F01", TODAY)) == DAYS[3:7]  # what it held is unknown
    assert settle(home)[-1]
    for table in ("plan", "conventions"):
        path = Lake(home.lake).path(table, Partition(factory="F01"))
        kept = path.read_bytes() if path.exists() else None
        write_atomic(path, b"no table")
        assert list(fingerprints.stale(home, "F01", TODAY)) == DAYS
        path.write_bytes(kept) if kept else path.unlink()
        assert fingerprints.stale(home, "F01", TODAY) == {}


def test_what_stands_for_a_later_segment_is_not_taken_for_read(home):
    """A segment that is sealed while a run goes on makes its day stale again."""
    fingerprints.begin(home, "F01", [DAYS[4]], "slow")
    receive(home, "F01", [DAYS[4]])
    seal(home, [Said(4 * DAY_S + 7 * HOUR_S, "parts_bad", 0, late=9)])
    recompute(home, "F01", [DAYS[4]], run_id="slow", at=NOW)
    assert list(fingerprints.stale(home, "F01", TODAY)) == [DAYS[4]]


def test_a_restatement_is_told_once_though_the_run_died_behind_it(home):
    lake, part = Lake(home.lake), Partition(DAYS[4], "F01")
    old = lake.read("oee_by_shift", part)
    new = old.with_columns(oee=pl.lit(0.5))
    kept = lake.path("oee_by_shift", part).read_bytes()
    for _ in range(2):
        replace_figures(lake, new, part, cause="late_values", at=NOW, run_id="dies")
        lake.path("oee_by_shift", part).write_bytes(kept)
    rows = lake.read("restatements", part)
    assert rows.schema == RESTATEMENTS
    assert rows.height == 1
    lake.path("oee_by_shift", part).write_bytes(b"damaged")
    _, count = replace_figures(lake, new, part, cause="plan", at=NOW, run_id="r")
    assert count == 0
    assert lake.read("oee_by_shift", part).equals(new)
