"""A day's ground: the same before what happened, and never the same where a figure is another."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.cloud import grounds, restated, seen
from pipelines.cloud.day import Ground, of_day
from pipelines.park_figures import ADOPTION_RESTATEMENTS
from tests.pipelines.cloud.town import LONG_AGO, ON, Town, ago

TABLES = [
    "enterprises", "sites", "machines", "terminals", "tenants", "declarations", "provider_use",
    "operating_days", "collector_down", "terminal_days",
]  # fmt: skip
DAYS = [ago(back) for back in range(5, -1, -1)]
AT = datetime(2026, 11, 22, 1, tzinfo=UTC)


def town() -> Town:
    made = Town()
    for name in ("a", "b", "c"):
        made.firm(name)
        made.device(f"d-{name}", name)
        made.hears(f"d-{name}", *range(1, 60, 2 if name == "c" else 1))
    made.declares("a")
    made.declares("b", "no")
    made.uses("b", ago(80))
    made.say("tenants", tenant_id="t1", platform="海纳", uscc="c")
    made.say("machines", machine_id="m", uscc="a", site_id="S-a", kind="machine", is_digital=True)
    return made


def closed(rows: pl.DataFrame, since: date) -> pl.DataFrame:
    """The first version ends on a day."""
    ends = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(since)).otherwise("valid_to")
    return rows.with_columns(valid_to=ends)


def added(rows: pl.DataFrame, since: date, **changes: object) -> pl.DataFrame:
    """One row more, like the first and of a day."""
    day = "day" if "day" in rows.columns else "valid_from"
    new = rows.head(1).with_columns(
        pl.lit(since).alias(day), **{k: pl.lit(v) for k, v in changes.items()}
    )
    return pl.concat([rows, new.cast(rows.schema)])


HAPPENS = {
    "closed declaration": ("declarations", closed),
    "closed terminal": ("terminals", closed),
    "closed enterprise": ("enterprises", closed),
    "a firm goes": ("sites", closed),
    "declared at last": ("declarations", lambda rows, on: added(rows, on, uscc="c")),
    "used": ("provider_use", lambda rows, on: added(rows, on, uscc="a", level="C4")),
    "one machine more": ("machines", lambda rows, on: added(rows, on, machine_id="n")),
    "an account": ("tenants", lambda rows, on: added(rows, on, tenant_id="t2")),
    "at work": ("operating_days", lambda rows, on: rows.filter(pl.col("day") != on)),
    "heard late": ("terminal_days", lambda rows, on: added(rows, on, terminal_id="d-c")),
}  # fmt: skip


def digests(tables):
    found = {name: grounds.digests(name, tables[name], DAYS) for name in TABLES}
    return {day: {name: of[day] for name, of in found.items()} for day in DAYS}


def figures(tables, on):
    ground = Ground.of(tables, on)
    return of_day(ground, seen.heard(tables["terminal_days"], on), on).adoption


@pytest.mark.parametrize("what", HAPPENS)
@settings(max_examples=6)
@given(back=st.integers(0, 6))
def test_what_happens_touches_its_day_and_those_after_it(what: str, back: int) -> None:
    table, change = HAPPENS[what]
    before = town().tables()
    after = {**before, table: change(before[table], ago(back))}
    was, now = digests(before), digests(after)
    for day in DAYS:
        assert (was[day] != now[day]) == (day >= ago(back))
        if was[day] == now[day]:
            assert_frame_equal(figures(before, day), figures(after, day))
        else:
            assert grounds.cause(was[day], now[day]) == table


def test_order_and_source_are_nobodys_change() -> None:
    tables = town().tables()
    turned = {name: rows.reverse() for name, rows in tables.items()}
    turned["declarations"] = turned["declarations"].with_columns(source=pl.lit("another file"))
    assert digests(tables) == digests(turned)


@given(
    told=st.lists(
        st.tuples(st.integers(0, 9), st.text(max_size=3)), max_size=8, unique_by=lambda t: t[0]
    ),
    days=st.lists(st.integers(0, 9), max_size=4, unique=True),
)
def test_a_chain_is_the_hash_of_its_beginning(told: list, days: list) -> None:
    rows = [(LONG_AGO + timedelta(days=n), text) for n, text in sorted(told)]
    asked = [LONG_AGO + timedelta(days=n) for n in days]
    found = grounds.chained(iter(rows), asked)
    assert set(found) == set(asked)
    for day in asked:
        alone = [row for row in rows if row[0] <= day]
        assert found[day] == grounds.chained(alone, [ON])[ON]


def test_causes_are_the_tables_that_differ() -> None:
    assert grounds.cause({}, {"sites": "x"}) == "unrecorded"
    assert (
        grounds.cause({"sites": "x", "tenants": "y"}, {"sites": "z", "tenants": "q"})
        == "sites,tenants"
    )
    assert grounds.cause({"sites": "x"}, {"sites": "x"}) == "code"


def test_what_was_told_turns_the_old_figures_into_the_new() -> None:
    before = town().tables()
    after = {**before, "declarations": closed(before["declarations"], ago(2))}
    old, new = (figures(tables, ON) for tables in (before, after))
    told = restated.restated(old, new, cause="declarations", at=AT, run_id="r")
    assert told.schema == ADOPTION_RESTATEMENTS
    assert told.height
    assert set(told["change"]) == {"changed"}
    assert set(told["metric_id"]) == {"CA-1"}
    counts = ["numerator", "denominator", "unknown"]
    now = told.select(*restated.KEY, **{name: f"new_{name}" for name in counts})
    both = old.join(now, on=restated.KEY, how="left", nulls_equal=True, maintain_order="left")
    made = both.select(
        *restated.KEY, *(pl.coalesce(f"{name}_right", name).alias(name) for name in counts)
    )
    assert_frame_equal(made, new.select(made.columns))
    assert restated.restated(new, new, cause="code", at=AT, run_id="r").is_empty()


def test_rows_that_come_and_go_are_told() -> None:
    tables = town().tables()
    figures_of = figures(tables, ON)
    part = figures_of.filter(pl.col("park_id").is_null())
    told = restated.restated(part, figures_of, cause="sites", at=AT, run_id="r")
    assert set(told["change"]) == {"appeared"}
    assert told.height == figures_of.height - part.height
    back = restated.restated(figures_of, part, cause="sites", at=AT, run_id="r")
    assert set(back["change"]) == {"vanished"}


def test_nothing_is_told_twice_but_what_changed_back_is() -> None:
    before = town().tables()
    after = {**before, "declarations": closed(before["declarations"], ago(2))}
    old, new = (figures(tables, ON) for tables in (before, after))
    first = restated.restated(old, new, cause="declarations", at=AT, run_id="r")
    again = restated.restated(old, new, cause="declarations", at=AT, run_id="s")
    assert restated.untold(again, first).is_empty()
    back = restated.restated(new, old, cause="declarations", at=AT, run_id="t")
    assert_frame_equal(restated.untold(back, first), back, check_row_order=False)
