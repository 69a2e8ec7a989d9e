"""Adoption: size classes, USCC, register rows, and the figures with a slow twin."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines import adoption, schemas

REF = date(2026, 11, 21)
EPOCH_TICKS = 116_444_736_000_000_000
BAD = 0x80000000


def ticks(day: date, hour: int = 12) -> int:
    local_noon = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)
    return EPOCH_TICKS + int(local_noon.timestamp()) * 10_000_000


def column(value: Any) -> dict[str, Any]:
    match value:
        case bool() | int():
            return {"value_int": int(value), "value_type": "Int32"}
        case float():
            return {"value_float": value, "value_type": "Double"}
        case _:
            return {"value_text": value, "value_type": "String"}


class Gateway:
    """Collects what park gateways say, as raw rows and tags."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.tags: dict[tuple[str, str], dict[str, Any]] = {}

    def say(
        self, park: str, entity: str, kind: str, measure: str, value: Any, at: int, status: int = 0
    ) -> None:
        node = {"server_uri": f"urn:{park}", "node_id": f"nsu=x;s={entity}.{measure}"}
        self.tags[node["server_uri"], node["node_id"]] = node | {
            "park_id": park, "entity_id": entity, "measure_kind": kind, "measure": measure,
        }  # fmt: skip
        row = node | {"source_ticks": at, "status_code": status, "is_array": False}
        self.rows.append(row | {"origin": "live"} | column(value))

    def firm(
        self, uscc: str, parks: str = "P01", at: date = date(2026, 8, 1), **fields: Any
    ) -> None:
        said = {
            "uscc": uscc, "staff": 50, "revenue_wan": 900.0, "industry_code": "C34",
            "register_status": "在营", "legal_group": f"G-{uscc}", "in_new_city": True,
            "declared_cloud": "no", "declared_from": None, "declared_to": None,
            "provider_last_use": None, "park_id": parks,
        } | fields  # fmt: skip
        for park in parks.split(","):
            for measure, value in said.items():
                self.say(park, uscc, "register", measure, value, ticks(at))

    def terminal(self, name: str, uscc: str, parks: str = "P01", **fields: Any) -> None:
        said = {
            "product_instance_uri": f"urn:dev:{name}", "kind": "device", "enterprise_uscc": uscc,
            "activated_on": "2026-01-01", "retired_on": None, "platforms": "a",
        } | fields  # fmt: skip
        for park in parks.split(","):
            for measure, value in said.items():
                self.say(park, name, "register", measure, value, ticks(date(2026, 8, 1)))

    def days(self, entity: str, measure: str, values: dict[date, Any], park: str = "P01") -> None:
        for day, value in values.items():
            self.say(park, entity, "evidence", measure, value, ticks(day))

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return (
            pl.DataFrame(self.rows, schema=schemas.RAW),
            pl.DataFrame(list(self.tags.values()), schema=schemas.TAGS),
        )

    def figures(self, on: date = REF) -> pl.DataFrame:
        values, tags = self.frames()
        return adoption.figures(
            adoption.register(values, tags), adoption.terminals(values, tags),
            adoption.evidence(values, tags), on,
        )  # fmt: skip


def last(days: int) -> list[date]:
    return [REF - timedelta(days=i) for i in reversed(range(days))]


def one(frame: pl.DataFrame, metric: str, basis: str, park: str | None = None) -> dict[str, Any]:
    return frame.filter(
        pl.col("metric_id") == metric, pl.col("basis") == basis, pl.col("park_id").eq_missing(park)
    ).row(0, named=True)


@pytest.mark.parametrize(
    ("staff", "revenue", "expected"),
    [
        (1500, 39999, "medium"), (5000, 500, "small"), (1000, 40000, "large"),
        (299, 900000, "small"), (19, 900000, "micro"), (300, 1999, "small"), (20, 300, "small"),
        (300, 2000, "medium"), (999, 40000, "medium"), (20, 299.99, "micro"), (0, 0, "micro"),
        (None, 900000, None), (None, 299, "micro"), (19, None, "micro"), (500, None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_size_class_of_nbs_2017(staff, revenue, expected):
    frame = pl.DataFrame(
        {"s": [staff], "r": [revenue]}, schema={"s": pl.Int64, "r": pl.Float64}
    ).select(adoption.size_class(pl.col("s"), pl.col("r")))
    assert frame.item() == expected


ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc_of(body: str) -> str:
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + ALPHABET[(31 - total % 31) % 31]


def is_valid(text: str | None) -> bool:
    return pl.select(adoption.uscc_valid(pl.lit(text, pl.String))).item()


def test_uscc_check_character():
    assert is_valid("91350100M000100Y43")  # the example that GB 32100-2015 itself gives
    assert not is_valid("91350100M000100Y44")
    assert not is_valid("91350100M000100Y4")
    assert not is_valid("91350100M000100Y430")
    assert not is_valid("91350100I000100Y43")
    assert not is_valid(None)


@given(st.text(ALPHABET, min_size=17, max_size=17), st.integers(0, 17), st.sampled_from(ALPHABET))
@settings(max_examples=60)
def test_uscc_notices_every_single_wrong_character(body, place, letter):
    right = uscc_of(body)
    wrong = right[:place] + letter + right[place + 1 :]
    assert is_valid(right)
    assert is_valid(wrong) == (wrong == right)


def ten_firms() -> Gateway:
    """domain: 1 large; 9 SMEs: 4 by provider, 2 declared, 1 by telemetry, 1 none, 1 unknown."""
    park = Gateway()
    park.firm("L", staff=2000, revenue_wan=50000.0, provider_last_use="2026-11-01")
    for i in range(4):
        park.firm(f"E2{i}", provider_last_use="2026-11-01")
    for i in range(2):
        park.firm(f"E1{i}", declared_cloud="yes", declared_from="2026-01-01")
    park.firm("E3")
    park.terminal("d", "E3")
    park.days("E3", "operating_day", dict.fromkeys(last(30), True))
    park.days("d", "daily_good_values", dict.fromkeys(last(24), 1))
    park.firm("N")
    park.firm("U", declared_cloud="unknown")
    return park


def test_ten_firms():
    figures = ten_firms().figures()
    verified = one(figures, "CA-1", "verified")
    either = one(figures, "CA-1", "declared_or_verified")
    assert (verified["numerator"], verified["denominator"], verified["unknown"]) == (5, 9, 1)
    assert (either["numerator"], either["denominator"]) == (7, 9)
    assert (either["value"], either["lower"], either["upper"]) == (7 / 9, 7 / 9, 8 / 9)
    device = one(figures, "CA-2", "measured")
    assert (device["numerator"], device["denominator"], device["value"]) == (1, 1, 1.0)
    assert one(figures, "CA-7", "measured")["value"] == 1.0
    assert_frame_equal(
        figures.filter(pl.col("park_id") == "P01").drop("park_id"),
        figures.filter(pl.col("park_id").is_null()).drop("park_id"),
    )


def test_ten_firms_with_24_of_30_days_are_the_edge():
    park = ten_firms()
    park.say("P01", "d", "evidence", "daily_good_values", 0, ticks(last(24)[0], hour=13))
    assert one(park.figures(), "CA-1", "verified")["numerator"] == 4


def test_at_least_five_connected_days():
    park = Gateway()
    park.firm("F")
    park.terminal("d", "F")
    park.days("F", "operating_day", dict.fromkeys(last(4), True))
    park.days("d", "daily_good_values", dict.fromkeys(last(30), 9))
    assert one(park.figures(), "CA-2", "measured")["numerator"] == 0
    park.days("F", "operating_day", dict.fromkeys(last(5), True))
    assert one(park.figures(), "CA-2", "measured")["numerator"] == 1


def test_bad_status_is_no_evidence():
    park = ten_firms()
    park.rows = [
        row | {"status_code": BAD} if "daily_good" in row["node_id"] else row for row in park.rows
    ]
    figures = park.figures()
    assert one(figures, "CA-2", "measured")["numerator"] == 0
    assert one(figures, "CA-1", "verified")["numerator"] == 4


def test_scope_of_cloud_share():
    park = Gateway()
    outside = {
        "not_active": {"register_status": "注销"}, "household": {"register_status": "个体工商户"},
        "outside_new_city": {"in_new_city": False}, "not_industry": {"industry_code": "I65"},
        "large": {"staff": 1000, "revenue_wan": 40000.0}, "size_unknown": {"staff": None},
    }  # fmt: skip
    for reason, fields in outside.items():
        park.firm(reason, **fields)
    park.firm("inside", industry_code="D44")
    values, tags = park.frames()
    counts = adoption.scope_counts(adoption.register(values, tags))
    assert dict(counts.iter_rows()) == dict.fromkeys([*outside, "in_scope"], 1)
    assert one(park.figures(), "CA-1", "verified")["denominator"] == 1


@pytest.mark.parametrize(
    ("fields", "is_declared"),
    [
        ({"declared_from": "2026-11-21"}, True),
        ({"declared_from": "2026-11-22"}, False),
        ({"declared_from": "2025-01-01", "declared_to": "2026-08-23"}, True),
        ({"declared_from": "2025-01-01", "declared_to": "2026-08-22"}, False),
        ({"declared_from": None}, False),
        ({"declared_from": "2026-11-20T16:30:00Z"}, True),  # already the 21st in Shanghai
        ({"declared_from": "2026-11-21T16:30:00Z"}, False),
    ],
)
def test_declaration_window(fields, is_declared):
    park = Gateway()
    park.firm("F", declared_cloud="yes", **fields)
    assert one(park.figures(), "CA-1", "declared_or_verified")["numerator"] == is_declared


@pytest.mark.parametrize("begun", [None, "soon"])
def test_a_declaration_without_a_date_is_unknown(begun):
    park = Gateway()
    park.firm("F", declared_cloud="yes", declared_from=begun)
    for basis in ("verified", "declared_or_verified"):
        found = one(park.figures(), "CA-1", basis)
        assert (found["numerator"], found["denominator"], found["unknown"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("day", "is_used"),
    [("2026-11-21", True), ("2026-11-22", False), ("2026-08-23", True), ("2026-08-22", False)],
)
def test_use_window(day, is_used):
    park = Gateway()
    park.firm("F", declared_cloud="unknown", provider_last_use=day)
    found = one(park.figures(), "CA-1", "verified")
    assert (found["numerator"], found["unknown"]) == (is_used, not is_used)


def test_a_firm_in_two_parks_counts_once_in_each_and_once_in_the_district():
    park = Gateway()
    park.firm("A", parks="P01,P02", provider_last_use="2026-11-01")
    park.firm("B", parks="P02")
    park.terminal("d", "A", parks="P01,P02")
    figures = park.figures()
    assert [one(figures, "CA-1", "verified", p)["denominator"] for p in ("P01", "P02", None)] == [
        1,
        2,
        2,
    ]
    assert [one(figures, "CA-7", "measured", p)["value"] for p in ("P01", "P02", None)] == [1, 1, 1]


def test_one_device_on_two_platforms_counts_once_and_either_sees_it():
    park = Gateway()
    park.firm("A")
    park.terminal("x", "A", product_instance_uri="urn:same")
    park.terminal("y", "A", product_instance_uri="urn:same", retired_on="2026-11-01")
    park.days("A", "operating_day", dict.fromkeys(last(10), True))
    park.days("x", "daily_good_values", dict.fromkeys(last(10)[:4], 3))
    park.days("y", "daily_good_values", dict.fromkeys(last(10)[3:8], 3))
    figures = park.figures()
    found = one(figures, "CA-2", "measured")
    assert (found["numerator"], found["denominator"]) == (1, 1)
    assert one(figures, "CA-7", "measured")["value"] == 1


def test_terminals_of_every_kind_activated_and_not_retired():
    park = Gateway()
    park.firm("A")
    park.terminal("gateway", "A", kind="gateway")
    park.terminal("sensor", "A", kind="sensor", retired_on="2026-11-22")
    park.terminal("retired", "A", retired_on="2026-11-21")
    park.terminal("later", "A", activated_on="2026-11-22")
    park.terminal("never", "A", activated_on=None)
    figures = park.figures()
    assert one(figures, "CA-7", "measured")["numerator"] == 2
    assert one(figures, "CA-2", "measured")["denominator"] == 0
    assert one(figures, "CA-2", "measured")["value"] is None


def test_the_newest_value_of_a_field_counts_and_a_cleared_one_is_news():
    park = Gateway()
    park.firm("A", provider_last_use="2026-11-01")
    park.firm("A", at=date(2026, 8, 2), provider_last_use=None, staff=60)
    values, tags = park.frames()
    row = adoption.register(values.sample(fraction=1, shuffle=True, seed=1), tags).row(
        0, named=True
    )
    assert (row["staff"], row["provider_last_use"]) == (60, None)
    early = adoption.register(values, tags, as_of=date(2026, 8, 1)).row(0, named=True)
    assert (early["staff"], early["provider_last_use"]) == (50, date(2026, 11, 1))


def test_a_text_that_is_no_date_is_named():
    park = Gateway()
    park.firm("A", declared_from="soon", declared_cloud="perhaps")
    values, tags = park.frames()
    row = adoption.register(values, tags).row(0, named=True)
    assert row["unreadable"] == ["declared_from"]
    assert row["declared_cloud"] == "unknown"


def test_nothing_said_gives_empty_frames_and_zero_figures():
    values, tags = Gateway().frames()
    figures = adoption.figures(
        adoption.register(values, tags), adoption.terminals(values, tags),
        adoption.evidence(values, tags), REF,
    )  # fmt: skip
    assert figures["park_id"].to_list() == [None] * 4
    assert figures["numerator"].to_list() == [0] * 4


firm_facts = st.fixed_dictionaries(
    {
        "parks": st.sampled_from(["P01", "P02", "P01,P02"]),
        "register_status": st.sampled_from(["在营", "在营", "注销", "个体工商户"]),
        "in_new_city": st.booleans(),
        "industry_code": st.sampled_from(["C27", "B06", "I65"]),
        "staff": st.sampled_from([10, 1500]),
        "revenue_wan": st.sampled_from([100.0, 50000.0]),
        "legal_group": st.sampled_from(["G1", "G2"]),
        "declared_cloud": st.sampled_from(["yes", "no", "unknown"]),
        "declared_from": st.sampled_from([None, "2026-01-01", "2026-12-01"]),
        "declared_to": st.sampled_from([None, "2026-08-22", "2026-08-23"]),
        "provider_last_use": st.sampled_from([None, "2026-08-22", "2026-08-23", "2026-11-21"]),
        "operating": st.integers(0, 30),
    }
)
terminal_facts = st.fixed_dictionaries(
    {
        "firm": st.integers(0, 4),
        "product_instance_uri": st.sampled_from(["urn:1", "urn:2", "urn:3", None]),
        "kind": st.sampled_from(["device", "gateway"]),
        "activated_on": st.sampled_from([None, "2026-11-21", "2026-11-22"]),
        "retired_on": st.sampled_from([None, "2026-11-21", "2026-11-22"]),
        "good_days": st.integers(0, 30),
    }
)


def twin(firms: list[dict], devices: list[dict], park: str | None) -> dict[str, tuple[int, int]]:
    """Adoption as one would count it by hand."""
    day = REF.isoformat()
    since = (REF - timedelta(days=90)).isoformat()

    def is_deployed(d):
        return bool(d["activated_on"]) and d["activated_on"] <= day and (
            d["retired_on"] is None or d["retired_on"] > day
        )  # fmt: skip

    def identity(i):
        return devices[i]["product_instance_uri"] or f"t{i}"

    def is_connected(i):
        firm = devices[i]["firm"]
        alike = [
            j
            for j in range(len(devices))
            if identity(j) == identity(i) and devices[j]["firm"] == firm
        ]
        if not any(is_deployed(devices[j]) for j in alike):
            return False
        days = min(max(devices[j]["good_days"] for j in alike), firms[firm]["operating"])
        return days >= 5 and days * 10 >= firms[firm]["operating"] * 8

    def kind(i):  # listings of one device at one firm: the first one's word
        firm = devices[i]["firm"]
        return next(
            d["kind"]
            for j, d in enumerate(devices)
            if identity(j) == identity(i) and d["firm"] == firm
        )

    counts = {"verified": 0, "either": 0, "sme": 0, "unknown": 0}
    for f, firm in enumerate(firms):
        inside = (
            firm["register_status"] == "在营" and firm["in_new_city"]
            and firm["industry_code"][0] in "BCD"
            and not (firm["staff"] >= 1000 and firm["revenue_wan"] >= 40000)
            and (park is None or park in firm["parks"].split(","))
        )  # fmt: skip
        if not inside:
            continue
        e1 = (
            firm["declared_cloud"] == "yes" and bool(firm["declared_from"])
            and firm["declared_from"] <= day
            and (firm["declared_to"] is None or firm["declared_to"] >= since)
        )  # fmt: skip
        e2 = bool(firm["provider_last_use"]) and since <= firm["provider_last_use"] <= day
        e3 = any(
            is_connected(i) and kind(i) == "device"
            for i in range(len(devices))
            if devices[i]["firm"] == f
        )
        counts["sme"] += 1
        counts["verified"] += e2 or e3
        counts["either"] += e1 or e2 or e3
        undated = (
            firm["declared_cloud"] == "yes" and not firm["declared_from"]
            and (firm["declared_to"] is None or firm["declared_to"] >= since)
        )  # fmt: skip
        counts["unknown"] += (firm["declared_cloud"] == "unknown" or undated) and not (e2 or e3)
    here = [
        i for i, d in enumerate(devices)
        if park is None or park in firms[d["firm"]]["parks"].split(",")
    ]  # fmt: skip

    def deployed(i):
        firm = devices[i]["firm"]
        return any(
            is_deployed(d)
            for j, d in enumerate(devices)
            if identity(j) == identity(i) and d["firm"] == firm
        )

    in_service = {identity(i) for i in here if deployed(i) and kind(i) == "device"}
    connected = {identity(i) for i in here if kind(i) == "device" and is_connected(i)}
    return {
        "CA-1 verified": (counts["verified"], counts["sme"]),
        "CA-1 declared_or_verified": (counts["either"], counts["sme"]),
        "CA-2 measured": (len(connected), len(in_service)),
        "CA-7 measured": (len({identity(i) for i in here if deployed(i)}), 0),
    }


@given(
    st.lists(firm_facts, min_size=5, max_size=5), st.lists(terminal_facts, min_size=0, max_size=5)
)
@settings(max_examples=40, deadline=None)
def test_figures_equal_their_slow_twin(firms, devices):
    park = Gateway()
    for f, facts in enumerate(firms):
        fields = {k: v for k, v in facts.items() if k not in ("operating", "parks")}
        park.firm(f"F{f}", facts["parks"], **fields)
        park.days(f"F{f}", "operating_day", dict.fromkeys(last(facts["operating"]), True))
    for i, facts in enumerate(devices):
        fields = {k: v for k, v in facts.items() if k not in ("firm", "good_days")}
        park.terminal(f"t{i}", f"F{facts['firm']}", firms[facts["firm"]]["parks"], **fields)
        park.days(f"t{i}", "daily_good_values", dict.fromkeys(last(facts["good_days"]), 1))
    figures = park.figures()
    for area in figures["park_id"].unique().to_list():
        found = {
            f"{r['metric_id']} {r['basis']}": (r["numerator"], r["denominator"] or 0)
            for r in figures.filter(pl.col("park_id").eq_missing(area)).iter_rows(named=True)
        }
        assert found == twin(firms, devices, area)


def test_contributions_add_up_to_figures():
    park = ten_firms()
    values, tags = park.frames()
    frames = [
        adoption.register(values, tags),
        adoption.terminals(values, tags),
        adoption.evidence(values, tags),
    ]
    summed = (
        adoption.contributions(*frames, REF)
        .group_by(adoption.CONTRIBUTION_KEY)
        .agg(pl.col("numerator").sum())
        .sort("metric_id", "basis", "park_id")
    )
    assert_frame_equal(summed, adoption.figures(*frames, REF).select(summed.columns))
