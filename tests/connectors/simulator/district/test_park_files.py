"""What the office keeps of parks: its own enterprises, use that makes nobody a user, its truth."""

from datetime import date

import polars as pl
import pytest

from connectors.entered_facts import read_entered
from connectors.home import Home
from connectors.register_import import import_file
from connectors.register_store import rows
from connectors.simulator.district import park_files, truth
from connectors.simulator.district.facts import facts
from connectors.simulator.district.known import Known
from pipelines import evidence_cards, pue
from pipelines.park_schemas import ENERGY_DAYS, FACT_KEY

ON = date(2026, 11, 21)


@pytest.fixture(scope="module")
def district():
    return facts(2, ON, enterprises=420, terminals=400, with_fleet=False)


@pytest.fixture(scope="module")
def of_parks(district):
    return park_files.offered(district, 2)


def test_owners_and_users_are_plain_enterprises_of_the_office(district, of_parks):
    planted = {subject for trap in district.traps for subject in trap.subjects}
    owners = {row.uscc for row in (*of_parks.projects, *of_parks.energy_days)}
    users = {row.uscc for row in of_parks.use if row.uscc}
    assert (owners | users) <= {row.uscc for row in district.enterprises} - planted
    assert len({row.uscc for row in of_parks.energy_days}) == 10


def test_the_use_of_services_makes_nobody_a_user(district, of_parks):
    before, after = (Known(one, ON) for one in (district, park_files.with_use(district, of_parks)))
    assert len(of_parks.use) > 500
    assert [firm.is_used for firm in before.firms.values()] == [
        firm.is_used for firm in after.firms.values()
    ]
    assert truth.adoption(before) != truth.adoption(after)  # the levels of those who use


def test_a_record_of_use_is_there_once(district, of_parks):
    use = park_files.with_use(district, of_parks).provider_use
    added = use[len(district.provider_use) :]
    keys = [tuple(getattr(one, name) for name in FACT_KEY["provider_use"]) for one in added]
    assert len(keys) == len(set(keys)) == len(of_parks.use)


def test_what_the_register_takes_of_the_files_is_what_the_truth_counts(of_parks, tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    park_files.write_park_files(of_parks, folder)
    home = Home(tmp_path / "home")
    refused = {
        path.stem: import_file(home, path)[0].imported.refused
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    assert refused["projects"] == 1
    assert refused["services"] == 0
    assert refused["energy_days"] > 400  # swapped meters, and days that one of them missed
    taken = rows(home, "energy_days").select(ENERGY_DAYS.names())
    told = pue.by_data_centre(taken, ON).select("data_centre_id", "days", "verdict").rows()
    true = park_files.truth_tables(of_parks)["pue"]
    assert true.schema.names[0] == "reference_date"
    assert pl.from_arrow(true).select("data_centre_id", "days", "verdict").rows() == told


def test_what_is_entered_is_readable_and_says_that_it_is_invented(of_parks, tmp_path):
    park_files.write_park_files(of_parks, tmp_path)
    found = read_entered(tmp_path / "entered" / "entered_facts.csv")
    assert found.schema == evidence_cards.ENTERED
    assert found["document"].str.contains("虚构.*simulated").all()
    listed = found.filter(pl.col("fact_id") == "recognised").group_by("subject_kind").len()
    assert dict(listed.iter_rows()) == {"smart_factory": 6, "benchmark_park": 1}
