"""What early warning reads of the register, and who is told."""

from datetime import date

import polars as pl

from pipelines.park_schemas import ENTERPRISES, PLATFORM_USE_SHARES, TERMINALS
from pipelines.warning_facts import is_for_people, peer_groups, platform_shares

ON = date(2026, 9, 30)


def terminal(terminal_id, platform, uscc="A", **facts):
    row = dict.fromkeys(TERMINALS) | {
        "terminal_id": terminal_id, "platform": platform, "uscc": uscc,
        "activated_on": date(2026, 1, 1), "valid_from": date(2026, 1, 1),
    }  # fmt: skip
    return row | facts


def shares(*rows):
    found = platform_shares(pl.DataFrame(list(rows), schema=TERMINALS), ON)
    assert found.schema == PLATFORM_USE_SHARES
    return {(uscc, platform): count for uscc, platform, count in found.rows()}


def test_terminals_in_service_count_by_platform_one_on_two_on_each():
    found = shares(
        terminal("T1", "海纳"), terminal("T2", "海纳"), terminal("T3", "海纳+云间"),
        terminal("T1", "云间"), terminal("T4", "海纳", uscc="B"),
    )  # fmt: skip
    assert found == {("A", "海纳"): 3, ("A", "云间"): 2, ("B", "海纳"): 1}


def test_what_is_not_in_service_or_nobodys_counts_nowhere():
    assert not shares(
        terminal("T1", "海纳", retired_on=ON),
        terminal("T2", "海纳", activated_on=None),
        terminal("T3", "海纳", activated_on=date(2026, 10, 1)),
        terminal("T4", "海纳", uscc=None),
        terminal("T5", None),
        terminal("T6", "海纳", valid_to=ON),
    )
    assert shares(terminal("T1", "海纳", retired_on=date(2026, 10, 1))) == {("A", "海纳"): 1}


def test_peers_are_of_the_sector_that_the_register_has_on_the_day():
    rows = [
        {"uscc": "A", "industry_code": "C3912", "valid_from": date(2020, 1, 1), "valid_to": ON},
        {"uscc": "A", "industry_code": "C2710", "valid_from": ON, "valid_to": None},
        {"uscc": "B", "industry_code": None, "valid_from": date(2020, 1, 1), "valid_to": None},
    ]
    found = peer_groups(pl.DataFrame(rows, schema=ENTERPRISES), ON)
    assert dict(found.rows()) == {"A": "C27", "B": None}


def test_people_are_told_what_the_model_the_register_or_a_sure_rule_says():
    rules = ["distress", "stale_declaration", "concentration", "connectivity_loss", "output_drop",
             "running_drop", "energy_decoupling", "alarm_surge"]  # fmt: skip
    rows = pl.DataFrame({"rule": rules})
    assert rows.filter(is_for_people())["rule"].to_list() == rules[:4]
