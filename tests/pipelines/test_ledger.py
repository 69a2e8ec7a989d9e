"""The account of nodes: counts that add up, and one rule of completeness with OEE's coverage."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import coverage, ledger
from pipelines.days import midnight
from pipelines.schemas import LEDGER_BY_DAY
from tests.pipelines import plant

DAY = date(2026, 11, 21)
START = midnight(DAY)
NONE = pl.DataFrame(
    schema={"server_uri": str, "node_id": str, "day": pl.Date, **dict.fromkeys(ledger.COUNTS, int)}
)


def at(second):
    return START + timedelta(seconds=second)


def vouched(*spans):
    rows = [(plant.SERVER, "F01", at(a), at(b)) for a, b in spans]
    return pl.DataFrame(rows, schema=plant.coverage().schema, orient="row")


def gaps(*rows):
    spans = [(plant.SERVER, n, at(a), None if b is None else at(b), "x") for n, a, b in rows]
    return pl.DataFrame(spans, schema=coverage.NO_GAPS.schema, orient="row")


def counted(*nodes):
    rows = [(plant.SERVER, node, DAY, 3, 2, 1, 1) for node in nodes]
    return pl.DataFrame(rows, schema=NONE.schema, orient="row")


def of(frame, node, day=DAY):
    (row,) = frame.filter(
        pl.col("node_id").eq_missing(pl.lit(node, pl.String)), pl.col("day") == day
    ).to_dicts()
    return row


def test_rows_are_kept_or_repeats():
    received = pl.DataFrame(
        [("s", "a", DAY, "live", 5), ("s", "a", DAY, "history", 7), ("s", "b", DAY, "live", 1)],
        schema=["server_uri", "node_id", "day", "origin", "rows"], orient="row",
    )  # fmt: skip
    kept = pl.DataFrame(
        [("s", "a", DAY, 8), ("s", "b", DAY, 1)],
        schema=["server_uri", "node_id", "day", "rows"], orient="row",
    )  # fmt: skip
    found = {row[1]: row[3:] for row in ledger.counts(received, kept).rows()}
    assert found == {"a": (5, 0, 7, 4), "b": (1, 0, 0, 0)}


def test_a_node_without_a_gap_of_its_own_has_its_servers_seconds():
    found = ledger.by_day(
        counted("a", "b"), vouched((0, 3600)), gaps(("b", 600, 1200), ("c", 0, None)), [DAY],
        at(3600),
    )  # fmt: skip
    assert found.schema == LEDGER_BY_DAY
    seconds = {
        n: [of(found, n)[c] for c in ("covered_s", "uncovered_s", "gap_s")]
        for n in (None, "a", "b", "c")
    }
    assert seconds == {
        None: [3600, 0, 0], "a": [3600, 0, 0], "b": [3000, 600, 600], "c": [0, 3600, 3600],
    }  # fmt: skip
    assert of(found, "b")["completeness"] == pytest.approx(3000 / 3600)
    assert [of(found, None)[name] for name in ledger.COUNTS] == [6, 4, 2, 2]
    assert [of(found, "c")[name] for name in ledger.COUNTS] == [0, 0, 0, 0]


def test_a_day_is_owed_from_the_first_coverage_until_now():
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    found = ledger.by_day(
        NONE, vouched((3600, 7200), (10_800, 14_400)), gaps(), [before, DAY, after], at(18_000)
    )
    row = of(found, None)
    assert (row["covered_s"], row["uncovered_s"], row["completeness"]) == (7200, 7200, 0.5)
    assert found["day"].to_list() == [DAY]
    spoke = counted("a").with_columns(day=pl.lit(before))
    found = ledger.by_day(spoke, vouched((0, 60)), gaps(), [before, DAY, after], at(3600))
    for node in (None, "a"):
        row = of(found, node, before)
        assert row["completeness"] is row["covered_s"] is row["uncovered_s"] is None
        assert row["received_live"] == 3


def test_a_day_without_a_server_is_counted_all_the_same():
    found = ledger.by_day(counted("a"), vouched(), gaps(), [DAY], at(3600))
    assert of(found, None)["received_live"] == 3
    assert (of(found, "a")["received_live"], of(found, "a")["completeness"]) == (3, None)


edges = st.integers(0, 100).map(lambda minute: 60 * minute)
spans = st.tuples(edges, edges).map(sorted).filter(lambda span: span[0] < span[1])
NODES = st.sampled_from([None, "item_state", "parts_total"])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(spans, min_size=1, max_size=4),
    st.lists(st.tuples(NODES, spans), max_size=4),
)
def test_the_figures_downstream_carry_the_same_completeness(windows, holes):
    """A machine of one node is covered by OEE's rule for as long as the ledger says of its node."""
    measures = ["item_state"]
    tags = plant.tags(measures)
    (node,) = tags["node_id"]
    missed = gaps(*((n and (node if n in measures else n), a, b) for n, (a, b) in holes))
    known = vouched(*windows)
    machine = coverage.covered(known, tags, missed)
    last = max(b for _, b in windows)
    found = ledger.by_day(counted(node), known, missed, [DAY], at(last))
    seconds = machine.select(
        (pl.col("to_time") - pl.col("from_time")).dt.total_seconds().sum()
    ).item()
    row = of(found, node)
    assert row["covered_s"] == seconds
    assert row["covered_s"] + row["uncovered_s"] == last - min(a for a, _ in windows)
    assert 0 <= row["completeness"] <= of(found, None)["completeness"] <= 1
