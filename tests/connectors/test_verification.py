"""Every tolerance holds on a right home and breaks on one that is wrong in that one thing."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from asyncua import ua
from rich.console import Console

from connectors import accounts, console, export, received, segments
from connectors.errors import HomeRefused, ParkPulseError
from connectors.fleet import read_calendar, read_cycles, read_reasons
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable
from connectors.opcua.session import Attribute
from connectors.raw import RAW_SCHEMA
from connectors.simulator import calendars
from connectors.simulator.offline import write_offline
from connectors.simulator.timeline import build_factories
from connectors.tables import write_catalogue
from connectors.verification import planted, verify
from connectors.verification.truth import Truth
from pipelines import (
    bronze,
    clock,
    conformance,
    conformance_data,
    conformance_findings,
    counters,
    losses,
    oee,
    states,
)
from pipelines.days import ZONE
from pipelines.raw import from_segments
from pipelines.schemas import COUNT_INCREMENTS

ANCHOR = datetime(2026, 11, 18, 12, 0, tzinfo=calendars.ZONE)
YESTERDAY, TODAY = ANCHOR.date() - timedelta(days=1), ANCHOR.date()
START = (ANCHOR.replace(hour=0) - timedelta(days=1) + timedelta(minutes=1)).astimezone(UTC)
"""A minute after the first segment: the skewed clock of F03 runs 37 s ahead."""


def tags_of(site) -> pl.DataFrame:
    variables = []
    for number, node in enumerate(site.nodes):
        values = site.series(node).values
        said = Attribute(values[0] if len(values) else None, 0, 0, None)
        variables.append(
            Variable(ua.NodeId(number, 2), node.node_id, node.path, said, node.value_type)
        )
    return catalogue.tags(
        variables, server_uri=site.server_uri, site_id=site.site_id, is_park=False
    )


def write_by_day(home: Home, name: str, site: str | None, rows: pl.DataFrame, day: pl.Expr) -> None:
    for date in (YESTERDAY, TODAY):
        part = rows.filter(day.clip(lower_bound=YESTERDAY) == date)
        Lake(home.lake).write(name, part, Partition(date, site))


def local(column: str) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(ZONE).dt.date()


def compute(home: Home, site, coverage: pl.DataFrame) -> None:
    """The lake tables of one factory, by calling the arithmetic."""
    tags, key = tags_of(site), site.site_id
    write_catalogue(home.root, key, tags)
    plan = read_calendar(home.root / f"{key}.calendar.csv", key)
    cycles = read_cycles(home.root / f"{key}.cycles.csv", key)
    rows, _ = received.everything(home, key)
    raw = bronze.compact(bronze.quarantine(from_segments(rows))[0])
    offsets = clock.skew_by_day(raw)
    timed = clock.correct(raw, offsets)
    episodes = states.episodes(timed, tags)
    made = counters.increments(timed, tags, cycles)
    own = coverage.filter(pl.col("factory_id") == key)
    reasons = read_reasons(home.root / f"{key}.reasons.csv", key)
    figures = oee.by_shift(episodes, made, plan, cycles, own, tags)
    lost = losses.by_shift(episodes, made, plan, cycles, own, tags, reasons)
    write_by_day(home, "clock_offsets", key, offsets, pl.col("day"))
    write_by_day(home, "count_increments", key, made, local("to_time"))
    write_by_day(home, "oee_by_shift", key, figures, pl.col("production_day"))
    write_by_day(home, "losses_by_shift", key, lost, pl.col("production_day"))
    for day in (YESTERDAY, TODAY):
        of_day = raw.filter(local("source_time").clip(lower_bound=YESTERDAY) == day)
        seen = conformance_data.observe(of_day, tags, day, own)
        found = {
            "conformance": conformance_findings.table(tags, cycles, seen),
            "interface_levels": conformance.assessed(tags, cycles),
        }
        for name, rows in found.items():
            Lake(home.lake).write(name, rows, Partition(day, key))


def event(fault, **more):
    row = {name: fault[name] for name in ("factory_id", "work_unit_id", "kind", "start", "end")}
    return row | {
        "event_id": fault["fault_id"], "signals": fault["signals"], "suppressed_by": None,
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    everyone = build_factories(7, ANCHOR, days_back=1, days_ahead=0, signal_period_s=900)
    sites = [everyone[0], everyone[2]]
    truth, home = root / "truth", Home(root / "home")
    write_offline(home.root, seed=7, anchor=ANCHOR, days=1, sites=sites, truth=truth)
    with Ledger(home.root) as ledger:
        for site in sites:
            ledger.claim(site.site_id, f"opc.tcp://{site.site_id}", site.server_uri)
            ledger.cover(site.server_uri, START, ANCHOR)
        coverage = ledger.coverage()
    for site in sites:
        compute(home, site, coverage)
    faults = pl.read_parquet(truth / "faults.parquet")
    found = [event(fault) for fault in faults.iter_rows(named=True)]
    alarm = found[0] | {"event_id": "false", "work_unit_id": "F01-M99"}
    found[1] |= {"end": None}  # lasts over midnight, and is in the next day's partition too
    again = found[1] | {"end": ANCHOR.astimezone(UTC)}
    quiet = alarm | {"event_id": "quiet", "suppressed_by": "planned_maintenance"}
    events = pl.DataFrame(
        [*found[1:], alarm, quiet, again],
        schema_overrides={"suppressed_by": pl.String},
        infer_schema_length=None,
    )
    for site in sites:
        own = events.filter(pl.col("factory_id") == site.site_id)
        day = pl.when(pl.col("end") == ANCHOR.astimezone(UTC)).then(TODAY).otherwise(local("start"))
        write_by_day(home, "anomaly_events", site.site_id, own, day)
    true = pl.DataFrame(
        {"reference_date": [YESTERDAY] * 2, "park_id": [None, "P01"], "metric_id": "CA-1",
         "basis": "verified", "dimension": "all",
         "class_id": pl.Series([None, None], dtype=pl.String),
         "numerator": [96, 33], "denominator": [140, 52], "unknown": [13, 8]}
    )  # fmt: skip
    true.write_parquet(truth / "adoption.parquet")
    Lake(home.lake).write("adoption", true, Partition(YESTERDAY))
    return SimpleNamespace(home=home, truth=truth, sites=sites)


@pytest.fixture
def copy(world, tmp_path):
    """The right home and its truth, free to be spoiled."""
    shutil.copytree(world.home.root, tmp_path / "home")
    shutil.copytree(world.truth, tmp_path / "truth")
    return SimpleNamespace(home=Home(tmp_path / "home"), truth=tmp_path / "truth")


def broken(copy) -> list[str]:
    """The figures that are broken, each by the words before its value."""
    result = verify(copy.home, copy.truth)
    assert result["ok"] == (not result["broken"])
    return sorted(line.split(" ")[0].rstrip(":") for line in result["broken"])


def rewrite(home: Home, site: str, number: int, change) -> None:
    """Replace a sealed segment by what `change` makes of its table."""
    path = sorted((home.segments / site).glob("*.arrow"))[number]
    car = segments.read_sidecar(path.with_suffix(".json"))
    table = change(segments.read(path))
    path.unlink()
    path.with_suffix(".json").unlink()
    writer = segments.SegmentWriter(path.parent, site_id=site, server_uri=car.server_uri)
    writer.append(table.cast(RAW_SCHEMA).combine_chunks().to_batches()[0])
    writer.seal()


def change_lake(home: Home, name: str, change, site: str | None = "F01") -> None:
    lake = Lake(home.lake)
    for part in list(lake.partitions(name)):
        if part.factory == site and lake.path(name, part).is_file():
            lake.write(name, change(pl.read_parquet(lake.path(name, part))), part)


def test_a_right_home_passes(world):
    result = verify(world.home, world.truth)
    assert result["broken"] == []
    assert result["ok"] is True
    values, figures = result["values"], result["oee"]
    assert values["emitted"] > 50_000
    assert values["exported"] >= values["emitted"]
    assert values["repeats_removed"] > 0
    assert figures["machine_shifts"] >= 30
    assert figures["missing"] == 0
    assert figures["partly_collected"] > 0
    assert figures["fully_covered"] <= figures["machine_shifts"] == figures["inside_bounds"]
    assert result["adoption"] == {"figures": 2, "unequal": 0}
    assert set(result["tolerances"]) >= {"values.lost", "oee.max_abs_error", "adoption.unequal"}


def test_a_truth_outside_its_bounds_is_broken(copy):
    change_lake(copy.home, "oee_by_shift", lambda rows: rows.with_columns(upper=pl.lit(0.01)))
    told = [line for line in verify(copy.home, copy.truth)["broken"] if "inside_bounds" in line]
    assert [line.split()[0] for line in told] == ["oee.inside_bounds", "oee.partly_inside_bounds"]
    assert all("F01-" in line for line in told)


def test_what_was_planted_is_recovered(world):
    result = verify(world.home, world.truth)
    faults = set(pl.read_parquet(world.truth / "faults.parquet")["kind"])
    recovered = {k: v for k, v in result["planted"].items() if k not in faults}
    assert set(recovered) >= {
        "bad", "uncertain", "late", "repeated", "clock_skew", "counter_reset",
        "dropped_connection", "server_restart", "counter_rollover",
    }  # fmt: skip
    for kind, counts in recovered.items():
        assert counts["planted"] > 0, kind
        assert counts["planted"] == counts["recovered"], kind
    planted_faults = sum(result["planted"][kind]["planted"] for kind in faults)
    anomaly = result["anomaly"]
    assert anomaly["planted"] == planted_faults
    assert anomaly["found"] == planted_faults - 1  # the first has no event
    assert anomaly["events"] == planted_faults  # one false alarm; the suppressed one is none
    weeks = 18 * 35.98 / 24 / 7  # nine machines each, a day and a half less a minute
    assert anomaly["false_alarms_per_machine_week"] == pytest.approx(1 / weeks, rel=0.1)
    assert anomaly["culprit_in_top3"] == 1


def test_the_result_is_pure_json(world):
    result = verify(world.home, world.truth)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def drop(table: pa.Table, row: int) -> pa.Table:
    return pa.concat_tables([table.slice(0, row), table.slice(row + 1)]).unify_dictionaries()


def only_once(table: pa.Table) -> int:
    """A row in the middle whose node and time no other row of the segment has."""
    frame = pl.DataFrame(pl.from_arrow(table.select(["node_id", "source_ticks"])))
    alone = (~frame.is_duplicated()).arg_true()
    return int(alone[len(alone) // 2])


def test_a_lost_row_breaks_and_is_named(copy):
    lost = {}

    def change(table):
        row = only_once(table)
        lost["node"] = table["node_id"][row].as_py()
        return drop(table, row)

    rewrite(copy.home, "F01", 2, change)
    result = verify(copy.home, copy.truth)
    assert result["values"]["lost"] == 1
    (line,) = result["broken"]
    assert line.startswith(f"values.lost is 1, must be 0: {lost['node']} (1 from 2026-11-1")


def test_a_planting_with_a_lost_value_is_not_recovered(copy):
    rewrite(
        copy.home, "F01", 2,
        lambda t: t.filter(pc.less(t["status_code"], 0x8000_0000)).unify_dictionaries(),
    )  # fmt: skip
    result = verify(copy.home, copy.truth)
    counts = result["planted"]["bad"]
    assert 0 < counts["recovered"] < counts["planted"]
    assert result["planted"]["server_restart"]["recovered"] < 4


def test_a_row_received_twice_is_no_fault(copy, world):
    before = verify(world.home, world.truth)["values"]
    rewrite(
        copy.home, "F01", 2,
        lambda t: pa.concat_tables([t, t.slice(5, 1)]).unify_dictionaries(),
    )  # fmt: skip
    result = verify(copy.home, copy.truth)
    assert result["ok"]
    assert result["values"]["repeats_removed"] == before["repeats_removed"] + 1


def test_an_export_that_repeats_breaks(copy, monkeypatch):
    monkeypatch.setattr(export.bronze, "compact", lambda frame: frame)
    assert broken(copy) == ["values.repeated"]


def test_an_altered_value_breaks_as_lost_and_foreign(copy):
    def change(table):
        row = only_once(table)
        status = table["status_code"].to_pylist()
        status[row] ^= 1 << 16
        return table.set_column(
            RAW_SCHEMA.get_field_index("status_code"),
            RAW_SCHEMA.field("status_code"),
            pa.array(status, pa.uint32()),
        )

    rewrite(copy.home, "F03", 2, change)
    assert broken(copy) == ["values.foreign", "values.lost"]


def test_a_segment_that_cannot_be_read_breaks(copy):
    path = sorted((copy.home.segments / "F01").glob("*.arrow"))[2]
    path.write_bytes(path.read_bytes()[:-10] + b"0123456789")
    result = verify(copy.home, copy.truth)
    assert result["values"]["unreadable_segments"] == 1
    assert any(path.name in line for line in result["broken"])


def test_a_site_without_coverage_breaks(copy):
    with Ledger(copy.home.root) as ledger:
        ledger._db.execute("delete from coverage where server_uri like '%F03'")
    assert "values.uncollected_sites" in broken(copy)


def test_a_home_that_collected_nothing_breaks(copy):
    with Ledger(copy.home.root) as ledger:
        ledger._db.execute("delete from coverage")
    result = verify(copy.home, copy.truth)
    assert result["values"] is None
    assert any(
        line.startswith("values: the ledger vouches for nothing") for line in result["broken"]
    )


def whole_shift(rows: pl.DataFrame) -> pl.Expr:
    """The first shift that was collected whole."""
    whole = rows.select((pl.col("start") >= START) & ~pl.col("is_open")).to_series()
    return pl.int_range(pl.len()) == int(whole.arg_true()[0])


def change_shift(copy, **more) -> None:
    path = Lake(copy.home.lake).path("oee_by_shift", Partition(YESTERDAY, "F01"))
    rows = pl.read_parquet(path)
    at = whole_shift(rows)
    rows.with_columns(
        pl.when(at).then(value).otherwise(name).alias(name) for name, value in more.items()
    ).write_parquet(path)


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        ({"oee": pl.col("oee") + 0.002}, ["oee.max_abs_error"]),
        ({"oee": pl.lit(None, pl.Float64)}, ["oee.max_abs_error"]),
        ({"oee": pl.col("oee") + 0.0005}, []),
        ({"completeness": pl.col("completeness") - 0.002}, ["oee.max_completeness_error"]),
        ({"apt_s": pl.col("apt_s") - 2}, ["losses.max_abs_error_s"]),
        ({"apt_s": pl.col("apt_s") - 0.5}, []),
        ({"is_open": pl.lit(value=True)}, ["oee.missing"]),
    ],
)
def test_a_wrong_oee_breaks(copy, change, figures):
    change_shift(copy, **change)
    assert broken(copy) == figures


def test_a_stop_in_the_wrong_loss_breaks(copy):
    """Its shift's elements are right, and so is its OEE."""
    path = Lake(copy.home.lake).path("losses_by_shift", Partition(YESTERDAY, "F01"))
    rows = pl.read_parquet(path)
    setup, waiting = pl.lit("setup"), pl.lit("waiting")
    rows.with_columns(
        loss=pl.when(pl.col("loss") == setup).then(waiting).otherwise("loss")
    ).write_parquet(path)
    result = verify(copy.home, copy.truth)
    assert result["losses"]["max_share_error"] > 0.001
    assert [line.split(" ")[0] for line in result["broken"]] == ["losses.max_abs_error_s"]


def test_a_stop_in_the_wrong_loss_names_its_shift(copy):
    """The elements of every shift are right: only its losses tell which one it is."""
    path = Lake(copy.home.lake).path("losses_by_shift", Partition(YESTERDAY, "F01"))
    rows = pl.read_parquet(path)
    shifts = pl.read_parquet(Lake(copy.home.lake).path("oee_by_shift", Partition(YESTERDAY, "F01")))
    key = ["work_unit_id", "production_day", "shift_id"]
    whole = shifts.filter(pl.col("start") >= START, ~pl.col("is_open")).select(key)
    setups = rows.filter(pl.col("loss") == "setup").join(whole, on=key).sort(key)
    name = dict(zip(key, setups.select(key).row(-1), strict=True))
    here = pl.all_horizontal(pl.col(n) == value for n, value in name.items())
    wrong = here & (pl.col("loss") == "setup")
    rows.with_columns(loss=pl.when(wrong).then(pl.lit("waiting")).otherwise("loss")).write_parquet(
        path
    )
    result = verify(copy.home, copy.truth)
    (line,) = result["broken"]
    assert line.endswith(f"{name['work_unit_id']} {name['production_day']} {name['shift_id']}")
    first = result["machine_shifts"]["worst"][0]
    assert [str(name[n]) for n in key] == [first[n] for n in key]
    assert first["loss_error_s"] == pytest.approx(result["losses"]["max_abs_error_s"])


def test_our_own_incompleteness_does_not_excuse_an_error(copy):
    change_shift(copy, oee=pl.col("oee") - 0.1, completeness=pl.lit(0.5))
    assert broken(copy) == ["oee.max_abs_error", "oee.max_completeness_error"]


def test_a_shift_that_is_missing_breaks(copy):
    path = Lake(copy.home.lake).path("oee_by_shift", Partition(YESTERDAY, "F01"))
    rows = pl.read_parquet(path)
    gone = rows.filter(whole_shift(rows))
    rows.filter(~whole_shift(rows)).write_parquet(path)
    result = verify(copy.home, copy.truth)
    assert [line.split(" ")[0] for line in result["broken"]] == ["oee.missing"]
    assert gone["work_unit_id"][0] in result["broken"][0]


def test_too_few_fully_covered_shifts_break(copy):
    path = copy.truth / "machine_shifts.parquet"
    pl.read_parquet(path).with_columns(fully_covered=pl.int_range(pl.len()) % 5 != 0).write_parquet(
        path
    )
    assert broken(copy) == ["oee.fully_covered"]


def test_one_wrong_adoption_figure_breaks(copy):
    change_lake(
        copy.home, "adoption",
        lambda rows: rows.with_columns(numerator=pl.col("numerator") + pl.col("park_id").is_null()),
        site=None,
    )  # fmt: skip
    result = verify(copy.home, copy.truth)
    assert result["adoption"] == {"figures": 2, "unequal": 1}
    assert result["broken"] == [
        "adoption.unequal is 1, must be 0: district CA-1 verified numerator 97 (true 96)"
    ]


def test_what_was_not_computed_is_null_and_breaks(copy):
    shutil.rmtree(copy.home.lake)
    result = verify(copy.home, copy.truth)
    assert result["conformance"] is None
    assert [result[part] for part in ("oee", "losses", "adoption", "anomaly")] == [None] * 4
    parts = [line.split(":")[0] for line in result["broken"]]
    assert parts == ["oee", "losses", "adoption", "conformance"]
    assert result["planted"]["counter_reset"]["recovered"] is None
    assert result["planted"]["bad"]["recovered"] > 0


def test_a_wrong_level_breaks_and_names_its_machine(copy):
    right = verify(copy.home, copy.truth)["conformance"]
    assert (right["machines"], right["days"]) == (17, 2)
    assert (right["unequal"], right["clocks_off"], right["unequal_clocks"]) == (0, 1, 0)
    lower = pl.when(pl.col("work_unit_id") == "F01-M02").then(1).otherwise(pl.col("level"))
    change_lake(
        copy.home, "interface_levels",
        lambda rows: rows.with_columns(level=lower.cast(pl.Int8)), "F01",
    )  # fmt: skip
    (line,) = verify(copy.home, copy.truth)["broken"]
    assert line.startswith("conformance.unequal is ")
    assert line.endswith(": F01-M02")


def test_a_factory_day_that_was_not_made_breaks(copy):
    shutil.rmtree(Lake(copy.home.lake).path("interface_levels", Partition(TODAY, "F03")).parent)
    (line,) = verify(copy.home, copy.truth)["broken"]
    assert line.startswith("conformance.unequal is 9")
    assert "F03" in line


def test_levels_of_nobody_break(copy):
    change_lake(copy.home, "interface_levels", lambda rows: rows.clear(), "F01")
    change_lake(copy.home, "interface_levels", lambda rows: rows.clear(), "F03")
    assert broken(copy) == ["conformance.unequal"]


def test_a_clock_that_nobody_told_of_breaks(copy):
    unsaid = ~pl.col("finding").str.starts_with("clock")
    change_lake(copy.home, "conformance", lambda rows: rows.filter(unsaid), "F03")
    (line,) = verify(copy.home, copy.truth)["broken"]
    assert line.startswith("conformance.unequal_clocks is ")
    assert line.endswith(": F03")


def test_a_fall_of_a_count_that_nobody_planted_breaks(copy):
    def fell(rows):
        more = {"factory_id": "F03", "work_unit_id": "F03-M01", "finding": "count_fell"}
        row = pl.DataFrame([dict.fromkeys(rows.columns) | more], schema=rows.schema)
        return pl.concat([rows, row])

    change_lake(copy.home, "conformance", fell, "F03")
    assert broken(copy) == ["conformance.unplanted_falls"]


def test_adoption_is_not_asked_of_a_world_without_parks(copy):
    (copy.truth / "adoption.parquet").unlink()
    result = verify(copy.home, copy.truth)
    assert result["adoption"] is None
    assert result["ok"]


def test_unrecovered_counters_and_clocks_are_seen(copy):
    change_lake(copy.home, "count_increments", lambda rows: rows.clear(), "F01")
    change_lake(
        copy.home, "clock_offsets",
        lambda rows: rows.with_columns(pl.col("offset_us") + 200_000), "F03",
    )  # fmt: skip
    found = verify(copy.home, copy.truth)["planted"]
    assert found["counter_rollover"]["recovered"] == 0
    assert found["clock_skew"]["recovered"] == 0
    assert found["counter_reset"]["recovered"] > 0


def test_a_wire_fault_just_before_the_end_counts_on_a_skewed_server_too(copy):
    record = copy.truth / "wire_faults.jsonl"
    before = verify(copy.home, copy.truth)["planted"]["server_restart"]["planted"]
    end = ANCHOR.astimezone(UTC)
    for after_s in (-5, 5):  # F03's clock runs 37 s ahead; the second fault is after the end
        times = {
            "start": end + timedelta(seconds=after_s - 3),
            "end": end + timedelta(seconds=after_s),
        }
        line = {"kind": "server_restart", "server_uri": "urn:parkpulse:sim:F03"}
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {k: t.isoformat() for k, t in times.items()}) + "\n")
    assert verify(copy.home, copy.truth)["planted"]["server_restart"]["planted"] == before + 1


def test_values_beyond_the_span_of_the_truth_are_excused_not_counted_as_right(copy):
    """One standing value per node may be older than the truth; a second one is foreign."""

    def older(table, rows):
        ticks = table["source_ticks"].to_pylist()
        wanted = pc.equal(table["node_id"], table["node_id"][0])
        same = pc.filter(pa.array(range(len(table))), wanted.combine_chunks()).to_pylist()[:rows]
        old = [ticks[row] - 30 * 24 * 3600 * 10_000_000 for row in same]
        copies = table.take(same).set_column(2, RAW_SCHEMA.field(2), pa.array(old, pa.int64()))
        return pa.concat_tables([table, copies]).unify_dictionaries()

    manifest = copy.truth / "manifest.json"
    known = json.loads(manifest.read_text())
    for site in known["sites"]:
        site["start"] = (START - timedelta(days=3)).isoformat()
    manifest.write_text(json.dumps(known))
    for rows, figures in ((1, []), (2, ["values.foreign"])):
        home = Home(copy.home.root.with_name(f"older{rows}"))
        shutil.copytree(copy.home.root, home.root)
        rewrite(home, "F01", 2, lambda table, rows=rows: older(table, rows))
        spoiled = SimpleNamespace(home=home, truth=copy.truth)
        assert broken(spoiled) == figures
        assert verify(home, copy.truth)["values"]["before_truth"] == 1


def test_a_reset_that_nobody_can_see_is_not_planted():
    start = calendars.to_time(0)
    said = pl.DataFrame(
        {
            "server_uri": "u", "node_id": "n", "value_int": [5, 0, 3, 0], "value_uint": None,
            "status_code": [0, 0, 0, 0],
            "source_ticks": [116_444_736_000_000_000 + s * 10_000_000 for s in (10, 20, 30, 40)],
        },
        schema_overrides={"value_uint": pl.UInt64, "status_code": pl.UInt32},
    ).with_columns(server_ticks="source_ticks")  # fmt: skip
    at = [start + timedelta(seconds=s) for s in (20, 25, 40)]
    nasty = pl.DataFrame(
        {"kind": "counter_reset", "server_uri": "u", "node_id": "n", "start": at, "offset_us": None}
    )
    span = pl.DataFrame(
        {"server_uri": "u", "from_time": [start], "to_time": [start + timedelta(hours=1)]}
    )
    shown = planted.drops(nasty, said.lazy(), span)
    assert sorted(shown["time"]) == [at[0], at[2]]  # at 25 s the counter stood at 0
    units = pl.DataFrame(
        {"server_uri": ["u"], "node_id": ["n"], "factory_id": ["F"], "work_unit_id": ["M"]}
    )
    made = pl.DataFrame(
        {"factory_id": "F", "work_unit_id": "M", "kind": "total", "cause": ["reset", "step"],
         "to_time": [at[0] + timedelta(milliseconds=100), at[2]]}
    )  # fmt: skip
    found = planted.found_drops(shown, made, units)
    assert found["recovered"].sum() == 1
    assert (
        planted.found_drops(shown, pl.DataFrame(schema=COUNT_INCREMENTS), units)["recovered"].sum()
        == 0
    )


def test_a_missing_truth_names_the_remedy(world, tmp_path):
    with pytest.raises(ParkPulseError, match=r"no manifest\.json.*--truth"):
        verify(world.home, tmp_path / "nothing")


@pytest.mark.parametrize("name", ["machine_shifts.parquet", "values/F01.parquet"])
def test_a_truth_with_a_hole_is_refused(copy, name):
    (copy.truth / name).unlink()
    with pytest.raises(ParkPulseError, match="simulate"):
        verify(copy.home, copy.truth)


def test_a_truth_of_another_version_is_refused(copy):
    (copy.truth / "manifest.json").write_text('{"schema_version": 99}')
    with pytest.raises(ParkPulseError, match="version 99"):
        verify(copy.home, copy.truth)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"schema_version": 1}',
        '{"schema_version": 1, "sites": ["F01"]}',
        '{"schema_version": 1, "sites": [{"site_id": "F01", "server_uri": "urn:a"}]}',
        '{"schema_version": 1, "start": "soon", "end": "late", "sites":'
        ' [{"site_id": "F01", "server_uri": "urn:a"}]}',
    ],
)
def test_a_manifest_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(
        ParkPulseError, match=r"manifest\.json: is not a truth's manifest.*simulate"
    ):
        Truth.open(tmp_path)


def test_a_folder_that_is_no_home_is_refused(world, tmp_path):
    with pytest.raises(HomeRefused, match="collect"):
        verify(Home(tmp_path), world.truth)


def printed(monkeypatch, capsys, show, *arguments) -> list[str]:
    monkeypatch.setattr(console, "console", lambda: Console(width=100))
    show(*arguments)
    return capsys.readouterr().out.splitlines()


def test_the_table_fits_a_terminal(world, monkeypatch, capsys):
    lines = printed(
        monkeypatch, capsys, console.print_verification, verify(world.home, world.truth)
    )
    assert max(len(line) for line in lines) <= 100
    assert not any("…" in line for line in lines)
    assert "every stated tolerance holds" in lines
    assert any("max abs error" in line and "≤ 0.001" in line and "✓" in line for line in lines)


def test_machine_shifts_add_up_to_the_part_oee(world):
    result = verify(world.home, world.truth, shifts=True)
    part, figures = result["machine_shifts"], result["oee"]
    assert {name: part["total"][name] for name in figures} == figures
    assert part["total"]["max_loss_error_s"] == result["losses"]["max_abs_error_s"]
    assert [row["factory_id"] for row in part["by_factory"]] == ["F01", "F03"]
    assert len(part["every"]) == figures["machine_shifts"] + figures["partly_collected"]
    assert len(part["worst"]) == 5
    assert "every" not in verify(world.home, world.truth)["machine_shifts"]
    assert json.loads(json.dumps(part, allow_nan=False)) == part


def test_a_spoiled_figure_is_the_worst_machine_shift(copy, monkeypatch, capsys):
    """Not the first by name, and far less wrong than a cut shift may be."""
    path = Lake(copy.home.lake).path("oee_by_shift", Partition(YESTERDAY, "F03"))
    rows = pl.read_parquet(path)
    whole = ((pl.col("start") >= START) & ~pl.col("is_open")).cum_sum() == 5
    at = rows.select(whole.is_first_distinct() & whole).to_series()
    rows.with_columns(oee=pl.col("oee") + pl.when(at).then(0.002).otherwise(0)).write_parquet(path)
    spoiled = rows.filter(at).row(0, named=True)
    result = verify(copy.home, copy.truth)
    assert not result["ok"]
    first = result["machine_shifts"]["worst"][0]
    key = ("factory_id", "work_unit_id", "production_day", "shift_id")
    assert [first[name] for name in key] == [str(spoiled[name]) for name in key]
    assert first["abs_error"] == pytest.approx(0.002)
    assert first["oee_true"] == pytest.approx(spoiled["oee"])
    lines = printed(monkeypatch, capsys, console.print_verification, result)
    at_line = lines.index(next(line for line in lines if line.startswith("Furthest from")))
    row = next(line for line in lines[at_line:] if spoiled["work_unit_id"] in line)
    assert row.split()[:5] == [*(str(spoiled[name]) for name in key), "fully"]
    assert row.split()[5:8] == [
        f"{spoiled['oee'] + 0.002:.4f}", f"{spoiled['oee']:.4f}", "0.0020",
    ]  # fmt: skip
    (factory,) = (line for line in lines if line.split()[:1] == ["F03"] and "/" in line)
    assert "0.0020" in factory.split()


@pytest.mark.parametrize("width", [100, 40])
def test_machine_shifts_are_never_cut_off(world, monkeypatch, capsys, width):
    """A narrow terminal folds them; no figure goes."""
    monkeypatch.setattr(console, "console", lambda: Console(width=width))
    result = verify(world.home, world.truth, shifts=True)
    console.print_verification(result)
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= width
    assert "…" not in out
    if width == 100:
        names = [line.split()[1] for line in out.splitlines() if " F01-M" in line[:20]]
        units = [row["work_unit_id"] for row in result["machine_shifts"]["every"]]
        assert sorted(names)[-1] == sorted(u for u in units if u.startswith("F01"))[-1]
        assert len(names) >= sum(u.startswith("F01") for u in units)


def test_what_is_broken_is_marked_and_told(copy, monkeypatch, capsys):
    shutil.rmtree(copy.home.lake)
    rewrite(copy.home, "F01", 2, lambda table: drop(table, only_once(table)))
    lines = printed(monkeypatch, capsys, console.print_verification, verify(copy.home, copy.truth))
    (lost,) = (line for line in lines if "│ lost " in line)
    assert "✗" in lost
    assert any("oee" in line and "not computed" in line for line in lines)
    assert any(line.startswith("broken: values.lost is 1") for line in lines)


def test_the_ledger_fits_a_terminal(copy, monkeypatch, capsys):
    home = Path(copy.home.root)
    with Ledger(home) as ledger:
        ledger.open_gap("urn:parkpulse:sim:F01", None, START, "collector was away")
        ledger.set_refused("urn:parkpulse:sim:F03", {"nsu=u;s=x": "BadUserAccessDenied"}, START)
    lines = printed(monkeypatch, capsys, console.print_ledger, accounts.ledger_summary(home))
    assert max(len(line.rstrip()) for line in lines[:8]) <= 100
    (row,) = (line for line in lines if line.startswith("  F01 "))
    assert row.split()[-1] == "1"
    text = " ".join(lines)
    assert "gap: urn:parkpulse:sim:F01 2026-11-16T16:01:00Z to now: collector was away" in text
    assert "refused: nsu=u;s=x of urn:parkpulse:sim:F03: BadUserAccessDenied" in text


def test_events_of_days_before_a_column_came_are_read_with_the_others(tmp_path):
    from connectors.verification.figures import _events

    home, parts = Home(tmp_path), [Partition(YESTERDAY, "F01"), Partition(TODAY, "F01")]
    start = datetime(2026, 11, 20, tzinfo=UTC)
    old = pl.DataFrame({"event_id": ["a"], "start": [start], "end": [start]})
    lake = Lake(home.lake)
    lake.write("anomaly_events", old, parts[0])
    new = old.with_columns(event_id=pl.lit("b"), model_version=pl.lit(3, pl.Int64))
    lake.write("anomaly_events", new, parts[1])
    found = _events(home, parts)
    assert found.select("event_id", "model_version").rows() == [("a", None), ("b", 3)]
