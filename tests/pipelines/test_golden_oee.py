"""Public worked examples of OEE: as rows, as roll-ups, and as events through the whole path."""

from pathlib import Path

import polars as pl
import pytest

from pipelines import oee
from tests.pipelines import slow_indices
from tests.pipelines.golden import examples
from tests.pipelines.golden.examples import EVERY, ROLL_UPS, SINGLE

GUIDE = Path(__file__).parents[2] / "docs/guides/oee-worked-examples.md"
TIMES = ["pbt_s", "apt_s", "aust_s", "adet_s", "adot_s"]
RATIOS = ["availability", "effectiveness", "quality_ratio", "oee", "nee"]
WITH_EVENTS = [name for name, e in SINGLE.items() if "timeline" in e]
ROLLED_WITH_EVENTS = [name for name, r in ROLL_UPS.items() if "timeline" in r]


def assert_as_printed(example, found):
    """Every figure is what is right, to the last digit printed, and no figure is called wrong that
    is not."""
    corrected = example.get("corrected", {})
    assert set(corrected) <= set(example["published"])
    for name, text in example["published"].items():
        assert examples.agrees(found[name], corrected.get(name, text)), (name, found[name])
        assert examples.agrees(found[name], text) != (name in corrected), (name, found[name])


@pytest.mark.parametrize("name", EVERY)
def test_the_published_figures(name):
    assert_as_printed(EVERY[name], examples.ours(EVERY[name]))


@pytest.mark.parametrize("name", ROLL_UPS)
def test_the_published_roll_ups(name):
    assert_as_printed(ROLL_UPS[name], examples.rolled(ROLL_UPS[name]))


@pytest.mark.parametrize("name", EVERY)
def test_the_times_of_an_example_add_up(name):
    inputs = examples.row(EVERY[name]["inputs"])
    assert sum(inputs[t] for t in TIMES[1:]) + inputs.get("unknown_s", 0) == inputs["pbt_s"]


def test_every_example_has_a_source_and_every_correction_a_reason():
    every = [*SINGLE.values(), *ROLL_UPS.values()]
    assert all(e["source"].startswith("http") and e["publisher"] and e["title"] for e in every)
    assert all(e.get("remark") for e in EVERY.values() if "corrected" in e)
    assert len({e["source"] for e in every}) >= 14
    assert len(WITH_EVENTS) + len(ROLLED_WITH_EVENTS) >= 6


def test_all_of_them_at_once_equal_the_slow_twin():
    """In one frame, as a table of shifts is: no row knows of its neighbours."""
    rows = [examples.row(e["inputs"]) for e in EVERY.values()]
    found = oee.indices(examples.frame(*rows)).to_dicts()
    for given, fast in zip(rows, found, strict=True):
        slow = slow_indices.indices(dict.fromkeys(examples.OPTIONAL) | given)
        for name, value in slow.items():
            assert fast[name] == (
                value if value is None else pytest.approx(float(value), rel=1e-15)
            )


def test_a_mean_of_ratios_is_not_what_they_publish():
    """Of machines as long as each other the mean of OEEs is right by chance, so not of those."""
    package, hours = ROLL_UPS["oee-package"], ROLL_UPS["checkpoint-1"]
    for roll_up, figure in ((package, "oee"), (hours, "availability")):
        values = [examples.ours(part)[figure] for part in roll_up["part"]]
        assert not examples.agrees(sum(values) / len(values), roll_up["published"][figure])


def exact(example):
    """Ratios of the published inputs as fractions."""
    return slow_indices.indices(examples.row(example["inputs"]))


def assert_same(found, example):
    inputs = examples.row(example["inputs"])
    assert [found[t] for t in TIMES] == pytest.approx([inputs[t] for t in TIMES], abs=1e-6)
    assert (found["pq"], found["gq"]) == (inputs["pq"], inputs["gq"])
    assert (found["completeness"], found["unknown_s"]) == (1, 0)
    for name, value in exact(example).items():
        if name in RATIOS:
            assert found[name] == pytest.approx(float(value), rel=0, abs=1e-9), name
    assert found["lower"] == found["oee"] == found["upper"]


@pytest.mark.parametrize("beside", ["parts_bad", "parts_good"])
@pytest.mark.parametrize("name", WITH_EVENTS)
def test_the_same_shift_as_events(name, beside):
    """Raw values, compacted, as episodes and increments, clipped by a plan with its breaks."""
    found = examples.by_shift(SINGLE[name], beside=beside).row(0, named=True)
    assert_same(found, SINGLE[name])
    shown = SINGLE[name] | {
        part: {k: v for k, v in SINGLE[name].get(part, {}).items() if k != "teep"}
        for part in ("published", "corrected")
    }
    assert_as_printed(shown, found)


def test_three_machines_as_events_roll_up():
    weighted = ROLL_UPS["versalytics"]
    found = examples.by_shift(*weighted["part"])
    for machine, part in zip(found.sort("work_unit_id").to_dicts(), weighted["part"], strict=True):
        assert_same(machine, part)
    line = oee.roll_up(found, "line_id").row(0, named=True)
    assert_as_printed(weighted, line)
    assert (line["work_units"], line["completeness"]) == (3, 1)


@pytest.mark.parametrize("name", ROLLED_WITH_EVENTS)
def test_hours_as_one_shift_of_events(name):
    """The sums of the published hours; disconnected time is unknown and has no element."""
    hours = examples.rolled(ROLL_UPS[name])
    found = examples.by_shift(ROLL_UPS[name]).row(0, named=True)
    unknown = hours.get("unknown_s") or 0
    assert [found[t] for t in TIMES] == [hours[t] for t in TIMES]
    assert found["unknown_s"] == unknown
    assert found["availability"] == pytest.approx(hours["apt_s"] / hours["pbt_s"], abs=1e-9)
    assert found["completeness"] == pytest.approx(1 - unknown / hours["pbt_s"], abs=1e-9)
    assert (found["pq"], found["oee"], found["lower"], found["upper"]) == (None, None, 0, 1)


def test_a_break_is_a_loss_or_is_planned_but_the_pieces_are_the_same():
    """One shift, two conventions: 69.1 % with the break inside, 73.7 % without."""
    inside, planned = (
        examples.by_shift(SINGLE[f"wikipedia-break-{kind}"]).row(0, named=True)
        for kind in ("inside", "planned")
    )
    assert (round(100 * inside["oee"], 1), round(100 * planned["oee"], 1)) == (69.1, 73.7)
    assert inside["ideal_good_s"] == planned["ideal_good_s"]
    assert inside["pbt_s"] - planned["pbt_s"] == 1800


def test_smrp_with_its_breaks_and_maintenance_planned():
    """76.6 % of SMRP's day become 85.5 % when what was scheduled is cut out of busy time."""
    machine = SINGLE["smrp-machine-d"]
    renamed = {66: "break", 100: "maintenance"}
    cut = [[renamed.get(d, k) if k == "adot" else k, d] for k, d in machine["timeline"]["spans"]]
    planned = machine | {"timeline": machine["timeline"] | {"spans": cut}}
    found = examples.by_shift(planned).row(0, named=True)
    assert found["pbt_s"] == 57600 - 5976
    assert round(100 * found["availability"], 1) == 85.5


def test_the_guide_shows_what_is_tested():
    """`python -m tests.pipelines.golden.examples` prints these lines."""
    lines = GUIDE.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == examples.table()
    assert [line for line in lines if line.startswith("- *")] == examples.remarks()


def test_agrees_is_as_sharp_as_the_print():
    assert examples.agrees(0.74794, "74.79 %")
    assert not examples.agrees(0.74796, "74.79 %")
    assert not examples.agrees(None, "0 %")
    assert not examples.agrees(0.0, "undefined")
    assert examples.frame(examples.row({"pbt_s": 1, "apt_s": 1})).schema["gq"] == pl.Int64
