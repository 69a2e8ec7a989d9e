from datetime import UTC, date, datetime

import pytest

from connectors.entered_facts import enter_facts, read_entered, read_facts
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


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_what_was_entered_stays_and_a_later_word_of_the_same_day_stands(tmp_path):
    home = tmp_path / "entered_facts"
    assert read_facts(home).is_empty()
    first = enter_facts(home, file(tmp_path, LISTED, LEVEL), entered_at=NOW)
    assert (first.fresh, first.unchanged) == (2, 0)
    again = enter_facts(home, file(tmp_path, LEVEL, LISTED), entered_at=NOW)
    assert (again.fresh, again.unchanged) == (0, 2)
    second = enter_facts(home, file(tmp_path, LEVEL.replace(",3,", ",2,"), LISTED), entered_at=NOW)
    assert (second.fresh, second.unchanged) == (1, 1)
    stands = read_facts(home)
    assert stands.schema == evidence_cards.ENTERED
    assert dict(stands.select("fact_id", "value").iter_rows()) == {"recognised": 1, "dsmm_level": 2}
    kept = sorted(path.name for path in home.glob("*.parquet"))
    assert [name[:6] for name in kept] == ["000001", "000002"]
    assert all(path.stat().st_mode & 0o222 == 0 for path in home.glob("*.parquet"))


def test_a_file_with_a_wrong_row_is_not_taken_at_all(tmp_path):
    home = tmp_path / "entered_facts"
    wrong = file(tmp_path, LISTED, LEVEL.replace("2026-05-01", "May"))
    with pytest.raises(FleetFileError, match="column as_of"):
        enter_facts(home, wrong, entered_at=NOW)
    assert read_facts(home).is_empty()
