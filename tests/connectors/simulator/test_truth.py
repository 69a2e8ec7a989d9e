"""The truth against a slow twin that reads what the machines said, and the calendar file."""

import itertools
import json
import tomllib
from collections import defaultdict
from datetime import datetime, timedelta

import polars as pl
import pytest

from connectors.conventions import read_conventions
from connectors.plans import CATEGORIES, read_reasons
from connectors.raw import EPOCH_TICKS
from connectors.simulator.fleet_file import CALENDAR, CYCLES, calendar_rows, cycle_rows, write_fleet
from connectors.simulator.machine_shifts import machine_shifts
from connectors.simulator.timeline import build_factories
from connectors.simulator.truth import write_truth

from .conftest import ANCHOR, SEED

ELEMENTS = ("apt_s", "aust_s", "adet_s", "adot_s", "unknown_s")
KEY = ("work_unit_id", "production_day", "shift_id")
BAD = 0x80000000


@pytest.fixture(scope="module")
def truth(factories, tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    write_truth(folder, factories[2:3], start=ANCHOR - timedelta(days=1), end=ANCHOR)
    return folder


@pytest.fixture(scope="module")
def shifts(factories):
    return pl.DataFrame(pl.from_arrow(machine_shifts(factories)))


def test_elements_and_unknown_add_up_to_pbt(shifts):
    ms = shifts.select(
        pbt=(pl.col("pbt_s") * 1000).round().cast(pl.Int64),
        parts=pl.sum_horizontal((pl.col(n) * 1000).round().cast(pl.Int64) for n in ELEMENTS),
    )
    assert (ms["pbt"] == ms["parts"]).all()


def test_pieces_add_up_and_oee_follows(shifts):
    assert (shifts["pq"] == shifts["gq"] + shifts["sq"] + shifts["rq"]).all()
    planned = shifts.filter(pl.col("pbt_s") > 0)
    assert (planned["oee"] - planned["ideal_good_s"] / planned["pbt_s"]).abs().max() < 1e-12
    whole = planned.filter("fully_covered")
    assert (whole["completeness"] == 1).all()
    assert (whole["ideal_total_s"] <= whole["apt_s"] + 300).all()
    by_factory = planned.group_by("factory_id").agg(pl.sum("ideal_good_s") / pl.sum("pbt_s"))
    assert by_factory["ideal_good_s"].is_between(0.55, 0.85).all()


def test_nearly_all_machine_shifts_are_fully_covered(shifts):
    assert shifts["fully_covered"].mean() >= 0.93
    assert (~shifts["fully_covered"]).sum() >= 3
    spoilt = shifts.filter(~pl.col("fully_covered"))
    assert spoilt["work_unit_id"].n_unique() <= 4
    assert (spoilt["unknown_s"] > 0).all()


@pytest.mark.parametrize("number", [0, 2, 4, 6, 8], ids=lambda n: f"F{n + 1:02}")
def test_shifts_equal_a_walk_through_what_was_said(factories, shifts, number):
    site = factories[number]
    known = {tuple(row[n] for n in KEY): row for row in shifts.iter_rows(named=True)}
    plan = [dict(zip(CALENDAR, row, strict=True)) for row in calendar_rows(site.factory, site.span)]
    pri = {tuple(row[1:3]): float(row[3]) for row in cycle_rows(site.factory, site.span)}
    for machine in site.machines[::3]:
        said = _said(site, machine)
        for row in (r for r in plan if r["kind"] == "busy"):
            key = (
                machine.machine.work_unit_id,
                datetime.fromisoformat(row["production_day"]).date(),
                row["shift_id"],
            )
            if key not in known:
                continue
            rules = _rules(site, key[1])
            expected = _walk(row, plan, machine.machine.line_id, said, rules)
            true = known[key]
            for name, seconds in expected["times"].items():
                assert true[name] == pytest.approx(seconds, abs=1e-4), (key, name)
            assert true["fully_covered"] == expected["covered"]
            if true["fully_covered"]:
                good = sum(
                    n * pri[key[0], p] for (p, q), n in expected["pieces"].items() if q == "good"
                )
                assert true["ideal_good_s"] == pytest.approx(good)
                for name, quality in (("gq", "good"), ("sq", "scrap"), ("rq", "rework")):
                    amounts = [n for (_, q), n in expected["pieces"].items() if q == quality]
                    assert true[name] == sum(amounts)


def _said(site, machine):
    """Per measure the (time, value, status) in order of time, skew taken off, repeats removed."""
    said = {}
    for point in machine.points:
        if point.measure in _NEEDED:
            s = site.series(point.served)
            times = (s.source_ticks - site.source_offset_ticks - EPOCH_TICKS) / 1e7
            rows = zip(times.tolist(), s.values.tolist(), s.status.tolist(), strict=True)
            said[point.measure] = sorted(set(rows), key=lambda row: row[0])
    return said


_NEEDED = {
    "item_state", "operation_mode", "packml_state", "packml_mode", "order_id", "product_id",
    "parts_total", "parts_good", "parts_bad", "parts_rework",
}  # fmt: skip


def _rules(site, day):
    """F09's tools are of SEMI E10; F07's of OPC 40501-1 from the default day on."""
    switched = site.site_id == "F07" and day >= site.span.day
    return "semi-e10" if site.site_id == "F09" else "opc40501-1" if switched else "opc40001-1"


def _walk(shift, plan, line_id, said, rules):
    start, end = (datetime.fromisoformat(shift[n]).timestamp() for n in ("start", "end"))
    cut = [
        tuple(datetime.fromisoformat(row[name]).timestamp() for name in ("start", "end"))
        for row in plan
        if row["kind"] in ("break", "planned_maintenance") and row["line_id"] in ("", line_id)
    ]

    def planned(time):
        return start <= time < end and not any(a <= time < b for a, b in cut)

    states = {n: rows for n, rows in said.items() if not n.startswith("parts_")}
    edges = {start, end, *(t for rows in states.values() for t, _, _ in rows)}
    edges |= {t for span in cut for t in span}
    points = sorted(t for t in edges if start <= t <= end)
    times = dict.fromkeys(("pbt_s", *ELEMENTS), 0.0)
    covered = True
    for left, right in itertools.pairwise(points):
        now = {name: _standing(rows, left) for name, rows in states.items()}
        covered &= all(status == 0 for _, status in now.values())
        if planned(left):
            times["pbt_s"] += right - left
            times[_element(now, rules)] += right - left
    pieces = defaultdict(int)
    for measure, rows in said.items():
        if measure.startswith("parts_"):
            before = None
            for time, value, status in rows:
                covered &= status == 0 or not start <= time < end
                if value is None:
                    continue
                step = 0 if before is None else value - before
                if step < 0:
                    step = value + 2**31 - before if before > 2**31 - 1000 else value
                if step and planned(time):
                    pieces[_standing(said["product_id"], time)[0], _QUALITY[measure]] += step
                before = value
    for (product, quality), total in list(pieces.items()):
        if quality == "total" and "parts_good" not in said:
            pieces[product, "good"] = total - pieces[product, "scrap"]
    return {"times": times, "pieces": pieces, "covered": covered}


_QUALITY = {
    "parts_total": "total", "parts_good": "good", "parts_bad": "scrap", "parts_rework": "rework",
}  # fmt: skip


def _standing(rows, time):
    return next((value, status) for t, value, status in reversed(rows) if t <= time)


def _element(now, rules):
    """The rules of docs/architecture.md and of two more profiles, once more in another shape."""
    if any(status >= BAD for _, status in now.values()):
        return "unknown_s"
    order = now["order_id"][0] != ""
    if rules == "opc40501-1":
        running = {3: "apt_s", 2: "aust_s"}.get(now["operation_mode"][0], "adot_s")
        return {3: running, 2: "adot_s"}.get(now["item_state"][0], "adet_s")
    if rules == "semi-e10" and (now["item_state"][0], now["operation_mode"][0]) in [(2, 3), (2, 0)]:
        return "adot_s"
    if "packml_state" in now:
        state, mode = now["packml_state"][0], now["packml_mode"][0]
        if mode == 3:
            return "aust_s"
        if mode == 2 or state == 9:
            return "adot_s"
        if state == 6:
            return "apt_s"
        return "adet_s" if order else "adot_s"
    match now["item_state"][0], now["operation_mode"][0]:
        case 3, 3:
            return "apt_s"
        case _, 2:
            return "aust_s"
        case (_, 1) | (1, 0):
            return "adot_s"
    return "adet_s" if order else "adot_s"


def test_values_are_what_the_nodes_say(truth, factories):
    site = factories[2]
    rows = pl.read_parquet(truth / "values" / "F03.parquet")
    assert rows["node_id"].dtype == pl.String
    assert rows["node_id"].n_unique() == len(site.nodes)
    filled = pl.sum_horizontal(pl.col("^value_(float|int|uint|text|raw)$").is_not_null())
    assert (rows.select(filled).to_series() == (rows["value_type"] != "Null")).all()
    assert ((rows["status_code"] >= BAD) == (rows["value_type"] == "Null")).all()
    begin = EPOCH_TICKS + round((ANCHOR - timedelta(days=1)).timestamp() * 1e7)
    end = EPOCH_TICKS + round(ANCHOR.timestamp() * 1e7)
    for node in site.nodes[::40]:
        series = site.series(node)
        written = rows.filter(pl.col("node_id") == node.node_id)
        inside = (series.delivered_ticks >= begin) & (series.delivered_ticks < end)
        standing = int((series.delivered_ticks < begin).any())
        assert written.height == inside.sum() + standing
        assert written["source_ticks"].to_list()[standing:] == series.source_ticks[inside].tolist()


KEY = ["work_unit_id", "production_day", "shift_id"]


def test_losses_are_the_same_hours_as_the_elements(truth):
    """Two accounts of one course: by element and by loss, to the microsecond."""
    shifts = pl.read_parquet(truth / "machine_shifts.parquet")
    losses = pl.read_parquet(truth / "machine_losses.parquet")
    wide = losses.pivot("loss", index=KEY, values="lost_s").fill_null(0)
    both = shifts.filter(pl.col("pbt_s") > 0).join(wide, on=KEY, how="full", coalesce=True)
    assert both["pbt_s"].null_count() == both["setup"].null_count() == 0
    ran = ["productive", "speed", "start_up", "defect"]
    stopped = ["breakdown", "waiting", "minor_stop"]
    for element, parts in {
        "apt_s": ran, "aust_s": ["setup"], "ideal_good_s": ["productive"],
        "ideal_total_s": ["productive", "start_up", "defect"], "pbt_s": [*ran, *stopped, "setup"],
    }.items():  # fmt: skip
        apart = (both[element] - both.select(pl.sum_horizontal(parts)).to_series()).abs()
        assert apart.max() < 1e-6, element
    down = both["adet_s"] + both["adot_s"]
    assert (down - both.select(pl.sum_horizontal(stopped)).to_series()).abs().max() < 1e-6
    assert losses.filter(pl.col("lost_s") < 0)["loss"].unique().to_list() in ([], ["speed"])
    assert set(losses["loss"]) >= {*ran, *stopped, "setup"}


def test_manifest_and_names(truth):
    manifest = json.loads((truth / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == SEED
    assert manifest["default_day"] == "2026-11-17"
    assert {p.name for p in truth.iterdir()} == {
        "manifest.json", "values", "machine_shifts.parquet", "machine_losses.parquet",
        "faults.parquet", "nastiness.parquet", "conformance.parquet",
    }  # fmt: skip


def test_truth_is_the_same_bytes_again(truth, tmp_path):
    again = build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)
    write_truth(tmp_path, again[2:3], start=ANCHOR - timedelta(days=1), end=ANCHOR)
    files = [p.relative_to(truth) for p in truth.rglob("*") if p.is_file()]
    assert len(files) == 7
    for name in files:
        assert (tmp_path / name).read_bytes() == (truth / name).read_bytes(), name


def test_fleet_file_and_its_csvs(factories, tmp_path):
    path = tmp_path / "deep" / "fleet.toml"
    urls = {site.site_id: f"opc.tcp://127.0.0.1:{4840 + n}" for n, site in enumerate(factories)}
    write_fleet(path, urls, factories[0].span)
    fleet = tomllib.loads(path.read_text(encoding="utf-8"))
    assert [entry["id"] for entry in fleet["factory"]] == [s.site_id for s in factories]
    told = {}
    for entry in fleet["factory"]:
        assert entry["server"][0]["url"] == urls[entry["id"]]
        calendar = pl.read_csv(path.parent / entry["calendar"], infer_schema=False)
        cycles = pl.read_csv(path.parent / entry["cycles"], infer_schema=False)
        reasons = read_reasons(path.parent / entry["reasons"], entry["id"])
        assert set(reasons["category"]) <= set(CATEGORIES)
        assert tuple(calendar.columns) == CALENDAR
        assert tuple(cycles.columns) == CYCLES
        assert set(calendar["kind"]) <= {"busy", "break", "planned_maintenance", "not_planned"}
        assert all(datetime.fromisoformat(t).tzinfo for t in calendar["start"])
        assert cycles["pri_s"].cast(pl.Float64).min() > 0
        if "conventions" in entry:
            agreed = read_conventions(path.parent / entry["conventions"], entry["id"])
            told[entry["id"]] = agreed.select("profile_id", "micro_stop_s", "valid_from").row(0)
    day = factories[0].span.day
    assert told == {
        "F07": ("machining-2", 120, day), "F09": ("semi-e10", 300, day - timedelta(days=30)),
    }  # fmt: skip
