"""Chains of industry and stages of the chain: data that tests can fail, and a slow twin."""

import re
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.opcua import catalogue
from connectors.simulator import interface
from connectors.simulator.fleet import fleet
from pipelines import chain_stage, chains, park_figures, park_schemas, schemas

ON = date(2026, 11, 20)
LINKS = chains.supply_links()


def versions(rows, schema):
    held = [{**dict.fromkeys(schema), "valid_from": date(2020, 1, 1), **row} for row in rows]
    return pl.DataFrame(held, schema=schema)


def firms(*codes, **more):
    here = {"register_status": "在营", "in_new_city": True}
    rows = [{"uscc": f"U{n}", "industry_code": code} | here | more for n, code in enumerate(codes)]
    return versions(rows, park_schemas.ENTERPRISES)


def sites(*parks):
    rows = [{"site_id": f"S{n}", "uscc": f"U{n}", "park_id": park} for n, park in enumerate(parks)]
    return versions(rows, park_schemas.SITES)


def states(found, park, chain):
    own = found.filter(pl.col("park_id").eq_missing(park), pl.col("chain") == chain)
    return dict(own.select("link", "state").iter_rows())


def test_five_chains_of_six_to_ten_links_with_codes_of_the_standard():
    sizes = LINKS.group_by("chain").agg(pl.col("link").n_unique())
    assert set(sizes["chain"]) == {"biopharma", "ev", "materials", "equipment", "ic"}
    assert sizes["link"].is_between(6, 10).all()
    assert all(re.fullmatch(r"[A-T]\d{2,4}", code) for code in LINKS["industry_code"])
    assert LINKS.null_count().sum_horizontal().item() == 0
    names = LINKS.group_by("chain", "link").agg(pl.n_unique("name_zh", "name_en", "place"))
    assert names.select(pl.max("name_zh", "name_en", "place")).row(0) == (1, 1, 1)
    assert LINKS.select(*park_schemas.FACT_KEY["supply_links"]).is_unique().all()
    assert LINKS.select(park_schemas.SUPPLY_LINKS.names()).schema == park_schemas.SUPPLY_LINKS


def test_a_chain_begins_with_two_links():
    found = chains.missing_links(
        firms("C3973", "C3562", "I6520", "C2710"), sites("P01", "P01", "P02", "P02"), LINKS, ON
    )
    ic = states(found, "P01", "ic")
    assert (ic["fabrication"], ic["equipment"], ic["design"], ic["boards"]) == (
        "present", "present", "elsewhere", "missing",
    )  # fmt: skip
    assert states(found, "P02", "ic") == {}
    assert states(found, None, "ic")["design"] == "present"
    assert states(found, None, "biopharma") == {}
    assert found.schema == park_figures.MISSING_LINKS


GONE = [
    {"register_status": "注销"}, {"in_new_city": False}, {"valid_to": ON}, {"industry_code": None},
]  # fmt: skip


@pytest.mark.parametrize("more", GONE)
def test_who_is_not_there_makes_no_link(more):
    assert chains.missing_links(
        firms("C3973", "C3562", **more), sites("P01", "P01"), LINKS, ON
    ).is_empty()


def test_one_enterprise_in_two_parks_counts_in_both_and_once_in_all():
    everyone = firms("C3973", "C3562", "C3983")
    where = pl.concat([sites("P01", "P01", "P02"), sites("P02").with_columns(site_id=pl.lit("T"))])
    found = chains.missing_links(everyone, where, LINKS, ON).filter(pl.col("link") == "fabrication")
    assert found.select("park_id", "in_park", "in_district").rows() == [
        (None, 1, 1), ("P01", 1, 1), ("P02", 1, 1),
    ]  # fmt: skip


CODES = ["C3973", "C3562", "C3985", "C3972", "C2710", "C276", "C3091", "I65", "C3612"]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(["P01", "P02", None])), max_size=8)
)
def test_links_are_what_a_loop_finds(everyone):
    codes, parks = [code for code, _ in everyone], [park for _, park in everyone]
    found = chains.missing_links(firms(*codes), sites(*parks), LINKS, ON)
    slow = {}
    for park in {None, *parks}:
        for chain in LINKS["chain"].unique():
            own = LINKS.filter(pl.col("chain") == chain)
            makers = {}
            for link, prefix in own.select("link", "industry_code").iter_rows():
                at = [n for n, code in enumerate(codes) if code.startswith(prefix)]
                here, all_ = makers.setdefault(link, (set(), set()))
                all_.update(at)
                here.update(n for n in at if park is None or parks[n] == park)
            if sum(bool(here) for here, _ in makers.values()) >= 2:
                for link, (here, all_) in makers.items():
                    slow[park, chain, link] = len(here), len(all_)
    told = found.select("park_id", "chain", "link", "in_park", "in_district").iter_rows()
    assert {tuple(key): (here, all_) for *key, here, all_ in told} == slow


def test_every_measure_of_the_interface_and_the_catalogue_has_one_stage():
    known = dict(catalogue.MACHINE_RULES.values())
    known |= dict.fromkeys(catalogue._JOBS.values(), "context")
    for factory in fleet():
        shape = interface.points("urn:x", factory, factory.machines[0])
        for point in shape:
            known.setdefault(point.measure, "process")
    tags = pl.DataFrame(
        {"measure": list(known), "measure_kind": list(known.values())},
        schema={"measure": pl.String, "measure_kind": pl.String},
    )
    found = tags.with_columns(stage=chain_stage.of_tags())
    assert found["stage"].null_count() == 0
    assert set(found["stage"]) == set(chain_stage.STAGES)
    by_measure = dict(found.select("measure", "stage").iter_rows())
    assert by_measure["ideal_cycle_s"] == "rnd"
    assert by_measure["parts_good"] == "production"
    assert by_measure["order_id"] == "business"
    assert by_measure["stop_reason_code"] == "operation"


BRONZE = {"raw_values", "quarantine", "last_values", "park_values"}
TABLES = {
    **schemas.TABLES,
    **park_schemas.REGISTER,
    "alarms": schemas.ALARMS,
    "failures": schemas.FAILURES,
    "warnings": park_schemas.WARNINGS,
    "conflicts": park_schemas.CONFLICTS,
    "rejections": park_schemas.REJECTIONS,
    **{
        name.lower(): schema
        for name, schema in vars(park_figures).items()
        if isinstance(schema, pl.Schema)
    },
}


def test_every_column_of_every_table_has_one_stage():
    for name, schema in TABLES.items():
        for column in schema:
            assert chain_stage.of_column(name, column) in chain_stage.STAGES
    assert chain_stage.of_column("process_values_kiln", "zone1_temperature") == "production"
    assert chain_stage.of_column("cycles", "pri_s") == "rnd"
    assert chain_stage.of_column("enterprise_days", "output") == "production"
    with pytest.raises(KeyError, match="no_such_table"):
        chain_stage.of_column("no_such_table", "x")


def test_no_tag_is_said_twice_or_of_a_column_that_is_gone():
    table = chain_stage.table()
    assert table.select("scope", "name").is_unique().all()
    assert table["stage"].is_in(chain_stage.STAGES).all()
    for name in table.filter(pl.col("scope") == "column")["name"]:
        of, column = name.split(".")
        assert column in TABLES[of]


def tag(measure, kind, node, **more):
    said = {"server_uri": "u", "node_id": node, "factory_id": "F01", "measure": measure}
    return said | {"measure_kind": kind} | more


def test_a_stage_is_covered_when_a_value_of_it_came():
    tags = [
        tag("parts_total", "counter", "a"), tag("temperature", "process", "b"),
        tag("ideal_cycle_s", "identity", "c"), tag("odd/thing", "other", "d"),
        tag("order_id", "context", "e"), tag("serial", "identity", "f", valid_to=schemas_time()),
    ]  # fmt: skip
    frame = pl.DataFrame(
        [{**dict.fromkeys(schemas.TAGS), **one} for one in tags], schema=schemas.TAGS
    )
    day = {"server_uri": "u", "day": ON, "republished": 0, "back_filled": 2, "repeats_removed": 1}
    ledger = pl.DataFrame(
        [
            {**dict.fromkeys(schemas.LEDGER_BY_DAY), **day, "node_id": node, "received_live": live}
            for node, live in (("a", 5), ("b", 7), ("c", -1), ("d", 9), (None, 99))
        ],
        schema=schemas.LEDGER_BY_DAY,
    )
    found = chain_stage.by_factory(frame, chain_stage.kept(ledger))
    assert found.rows() == [
        ("F01", "rnd", 1, 1, 0, False), ("F01", "production", 2, 2, 14, True),
        ("F01", "business", 1, 1, 0, False), ("F01", "operation", 0, 0, 0, False),
    ]  # fmt: skip


def schemas_time():
    return pl.Series([0], dtype=pl.Int64).cast(schemas.TIME).item()
