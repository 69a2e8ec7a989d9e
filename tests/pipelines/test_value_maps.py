import polars as pl
import pytest

from pipelines import counters, states
from pipelines.value_maps import parsed, translated
from tests.pipelines import plant
from tests.pipelines.plant import Said

VALUES = {"value_float": pl.Float64, "value_int": pl.Int64, "value_uint": pl.UInt64,
          "value_text": pl.String}  # fmt: skip
TAG = {"measure_kind": pl.String, "value_map": pl.String, "scale": pl.Float64}


def said(kind, value_map=None, scale=None, **value):
    row = dict.fromkeys(VALUES) | value
    row |= {"measure_kind": kind, "value_map": value_map, "scale": scale}
    plain = dict.fromkeys(VALUES) | {"value_int": 7, "measure_kind": "state"}
    frame = pl.DataFrame([row, plain | dict.fromkeys(("value_map", "scale"))], VALUES | TAG)
    first, second = translated(frame).select(*VALUES).rows(named=True)
    assert second == {k: plain[k] for k in VALUES}
    return {name: v for name, v in first.items() if v is not None}


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"value_int": 4}, {"value_int": 3}),
        ({"value_uint": 4}, {"value_int": 3}),
        ({"value_float": 4.0}, {"value_int": 3}),
        ({"value_text": "RUN"}, {"value_int": 3}),
        ({"value_int": 5}, {}),
        ({"value_float": 4.5}, {}),
        ({}, {}),
    ],
)
def test_a_code_becomes_the_state_it_stands_for_and_any_other_is_unknown(value, meant):
    assert said("state", "4=3;RUN=3;0=2", **value) == meant


def test_every_other_code_can_be_named_but_no_value_is_no_code():
    assert said("state", "1=3;*=2", value_int=99) == {"value_int": 2}
    assert said("state", "1=3;*=2") == {}


def test_an_order_keeps_its_raw_code_where_the_map_is_silent():
    assert said("context", "17=P-17", value_int=17) == {"value_text": "P-17"}
    assert said("context", "17=P-17", value_int=18) == {"value_int": 18}


def test_a_scaled_counter_stays_whole_and_a_scaled_signal_is_real():
    assert said("counter", scale=2.0, value_uint=21) == {"value_int": 42}
    assert said("energy", scale=0.001, value_int=1500) == {"value_float": 1.5}


@pytest.mark.parametrize("text", ["", "1", "=1", "1=", "1=2;1=3", ";"])
def test_what_maps_nothing_is_refused(text):
    with pytest.raises(ValueError, match=r"maps|is not like"):
        parsed(text)


def test_silver_reads_raw_codes_and_strokes_through_their_tags():
    rows = plant.raw([Said(0, "item_state", 4), Said(10, "item_state", 9),
                      Said(0, "parts_total", 10), Said(20, "parts_total", 13)])  # fmt: skip
    is_state, is_total = (pl.col("measure") == m for m in ("item_state", "parts_total"))
    tags = plant.tags().with_columns(
        value_map=pl.when(is_state).then(pl.lit("4=3")),
        scale=pl.when(is_total).then(2.0).otherwise(None),
    )
    rows = rows.with_columns(time="source_time")
    assert states.episodes(rows, tags)["item_state"].to_list() == [3, None]
    made = counters.increments(rows, tags, plant.cycles(A=1.0))
    assert made.filter(cause="step")["amount"].to_list() == [6]
