from datetime import date

import pytest

from connectors.entered_facts import read_entered
from connectors.errors import FleetFileError
from pipelines import evidence_cards

HEAD = "subject_kind,subject_id,fact_id,value,as_of,document"
LISTED = "smart_factory,F01,recognised,1,2026-03-01,沪经信制〔2026〕1 号"
LEVEL = "benchmark_park,P01,dsmm_level,3,2026-05-01,"


def file(folder, *lines):
    path = folder / "facts.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n", "utf-8")
    return path


def test_what_was_entered_becomes_a_card(tmp_path):
    rows = read_entered(file(tmp_path, LISTED, LEVEL))
    assert rows.schema == evidence_cards.ENTERED
    facts = evidence_cards.entered(rows, date(2026, 4, 1))
    (card,) = (
        one
        for one in evidence_cards.cards(evidence_cards.criteria(), facts).iter_rows(named=True)
        if one["state"] == "met"
    )
    assert (card["subject_id"], card["criterion_id"]) == ("F01", "recognised")
    assert "沪经信制〔2026〕1 号" in card["evidence_zh"]


def test_a_blank_value_takes_an_entry_back(tmp_path):
    back = "smart_factory,F01,recognised,,2026-06-01,"
    facts = evidence_cards.entered(read_entered(file(tmp_path, LISTED, back)), date(2026, 7, 1))
    cards = evidence_cards.cards(evidence_cards.criteria(), facts)
    assert set(cards["state"]) == {"unknown"}


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (LISTED.replace("smart_factory", "factory"), "subject_kind"),
        (LISTED.replace("F01", ""), "subject_id"),
        (LISTED.replace("recognised", "dsmm_level"), "fact_id"),
        (LISTED.replace(",1,", ",yes,"), "value"),
        (LISTED.replace("2026-03-01", "March"), "as_of"),
        (LISTED.rpartition(",")[0] + ",", "document"),
        (LISTED + "\n" + LISTED, "fact_id"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, line, column):
    with pytest.raises(FleetFileError, match=f"column {column}"):
        read_entered(file(tmp_path, line))
