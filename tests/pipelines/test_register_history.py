"""What stands of many sources: laws, and a twin in plain loops."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.park_schemas import ENTERPRISES, OPERATING_DAYS, TENANTS
from pipelines.register_history import PRECEDENCE, history, judged
from pipelines.register_whole import SAID, dangling, whole
from pipelines.versions import as_of
from tests.pipelines import slow_register

FIRST = date(2026, 1, 1)
days = st.integers(0, 6).map(lambda n: FIRST + timedelta(days=n))
SOURCES = [("甲.csv", 0), ("乙.csv", 0), ("urn:P01", 1), ("云间", 2)]


@st.composite
def said(draw):
    since = draw(days)
    source, rank = draw(st.sampled_from(SOURCES))
    length = draw(st.none() | st.integers(1, 5))
    return {
        "key": draw(st.sampled_from("AB")),
        "since": since,
        "until": None if length is None else since + timedelta(days=length),
        "content": (draw(st.sampled_from(["x", "y", None])), draw(st.sampled_from([1, 2]))),
        "source": source,
        "seq": 0 if rank == 1 else draw(st.integers(1, 4)),
        "rank": rank,
    }


many = st.lists(said(), max_size=12)


def frame(rows):
    made = [
        {
            "uscc": row["key"], "name_zh": row["content"][0], "staff": row["content"][1],
            "valid_from": row["since"], "valid_to": row["until"], "source": row["source"],
            "import_seq": row["seq"], "priority": row["rank"],
        }
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(made, schema={**ENTERPRISES, **SAID})


def versions(found):
    named = found.select("uscc", "valid_from", "valid_to", "name_zh", "staff").rows()
    return [(key, since, until, (name, staff)) for key, since, until, name, staff in named]


@settings(max_examples=60)
@given(many)
def test_as_in_plain_loops(rows):
    expected, fates = slow_register.standing(rows)
    found, _ = history("enterprises", frame(rows))
    assert versions(found) == expected
    weighed, _ = judged("enterprises", frame(rows))
    assert weighed.sort("row")["fate"].to_list() == fates


@settings(max_examples=20)
@given(many)
def test_versions_never_overlap_and_a_day_has_at_most_one(rows):
    found, _ = history("enterprises", frame(rows))
    for n in range(12):
        on = as_of(found, FIRST + timedelta(days=n))
        assert on["uscc"].n_unique() == on.height
    assert found.filter(pl.col("valid_to") <= pl.col("valid_from")).is_empty()


@settings(max_examples=20)
@given(many)
def test_importing_twice_changes_nothing(rows):
    once = frame(rows)
    again = once.with_columns(
        import_seq=pl.when(pl.col("priority") == 1).then(0).otherwise(pl.col("import_seq") + 4)
    )
    found, conflicts = history("enterprises", once)
    twice, still = history("enterprises", pl.concat([once, again]))
    assert_frame_equal(twice, found)
    assert_frame_equal(still.drop("why"), conflicts.drop("why"))


@settings(max_examples=20)
@given(many)
def test_nothing_vanishes(rows):
    weighed, conflicts = judged("enterprises", frame(rows))
    assert weighed["row"].sort().to_list() == list(range(len(rows)))
    assert set(weighed["fate"]) <= {"standing", "superseded", "conflict"}
    refused = weighed.filter(pl.col("fate") == "conflict")
    at = ["uscc", "valid_from", "source"]
    told = conflicts.select("key", "from_day", "refused_source").unique()
    assert sorted(refused.select(at).unique().rows()) == sorted(told.rows())
    assert conflicts.select("key", "field", "from_day", "refused_source").is_duplicated().sum() == 0


@settings(max_examples=20)
@given(st.dictionaries(st.tuples(st.sampled_from("AB"), days), said(), max_size=8), st.randoms())
def test_rows_that_do_not_conflict_may_come_in_any_order(by_place, rng):
    rows = [row | {"key": key, "since": since, "until": None, "source": "甲.csv", "rank": 0}
            for (key, since), row in by_place.items()]  # fmt: skip
    rows += [row | {"source": "乙.csv"} for row in rows[::2]]
    orders = [list(range(len(rows))), rng.sample(range(len(rows)), len(rows))]
    found = [
        history("enterprises", frame([rows[n] | {"seq": seq} for seq, n in enumerate(order, 1)]))
        for order in orders
    ]
    assert_frame_equal(found[0][0], found[1][0])
    assert all(conflicts.is_empty() for _, conflicts in found)


@settings(max_examples=15)
@given(many)
def test_what_stands_said_anew_by_one_source_stands(rows):
    found, _ = history("enterprises", frame(rows))
    again = found.with_columns(
        source=pl.lit("甲.csv"), import_seq=pl.lit(1, dtype=pl.Int64),
        priority=pl.lit(0, dtype=pl.Int64),
    )  # fmt: skip
    anew, conflicts = history("enterprises", again)
    assert_frame_equal(anew.drop("source"), found.drop("source"))
    assert conflicts.is_empty()


def test_the_office_stands_above_a_gateway_field_by_field():
    row = {"key": "A", "since": FIRST, "until": None, "source": "名录.csv", "seq": 3, "rank": 0}
    office = row | {"content": ("甲", 20)}
    gateway = office | {"source": "urn:P01", "seq": 0, "rank": PRECEDENCE["gateway"],
                        "since": FIRST + timedelta(days=9), "content": (None, 21)}  # fmt: skip
    found, conflicts = history("enterprises", frame([gateway, office]))
    assert versions(found) == [("A", FIRST, None, ("甲", 20))]
    (only,) = conflicts.rows(named=True)
    assert (only["field"], only["kept"], only["refused"]) == ("staff", "20", "21")
    assert (only["kept_source"], only["refused_source"]) == ("名录.csv", "urn:P01")
    assert only["from_day"] == FIRST + timedelta(days=9)
    assert "ranks higher" in only["why"]


def test_keys_with_blanks_are_keys():
    made = [
        {"platform": "海纳", "tenant_id": "t", "valid_from": FIRST, "source": "a", "import_seq": 1,
         "priority": 0, "legal_group": "甲"},
        {"platform": None, "tenant_id": "t", "valid_from": FIRST, "source": "a", "import_seq": 1,
         "priority": 0, "legal_group": "乙"},
        {"platform": None, "tenant_id": "t", "valid_from": FIRST, "source": "a", "import_seq": 2,
         "priority": 0, "legal_group": "丙"},
    ]  # fmt: skip
    found, conflicts = history("tenants", pl.DataFrame(made, schema={**TENANTS, **SAID}))
    assert found["legal_group"].to_list() == ["丙", "甲"]
    assert conflicts.is_empty()


def test_a_later_import_of_a_fact_replaces_it_and_another_source_is_a_conflict():
    made = [
        {"uscc": "A", "day": FIRST, "is_operating": is_on, "source": source, "import_seq": seq,
         "priority": rank}
        for is_on, source, seq, rank in (
            (True, "a", 1, 0), (False, "a", 2, 0), (True, "urn:P01", 0, 1), (True, "b", 1, 0),
        )
    ]  # fmt: skip
    rows = pl.DataFrame(made, schema={**OPERATING_DAYS, **SAID})
    found, conflicts = history("operating_days", rows)
    assert found.rows() == [("A", FIRST, False)]
    assert conflicts["refused_source"].to_list() == ["b", "urn:P01"]


def test_what_is_named_in_vain_is_listed_and_stands():
    site = {"site_id": "S1", "uscc": "A", "valid_from": FIRST, "source": "a", "import_seq": 1,
            "priority": 0}  # fmt: skip
    empty = whole().tables
    sites = pl.DataFrame([site], schema={**empty["sites"].schema, **SAID})
    found = whole({"sites": sites})
    assert found.tables["sites"].height == 1
    assert found.dangling.rows() == [("sites", "uscc", "A", 1)]
    assert_frame_equal(dangling(found.tables), found.dangling)
