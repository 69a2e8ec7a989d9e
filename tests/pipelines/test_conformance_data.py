"""Faults and silence of a day's values, against loops that know nothing of frames."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import conformance, conformance_data, conformance_findings, schemas, units
from pipelines.catalogue import during, on_day
from pipelines.conformance_silence import listened
from pipelines.raw import EPOCH_TICKS, from_segments

DAY = date(2026, 11, 20)
START = datetime(2026, 11, 19, 16, tzinfo=UTC)
GOOD, UNCERTAIN, BAD = 0, 1 << 30, 1 << 31
TYPES = {type(None): "Null", int: "Int64", float: "Double", str: "String"}
EMPTY = {"value_float": None, "value_int": None, "value_uint": None, "value_text": None}


def at(minute):
    return START + timedelta(minutes=minute)


def ticks(time):
    return (
        EPOCH_TICKS
        + int((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 10
    )


def tag(machine, measure, kind="process", **more):
    said = {
        "server_uri": "urn:f", "node_id": f"s={machine}.{measure}", "park_id": "P01",
        "factory_id": "F01", "line_id": "L1", "work_unit_id": machine, "measure": measure,
        "measure_kind": kind, "unit": "bar" if kind == "process" else None,
    }  # fmt: skip
    return said | more


def catalogue(*tags):
    return pl.DataFrame(
        [{name: one.get(name) for name in schemas.TAGS} for one in tags], schema=schemas.TAGS
    )


def value(of, minute, said, *, status=GOOD, lag_s=0.02, source=True):
    column = {bool: "value_int", int: "value_int", float: "value_float", str: "value_text"}
    held = {} if said is None else {column[type(said)]: said}
    time = at(minute)
    return {
        "server_uri": of["server_uri"], "node_id": of["node_id"],
        "source_ticks": ticks(time) if source else None,
        "server_ticks": ticks(time + timedelta(seconds=lag_s)),
        "received_time": time + timedelta(seconds=lag_s + 1),
        "value_type": TYPES[type(said)],
        "is_array": False, "value_raw": None, "status_code": status, "origin": "live",
        **EMPTY, **held,
    }  # fmt: skip


def raw(rows):
    told = {k: v for k, v in schemas.RAW.items() if k not in ("source_time", "server_time")}
    frame = pl.DataFrame(rows, schema=told)
    return from_segments(frame).sort("server_uri", "node_id", "source_ticks", maintain_order=True)


def spans(*pairs, node=None):
    rows = [
        {"server_uri": "urn:f", "node_id": node, "from_time": a, "to_time": b} for a, b in pairs
    ]
    return pl.DataFrame(
        [{**dict.fromkeys(schemas.GAPS), **one} for one in rows], schema=schemas.GAPS
    )


def covered(*pairs):
    rows = [("urn:f", "F01", a, b) for a, b in pairs]
    return pl.DataFrame(rows, schema=schemas.COVERAGE, orient="row")


ALL_DAY = covered((at(0), at(1440)))


def observe(rows, *tags, coverage=ALL_DAY, gaps=None):
    return conformance_data.observe(raw(rows), catalogue(*tags), DAY, coverage, gaps)


def found(rows, *tags):
    counts = observe(rows, *tags).faults
    return dict(counts.group_by("finding").agg(pl.sum("count")).rows())


PRESSURE = tag("M1", "pressure")
STATE = tag("M1", "item_state", "state")
COUNT = tag("M1", "parts_total", "counter", counter_max=999, reset_policy="shift")
NEVER = COUNT | {"reset_policy": "never"}
ENERGY = tag("M1", "energy_kwh", "energy", unit="kWh")


@pytest.mark.parametrize(
    ("of", "said", "expected"),
    [
        (PRESSURE, [1.0, 1.1], {}),
        (PRESSURE, [float("nan"), float("inf")], {"not_finite": 2}),
        (PRESSURE, [-1.1, -1.2], {"outside_unit": 1}),
        (PRESSURE | {"unit": "furlong"}, [-1.2], {}),
        (STATE, [0, 3], {}),
        (STATE, [4, -1], {"code_unknown": 2}),
        (STATE, ["Running"], {"code_unknown": 1}),
        (STATE | {"value_map": "Running=3"}, ["Running", "Odd"], {"code_unknown": 1}),
        (tag("M1", "packml_mode", "state"), [31, 32], {"code_unknown": 1}),
        (COUNT, [1, 5, 5], {}),
        (COUNT, [1.0, 1.5], {"count_type": 1}),
        (COUNT, ["7"], {"count_type": 1}),
        (COUNT, [-1, 0], {"count_negative": 1}),
        (COUNT, [999, 1000], {"count_over_max": 1}),
        (COUNT, [500, 3], {}),  # set back, as declared
        (NEVER, [500, 3], {"count_fell": 1}),
        (NEVER, [995, 3], {}),  # a rollover
        (NEVER, [995, 12], {"count_fell": 1}),
        (COUNT, [500, 499], {"count_fell": 1}),
        (COUNT | {"counter_max": None}, [500, 499], {"count_fell": 1}),
        (ENERGY, [10.0, 9.9, 12.0], {"energy_fell": 1}),
        (ENERGY, [10.0, 0.0, 1.0], {}),  # a new meter
    ],
)  # fmt: skip
def test_what_a_value_can_do_wrong(of, said, expected):
    assert found([value(of, n, one) for n, one in enumerate(said)], of) == expected


def test_quality_and_times():
    rows = [
        value(PRESSURE, 0, 1.0, status=BAD), value(PRESSURE, 1, None, status=BAD),
        value(PRESSURE, 2, None), value(PRESSURE, 3, 1.0, status=UNCERTAIN),
        value(PRESSURE, 4, 1.0, source=False), value(PRESSURE, 5, 1.0, lag_s=-2.5),
        *(value(PRESSURE, n, 1.0) for n in range(6, 30)),
    ]  # fmt: skip
    assert found(rows, PRESSURE) == {
        "status_bad": 2, "empty": 1, "status_uncertain": 1, "no_source_time": 1, "ahead": 1,
    }  # fmt: skip
    assert observe(rows, PRESSURE).tags.select("values", "faulty").row(0) == (30, 6)


def test_a_value_sent_after_a_newer_one_goes_backwards():
    rows = [value(PRESSURE, n, 1.0) for n in range(10)]
    rows[4] = value(PRESSURE, 4, 1.0, lag_s=200)  # between those of minutes 7 and 8
    other = tag("M1", "flow", unit="L/min")
    beside = [value(other, n + 0.5, 1.0) for n in range(10)]
    assert found(rows + beside, PRESSURE, other) == {"backwards": 1}


def test_a_steady_offset_is_one_finding_and_no_fault_of_any_value():
    rows = [value(PRESSURE, n, 1.0, lag_s=-37) for n in range(100)]
    seen = observe(rows, PRESSURE)
    levels = conformance.levels(catalogue(PRESSURE), pl.DataFrame(schema=schemas.CYCLES))
    told = conformance_findings.findings(seen, levels)
    assert seen.tags["faulty"].to_list() == [0]
    first = told.filter(pl.col("aspect") == "timestamp").row(0, named=True)
    assert (first["finding"], first["work_unit_id"]) == ("clock_offset", None)
    assert "37.0" in first["todo_zh"]
    assert "37.0" in first["todo_en"]


def test_of_an_unsteady_clock_every_value_is_in_doubt():
    rows = [value(PRESSURE, n, 1.0, lag_s=-20 * (n // 60)) for n in range(600)]
    seen = observe(rows, PRESSURE)
    assert seen.tags.select("values", "faulty").row(0) == (600, 600)


FAULTY = st.tuples(
    st.sampled_from([GOOD, UNCERTAIN, BAD]), st.sampled_from([None, 1.0, -3.0, float("nan")]),
    st.sampled_from([0.5, 60.5, 200.0]), st.booleans(),
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.lists(FAULTY, max_size=8), min_size=1, max_size=3))
def test_the_faults_are_those_a_loop_finds(nodes):
    tags = [tag("M1", f"pressure_{n}") for n in range(len(nodes))]
    rows = [
        value(tags[n], minute, said, status=status, lag_s=lag_s, source=source)
        for n, node in enumerate(nodes)
        for minute, (status, said, lag_s, source) in enumerate(node)
    ]
    seen = observe(rows, *tags)
    got = {
        (one["tag_no"], one["finding"]): one["count"] for one in seen.faults.iter_rows(named=True)
    }
    slow, faulty = {}, [0] * len(nodes)
    for n, node in enumerate(nodes):
        for minute, (status, said, lag_s, source) in enumerate(node):
            later = [
                m for m, (_, _, lag, has) in enumerate(node)
                if has and m > minute and m * 60 + lag < minute * 60 + lag_s
            ]  # fmt: skip
            names = {
                "status_bad": status == BAD, "status_uncertain": status == UNCERTAIN,
                "empty": status == GOOD and said is None,
                "not_finite": status == GOOD and said is not None and said != said,
                "outside_unit": status == GOOD and said == -3.0,
                "no_source_time": not source, "backwards": source and bool(later),
            }  # fmt: skip
            for name, holds in names.items():
                slow[n, name] = slow.get((n, name), 0) + holds
            faulty[n] += any(names.values())
    assert got == {key: count for key, count in slow.items() if count}
    assert seen.tags["faulty"].to_list() == faulty


LIMIT = 15


def slow_silence(spoke, coverage, gaps):
    """Minutes of silence by node and of the machine; all times are whole minutes."""
    quiet = []
    for times in spoke:
        steps = sorted(b - a for a, b in pairwise(times) if b > a)
        limit = max(LIMIT, 20 * steps[(len(steps) - 1) // 2] if steps else 0)
        edges = [0, *times, 1440] if times else [0, 1440]
        pairs = pairwise(edges)
        quiet.append((limit, [(a, b) for a, b in pairs if b - a > limit]))
    inside = [{m for a, b in pairs for m in range(a, b)} for _, pairs in quiet]
    everyone = set.intersection(*inside)
    heard = {m for a, b in coverage for m in range(a, b)} - {
        m for a, b in gaps for m in range(a, b)
    }

    def runs(minutes, edges):
        length, lengths = 0, []
        for m in range(1441):
            if m not in minutes or m in edges:
                lengths.append(length)
                length = 0
            length += m in minutes
        return lengths

    own = [
        sum(
            n for a, b in pairs
            for n in runs({m for m in range(a, b) if m in heard and m not in everyone}, ())
            if n > limit
        )
        for limit, pairs in quiet
    ]  # fmt: skip
    spoken = {m for times in spoke for m in times}
    return own, sum(n for n in runs(everyone & heard, spoken) if n > LIMIT)


SPAN = st.tuples(st.integers(0, 1439), st.integers(1, 300))
SPANS = st.lists(SPAN.map(lambda s: (s[0], min(1440, s[0] + s[1]))), max_size=3)
SPOKE = st.lists(st.integers(0, 1439), max_size=60, unique=True).map(sorted)


def silence(spoke, coverage, gaps):
    tags = [tag("M1", f"pressure_{n}") for n in range(len(spoke))]
    rows = [value(tags[n], m, 1.0) for n, times in enumerate(spoke) for m in times]
    seen = observe(
        rows, *tags, coverage=covered(*((at(a), at(b)) for a, b in coverage)),
        gaps=spans(*((at(a), at(b)) for a, b in gaps)),
    )  # fmt: skip
    by_unit = seen.silence.by_unit["silent_us"].sum()
    return [us // 60_000_000 for us in seen.tags["silent_us"]], by_unit // 60_000_000


@settings(max_examples=40)
@given(st.lists(SPOKE, min_size=1, max_size=3), SPANS, SPANS)
def test_silence_is_what_minutes_counted_one_by_one_say(spoke, coverage, gaps):
    assert silence(spoke, coverage, gaps) == slow_silence(spoke, coverage, gaps)


@settings(max_examples=15)
@given(st.lists(SPOKE, min_size=1, max_size=3), SPANS, st.data())
def test_a_gap_of_ours_never_makes_anybody_more_silent(spoke, gaps, data):
    before = data.draw(st.integers(0, len(gaps)))
    more, unit_more = silence(spoke, [(0, 1440)], gaps[:before])
    less, unit_less = silence(spoke, [(0, 1440)], gaps)
    assert all(a <= b for a, b in zip(less, more, strict=True))
    assert unit_less <= unit_more


@pytest.mark.parametrize(("pause", "expected"), [(40, 0), (41, 41)])
def test_a_pause_of_twenty_usual_steps_is_no_silence_yet(pause, expected):
    slow, other = [*range(0, 600, 2), *range(598 + pause, 1441, 2)], list(range(1441))
    (own, _), unit = silence([slow, other], [(0, 1440)], [])
    assert (own, unit) == (expected, 0)


def test_what_a_gap_leaves_of_a_pause_is_judged_by_itself():
    assert silence([[600]], [(0, 1440)], [(610, 1440)]) == ([0], 600)


def test_a_gap_of_one_node_excuses_that_node_only():
    one, two, three = (tag("M1", f"pressure_{n}") for n in range(3))
    rows = [value(three, m, 1.0) for m in range(1440)]
    gap = spans((at(0), at(1440)), node=one["node_id"])
    seen = observe(rows, one, two, three, gaps=gap)
    assert seen.tags.select("owed_us", "silent_us").rows() == [
        (0, 0), (86_400_000_000, 86_400_000_000), (86_400_000_000, 0),
    ]  # fmt: skip


def test_an_open_gap_and_states_owe_nothing():
    silent = observe([], PRESSURE, STATE, gaps=spans((at(0), None)))
    assert silent.tags.select(pl.sum("owed_us", "silent_us")).row(0) == (0, 0)
    only_states = observe([], STATE)
    assert only_states.tags["owed_us"].sum() == 0


def test_without_values_or_coverage_there_is_nothing_to_say():
    seen = observe([], PRESSURE, coverage=covered())
    levels = conformance.levels(catalogue(PRESSURE), pl.DataFrame(schema=schemas.CYCLES))
    assert conformance_findings.findings(seen, levels).is_empty()
    row = conformance_findings.factories(seen, levels).row(0, named=True)
    assert (row["values"], row["faultless_share"], row["heard_share"]) == (0, None, None)
    quiet = listened(
        pl.DataFrame(schema={"tag_no": pl.UInt32(), "time": schemas.TIME}), seen.tags.clear(), DAY,
        ALL_DAY, spans(),
    )  # fmt: skip
    assert quiet.by_tag.is_empty()
    assert quiet.by_unit.is_empty()


UNITS_SAID = [
    (tag("M1", "torque", unit=None), "unit_missing"),
    (tag("M1", "torque", unit="furlong"), "unit_unknown"),
    (tag("M1", "torque", unit="Nm"), None),
    (tag("M1", "energy_kwh", "energy", unit="Wh"), "unit_other"),
    (tag("M1", "energy_kwh", "energy", unit="Wh", scale=0.001), None),
    (tag("M1", "power_kw", "energy", unit="KWT"), None),
    (tag("M1", "parts_total", "counter"), None),
    (tag("M1", "torque", unit=None, valid_to=at(0)), None),
]


@pytest.mark.parametrize(("of", "expected"), UNITS_SAID)
def test_what_a_unit_can_do_wrong(of, expected):
    seen = observe([], of, STATE, coverage=covered())
    levels = conformance.levels(catalogue(STATE), pl.DataFrame(schema=schemas.CYCLES))
    told = conformance_findings.findings(seen, levels)
    assert told["finding"].to_list() == ([expected] if expected else [])


def test_what_every_machine_has_is_one_row_on_a_page():
    tags = [tag(unit, "torque", unit=None) for unit in ("M1", "M2")]
    odd = tag("M2", "speed", unit="furlong")
    levels = conformance.levels(catalogue(*tags), pl.DataFrame(schema=schemas.CYCLES))
    told = conformance_findings.findings(observe([], *tags, odd, coverage=covered()), levels)
    page = conformance_findings.together(told, levels)
    assert told.height == 3
    assert sorted(page.select("work_unit_id", "subject").rows(), key=str) == [
        (None, "torque"), ("M2", "speed"),
    ][::-1]  # fmt: skip
    assert "2" in page.filter(pl.col("work_unit_id").is_null())["todo_zh"].item()
    assert page.schema == told.schema
    none = pl.DataFrame(schema=schemas.CYCLES)
    all_of_it = conformance_findings.table(
        catalogue(*tags, odd), none, observe([], *tags, odd, coverage=covered())
    )
    assert all_of_it["aspect"].to_list() == ["missing"] * 4 + ["unit"] * 3


def test_every_finding_has_both_languages_and_every_unit_one_meaning():
    texts = conformance_findings.texts()
    assert texts["finding"].is_unique().all()
    assert texts.select("aspect", "zh", "en").null_count().sum_horizontal().item() == 0
    known = units.known()
    assert known["code"].is_unique().all()
    assert known["symbol"].is_unique().all()
    assert units.spelled().filter(pl.col("unit").is_in(["Nm", "rpm", "℃", "CEL"])).height == 4


def test_a_node_that_means_something_else_from_noon_on_is_judged_by_what_it_meant():
    node = {"node_id": "s=N"}
    before = tag("M1", "parts_total", "counter", valid_from=START - timedelta(days=3)) | node
    old = before | {"valid_to": at(720)}
    new = tag("M1", "pressure", valid_from=at(720)) | node
    rows = [value(old, m, 5000 + m) for m in range(720)]
    rows += [value(new, m, 1.0) for m in range(720, 1440)]
    seen = conformance_data.observe(raw(rows), during(catalogue(old, new), DAY), DAY, ALL_DAY)
    assert seen.faults.filter(pl.col("finding") != "silent").is_empty()
    told = dict(seen.tags.select("measure", "values").iter_rows())
    assert told == {"parts_total": 720, "pressure": 720}
    assert on_day(catalogue(old, new), DAY)["measure"].to_list() == ["pressure"]
    assert during(catalogue(old, new), DAY - timedelta(days=1))["valid_to"].to_list() == [None]


def test_what_a_server_tells_later_holds_from_then_and_what_it_told_first_always():
    first = tag("M1", "pressure", valid_from=at(600))
    later = tag("M2", "pressure", valid_from=at(720))
    tomorrow = tag("M3", "pressure", valid_from=at(2000))
    known = catalogue(first, later, tomorrow)
    assert on_day(known, DAY)["work_unit_id"].to_list() == ["M1", "M2"]
    assert on_day(known, DAY - timedelta(days=2))["work_unit_id"].to_list() == ["M1"]
    rows = [value(first, m, 1.0) for m in range(1440)]
    rows += [value(later, m, 1.0) for m in range(720, 1440)]
    seen = conformance_data.observe(raw(rows), during(known, DAY), DAY, ALL_DAY)
    hours = {
        unit: (owed / 3.6e9, silent / 3.6e9)
        for unit, owed, silent in seen.tags.select("work_unit_id", "owed_us", "silent_us").rows()
    }
    assert hours["M1"] == (24, 0)
    assert hours["M2"][0] == 12
    assert hours["M2"][1] == 0
