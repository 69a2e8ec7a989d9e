import polars as pl

from pipelines import oee
from pipelines.catalogue import numbered
from pipelines.cycles import per_unit, with_pri
from tests.pipelines import plant
from tests.pipelines.plant import Said


def priced(products, **cycles):
    """The PRI of pieces of these products at one time."""
    units = numbered(plant.tags())
    rows = pl.DataFrame({"product_id": products}, {"product_id": pl.String}).with_columns(
        unit_no=pl.lit(0, units.schema["unit_no"]), time=pl.lit(plant.at(10))
    )
    named = plant.cycles(**{name: pri for name, pri in cycles.items() if name != "any"})
    every = plant.cycles(X=cycles.get("any", 1.0)).with_columns(product_id=pl.lit(None, pl.String))
    known = pl.concat([named, every]) if "any" in cycles else named
    return with_pri(rows, per_unit(known, units), "time")["pri_s"].to_list()


def test_a_cycle_of_no_product_holds_where_the_product_has_none_of_its_own():
    assert priced(["A", "B", None], A=10.0, any=7.0) == [10.0, 7.0, 7.0]


def test_without_one_an_unknown_product_has_no_run_time():
    assert priced(["A", "B", None], A=10.0) == [10.0, None, None]


def test_a_machine_that_was_taken_away_has_no_more_shifts():
    tags, cycles = plant.tags(), plant.cycles(A=10.0)
    tags = tags.with_columns(valid_to=pl.lit(plant.at(3000)))
    running = [Said(-60, "item_state", 3), Said(-60, "operation_mode", 3)]
    episodes, increments = plant.silver(plant.raw(running), tags, cycles)
    plan = plant.plan(("A", 0, 3600, "busy"), ("B", 3600, 7200, "busy"))
    found = oee.by_shift(episodes, increments, plan, cycles, plant.coverage((0, 7200)), tags)
    assert found["shift_id"].to_list() == ["A"]
