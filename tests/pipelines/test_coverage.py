"""For which times a machine is known: servers that come and go, and what was not heard."""

import polars as pl
import pytest

from pipelines import states
from pipelines.coverage import covered
from pipelines.equipment import units_of
from tests.pipelines import plant
from tests.pipelines.plant import Said

OLD, NEW = "urn:plant:old", "urn:plant:new"
WHOLE = plant.coverage((0, 3600))
LIVE = ["item_state", "operation_mode", "parts_total"]


def held(server, start=None, end=None, unit="M1", measures=LIVE):
    dates = {"valid_from": start, "valid_to": end}
    times = [
        pl.lit(s if s is None else plant.at(s), pl.Datetime("us", "UTC")).alias(n)
        for n, s in dates.items()
    ]
    return plant.tags(measures, units=[unit], server=server).with_columns(times)


def spans(coverage, tags, gaps=None, unit="M1"):
    """Seconds in which a machine is covered, whatever the order of the rows."""
    missed = plant.gaps() if gaps is None else gaps
    found = covered(coverage, tags, missed)
    backwards = covered(coverage.reverse(), tags.reverse(), missed.reverse())
    assert backwards.equals(found)
    rows = found.filter(pl.col("work_unit_id") == unit).select("from_time", "to_time").rows()
    seconds = [tuple(int((time - plant.at(0)).total_seconds()) for time in row) for row in rows]
    joined = []
    for start, end in seconds:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        ((None, 600, 3000), [(0, 600), (3000, 3600)]),
        ((None, 600, None), [(0, 600)]),
        (("item_state", 600, 3000), [(0, 600), (3000, 3600)]),
        (("parts_total", 3000, None), [(0, 3000)]),
        (("parts_good", 600, 3000), [(0, 600), (3000, 3600)]),
        (("product_id", 600, 3000), [(0, 600), (3000, 3600)]),
        (("stop_reason_code", 600, 3000), [(0, 3600)]),
        (("power_kw", 600, 3000), [(0, 3600)]),
    ],
)
def test_what_was_not_heard_is_not_covered(gap, expected):
    tags = plant.tags([*plant.MACHINERY, "power_kw"])
    assert spans(WHOLE, tags, plant.gaps(gap)) == expected


def test_gaps_that_overlap_are_one():
    missed = plant.gaps((None, 600, 900), ("item_state", 700, 1000), ("parts_total", 1000, 1200))
    assert spans(WHOLE, plant.tags(), missed) == [(0, 600), (1200, 3600)]


def test_a_gap_of_a_node_is_of_its_own_machine():
    tags = plant.tags(units=["M1", "M2"])
    missed = plant.gaps(("item_state", 600, 3000))
    assert spans(WHOLE, tags, missed, "M2") == [(0, 3600)]
    both = plant.gaps((None, 600, 3000))
    assert spans(WHOLE, tags, both, "M2") == [(0, 600), (3000, 3600)]


def test_a_gap_of_another_server_is_not_ours():
    assert spans(WHOLE, plant.tags(), plant.gaps((None, 0, None), server=NEW)) == [(0, 3600)]


def test_a_bare_list_of_machines_knows_servers_only():
    units = units_of(plant.tags())
    assert spans(WHOLE, units, plant.gaps((None, 600, 3000))) == [(0, 600), (3000, 3600)]
    assert spans(WHOLE, units, plant.gaps(("item_state", 600, 3000))) == [(0, 3600)]


def test_a_gap_counts_while_the_node_means_the_machine():
    tags = pl.concat(
        [held(plant.SERVER, None, 1800), held(plant.SERVER, 1800).with_columns(
            work_unit_id=pl.lit("M2"))]
    )  # fmt: skip
    missed = plant.gaps(("item_state", 1200, 2400))
    assert spans(WHOLE, tags, missed) == [(0, 1200)]
    assert spans(WHOLE, tags, missed, "M2") == [(0, 1800), (2400, 3600)]


def test_an_open_gap_ends_where_coverage_ends():
    later = pl.concat([plant.coverage((0, 600)), plant.coverage((0, 3600), server=NEW)])
    tags = pl.concat([held(plant.SERVER), held(NEW, unit="M2")])
    missed = plant.gaps((None, 600, None))
    assert spans(later, tags, missed) == [(0, 600)]
    assert spans(later, tags, missed, "M2") == [(0, 3600)]


@pytest.mark.parametrize("since", [None, -600])
def test_a_server_that_made_way_is_needed_no_more(since):
    tags = pl.concat([held(OLD, since, 0), held(NEW, 0)])
    old, new = plant.coverage((-600, -10), server=OLD), plant.coverage((0, 3600), server=NEW)
    assert spans(pl.concat([old, new]), tags) == [(-600, -10), (0, 3600)]
    assert spans(new, tags) == [(0, 3600)]


def test_each_server_is_needed_in_its_own_time():
    tags = pl.concat([held(OLD, -600, 1800), held(NEW, 1800)])
    both = pl.concat(
        [plant.coverage((0, 1800), server=OLD), plant.coverage((1800, 3600), server=NEW)]
    )
    assert spans(both, tags) == [(0, 3600)]
    late = pl.concat(
        [plant.coverage((0, 1800), server=OLD), plant.coverage((2000, 3600), server=NEW)]
    )
    assert spans(late, tags) == [(0, 1800), (2000, 3600)]


def test_between_two_servers_nothing_is_covered():
    tags = pl.concat([held(OLD, None, 1200), held(NEW, 1500)])
    both = pl.concat([plant.coverage((0, 3600), server=server) for server in (OLD, NEW)])
    assert spans(both, tags) == [(0, 1200), (1500, 3600)]


def test_what_history_brought_from_before_the_first_tag_is_covered_too():
    """Two servers of one machine, written down one after the other: both are needed before."""
    tags = pl.concat([held(OLD, 1800, measures=LIVE[:2]), held(NEW, 1805, measures=LIVE[2:])])
    both = pl.concat(
        [plant.coverage((0, 3600), server=OLD), plant.coverage((600, 3600), server=NEW)]
    )
    assert spans(both, tags) == [(600, 3600)]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_node_that_moved_speaks_for_one_machine_at_a_time(backwards):
    tags = pl.concat([held(plant.SERVER, None, 1800), held(plant.SERVER, 1800, unit="M2")])
    tags = tags.with_columns(node_id=pl.col("node_id").str.replace("M2", "M1"))
    rows = plant.raw([Said(t, "item_state", n) for n, t in enumerate((0, 1000, 2000, 3000))])
    found = states.episodes(plant.timed(rows), tags.reverse() if backwards else tags)
    assert found.select("work_unit_id", "start").rows() == [
        ("M1", plant.at(0)), ("M1", plant.at(1000)), ("M2", plant.at(2000)), ("M2", plant.at(3000)),
    ]  # fmt: skip
