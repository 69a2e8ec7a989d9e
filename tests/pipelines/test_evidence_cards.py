"""Cards follow from facts alone, and counts from cards."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import card_facts, chain_stage, evidence_cards, park_figures
from pipelines.evidence_cards import BENCHMARK_PARK, FACTS, SMART_FACTORY, cards, counted

ON = date(2026, 11, 20)
CRITERIA = evidence_cards.criteria()


def fact(fact_id, value, subject="F01", kind=SMART_FACTORY, as_of=ON):
    row = {"subject_kind": kind, "subject_id": subject, "fact_id": fact_id, "value": value}
    return row | {
        "as_of": as_of,
        "evidence_zh": f"证据 {value}",
        "evidence_en": f"evidence {value}",
    }


def frame(*facts):
    return pl.DataFrame(facts, schema=FACTS)


def asked(comparator, threshold):
    row = {"criterion_id": "c", "subject_kind": SMART_FACTORY, "zh": "甲", "en": "a", "quote": "q"}
    row |= {"line": 1, "fact_id": "f", "threshold": threshold, "comparator": comparator}
    return pl.DataFrame([row | {"threshold_by": "ours", "is_mandatory": True}])


def must(kind):
    own = CRITERIA.filter(pl.col("subject_kind") == kind, pl.col("is_mandatory"))
    enough = pl.col("threshold") + (pl.col("comparator") == "gt")
    return list(own.select("fact_id", enough).iter_rows())


def test_every_criterion_is_whole_and_says_that_no_official_text_is_known():
    assert CRITERIA.null_count().sum_horizontal().item() == 0
    assert CRITERIA.select("subject_kind", "criterion_id").is_unique().all()
    assert set(CRITERIA["subject_kind"]) == set(evidence_cards.KINDS)
    told = cards(CRITERIA, card_facts.subjects(SMART_FACTORY, ["F01"]))
    assert told.schema == park_figures.CARDS
    assert told["basis_zh"].str.starts_with("规划原文“").all()
    assert told["basis_en"].str.starts_with("the plan's “").all()
    is_ours = CRITERIA["threshold_by"] == "ours"
    named = told.join(CRITERIA.filter(is_ours), on=["subject_kind", "criterion_id"], how="semi")
    assert named["basis_en"].str.ends_with("the threshold is our proposal").all()
    assert "未公开或未获得" in evidence_cards.UNOFFICIAL[0]
    assert set(told["state"]) == {"unknown"}


@pytest.mark.parametrize(
    ("comparator", "threshold", "value", "state"),
    [
        ("gt", 0.8, 0.8, "not_met"), ("gt", 0.8, 0.80001, "met"),
        ("ge", 0.8, 4 / 5, "met"), ("ge", 0.8, 0.79999, "not_met"),
        ("le", 1.3, 13 / 10, "met"), ("le", 1.3, 1.31, "not_met"),
        ("eq", 4.0, 4.0, "met"), ("eq", 4.0, 3.0, "not_met"),
        ("ge", 0.8, None, "unknown"), ("ge", 0.8, float("nan"), "unknown"),
    ],
)  # fmt: skip
def test_a_value_is_compared_unrounded(comparator, threshold, value, state):
    assert cards(asked(comparator, threshold), frame(fact("f", value)))["state"].item() == state


def test_the_newest_fact_holds_even_if_it_is_worse():
    old = fact("f", 9.0, as_of=date(2026, 1, 1))
    for order in ([old, fact("f", 0.0)], [fact("f", 0.0), old]):
        card = cards(asked("ge", 1.0), frame(*order)).row(0, named=True)
        assert (card["state"], card["as_of"], card["evidence_zh"]) == ("not_met", ON, "证据 0.0")


def test_facts_that_nobody_asks_for_change_nothing():
    known = frame(fact("f", 1.0))
    more = frame(fact("f", 1.0), fact("other", 1.0), fact("f", 0.0, "P01", BENCHMARK_PARK))
    of_factory = cards(asked("ge", 1.0), more)
    assert of_factory.equals(cards(asked("ge", 1.0), known))


def whole(subject, kind=SMART_FACTORY, **changed):
    return [
        fact(name, changed.get(name, threshold), subject, kind) for name, threshold in must(kind)
    ]


def test_a_factory_counts_when_all_that_is_mandatory_is_met():
    facts = [
        *whole("F01"), *whole("F02", oee_completeness=0.89), *whole("F03", l2_share=None),
        *whole("F04", oee_completeness=0.1, l2_share=None),
        *whole("P01", BENCHMARK_PARK),
    ]  # fmt: skip
    found = cards(CRITERIA, frame(*facts))
    assert counted(found).rows() == [(SMART_FACTORY, 1, 2, 1), (BENCHMARK_PARK, 1, 0, 0)]
    states = evidence_cards.by_subject(found).select("subject_id", "state").rows()
    assert dict(states)["F03"] == "unknown"


def test_recognition_is_the_authoritys_word_and_no_condition():
    listed = pl.DataFrame(
        [
            (SMART_FACTORY, "F01", "recognised", 1.0, date(2026, 1, 1), "名单 1"),
            (SMART_FACTORY, "F02", "recognised", 1.0, date(2026, 12, 1), "名单 9"),
        ],
        schema=evidence_cards.ENTERED,
        orient="row",
    )
    facts = pl.concat([frame(*whole("F01"), *whole("F02")), evidence_cards.entered(listed, ON)])
    found = cards(CRITERIA, facts)
    own = found.filter(pl.col("criterion_id") == "recognised").select("subject_id", "state").rows()
    assert own == [("F01", "met"), ("F02", "unknown")]
    assert counted(found).row(0) == (SMART_FACTORY, 2, 0, 0)


STATES = st.dictionaries(
    st.sampled_from(["F01", "F02", "F03"]),
    st.lists(
        st.sampled_from([None, 0.0, 1.0, 4.0]), min_size=len(CRITERIA), max_size=len(CRITERIA)
    ),
)


@settings(max_examples=25)
@given(STATES)
def test_counts_are_those_of_a_loop(subjects):
    facts = [
        fact(name, values[n], subject)
        for subject, values in subjects.items()
        for n, name in enumerate(CRITERIA["fact_id"])
    ]
    tally = {"met": 0, "not_met": 0, "unknown": 0}
    place = {name: n for n, name in enumerate(CRITERIA["fact_id"])}
    for values in subjects.values():
        known = [(values[place[name]], threshold) for name, threshold in must(SMART_FACTORY)]
        if any(value is not None and value < threshold for value, threshold in known):
            tally["not_met"] += 1
        elif any(value is None for value, _ in known):
            tally["unknown"] += 1
        else:
            tally["met"] += 1
    assert counted(cards(CRITERIA, frame(*facts))).row(0) == (SMART_FACTORY, *tally.values())


def units(*rows):
    names = ["park_id", "factory_id", "line_id", "work_unit_id", "level"]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(names[:4], pl.String) | {"level": pl.Int8}, orient="row"
    )


def test_facts_of_levels():
    found = card_facts.of_levels(
        units(
            ("P01", "F01", "L1", "M1", 3), ("P01", "F01", "L2", "M2", 2),
            ("P01", "F01", "L2", "M3", 1), (None, "F02", None, "M4", 0),
        ),
        ON,
    )  # fmt: skip
    told = {(row["subject_id"], row["fact_id"]): row for row in found.iter_rows(named=True)}
    assert told["F01", "l2_share"]["evidence_zh"] == "2/3 台设备达到 L2"
    assert told["F01", "l2_share"]["value"] == 2 / 3
    assert told["F01", "l2_lines"]["value"] == 1
    assert told["F01", "l2_units"]["value"] == 2
    assert told["P01", "l2_factories_share"]["value"] == 0
    assert told["F02", "l2_lines"]["value"] is None
    assert not any(subject is None for subject, _ in told)


def test_facts_of_oee_and_stages():
    shifts = pl.DataFrame(
        {
            "factory_id": ["F01", "F01", "F02", "F01", "F01"],
            "production_day": [ON, ON - timedelta(days=29), ON, ON - timedelta(days=30), ON],
            "is_open": [False, False, False, False, True],
            "pbt_s": [100.0, 100.0, 0.0, 100.0, 100.0],
            "unknown_s": [20.0, 0.0, 0.0, 100.0, 100.0],
        }
    )
    found = card_facts.of_oee(shifts, ON)
    assert found.select("subject_id", "value").rows() == [("F01", 0.9), ("F02", None)]
    hours = card_facts.of_oee(shifts.with_columns(pbt_s=36_000.0), ON)
    assert hours["evidence_en"][0] == "the state is known for 19.9 of 20.0 h of planned busy time"
    stages = pl.DataFrame(
        [("F01", "rnd", 1, 1, 0, False), ("F01", "production", 1, 1, 5, True)],
        schema=chain_stage.BY_FACTORY, orient="row",
    )  # fmt: skip
    assert card_facts.of_stages(stages, ON)["value"].to_list() == [1.0]
    assert set(card_facts.SHARES) | set(card_facts.COUNTS) <= set(CRITERIA["fact_id"])


def test_machine_days_are_judged_of_those_that_have_data():
    schema = {"factory_id": pl.String, "work_unit_id": pl.String, "day": pl.Date}
    ago = [ON - timedelta(days=n) for n in range(31)]
    due = [("F01", unit, day) for unit in ("M1", "M2") for day in (ago[0], ago[1], ago[30])]
    judged = [("F01", "M1", ago[0]), ("F01", "M1", ago[0]), ("F01", "M3", ago[1])]
    old = [("F01", "M1", ago[30])]
    rows = (pl.DataFrame(one, schema, orient="row") for one in ([*judged, *old], due))
    (row,) = card_facts.of_judging(*rows, ON).rows(named=True)
    assert (row["fact_id"], row["subject_id"], row["value"]) == ("judged_share", "F01", 0.25)
    assert row["evidence_en"] == "1 of 4 machine-days were judged"


def test_a_day_is_collected_when_a_value_of_a_node_was_kept():
    def row(factory, day, node, live, repeats):
        counts = {"received_live": live, "republished": 0, "back_filled": 1}
        rest = {"server_uri": "u", "repeats_removed": repeats, "factory_id": factory}
        return {**counts, **rest, "node_id": node, "day": ON - timedelta(days=day)}

    ledger = pl.DataFrame(
        [row("F01", 0, "n", 5, 6), row("F01", 1, "n", 5, 5), row("F01", 2, None, 9, 0),
         row("F02", 0, "n", 0, 0), row("F02", 0, "m", 0, 0)]
    )  # fmt: skip
    assert card_facts.collected(ledger).rows() == [
        ("F01", ON - timedelta(days=1)), ("F02", ON),
    ]  # fmt: skip
