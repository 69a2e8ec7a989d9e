from collections import Counter

import pytest

from connectors.simulator.fleet import families, fleet, unit_code, uscc
from connectors.simulator.interface import eu_information

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def test_uscc_of_a_published_example():
    assert uscc("91350100M000100Y4") == "91350100M000100Y43"


@pytest.mark.parametrize("factory", fleet(), ids=lambda f: f.factory_id)
def test_every_uscc_is_valid(factory):
    values = [ALPHABET.index(character) for character in factory.uscc]
    assert len(values) == 18
    assert (sum(v * 3**i for i, v in enumerate(values[:17])) + values[17]) % 31 == 0


def test_ten_factories_in_three_parks_and_five_sectors():
    factories = fleet()
    assert [f.factory_id for f in factories] == [f"F{n:02}" for n in range(1, 11)]
    assert Counter(f.park_id for f in factories) == {"P01": 4, "P02": 3, "P03": 3}
    assert set(Counter(f.sector.name_zh for f in factories).values()) == {2}
    assert {f.park_id for f in factories if f.working_days_only} == {"P01", "P03"}
    assert len({f.uscc for f in factories}) == 10


def test_machines_and_their_signals():
    machines = [m for f in fleet() for m in f.machines]
    assert len(machines) == len({m.work_unit_id for m in machines}) == 75
    for factory in fleet():
        assert 6 <= len(factory.machines) <= 12
        assert 2 <= len({m.type.name for m in factory.machines}) <= 3
    for machine in machines:
        assert 28 <= len(machine.type.signals) <= 32
        assert all(s.family in families() and unit_code(s.unit) for s in machine.type.signals)
        for product in machine.type.products:
            assert 45_000 <= product.cycle_ms <= 300_000
            assert product.cycle_ms * 1000 % product.items_per_cycle == 0


def test_unit_id_packs_the_unece_code():
    assert '"UnitId":4408652,' in eu_information("°C")  # "CEL" in OPC UA's published list
