import pytest

from connectors.opcua.quirks import Quirk, quirk_of
from connectors.opcua.session import Build


@pytest.mark.parametrize("product", ["SIMATIC.S7-1200.OPC UA Server", "simatic.s7-1200"])
def test_a_controller_is_known_by_its_product(product):
    found = quirk_of(Build(product=product))
    assert (found.items_per_call, found.items_per_subscription) == (200, 1000)
    assert found.transfers


@pytest.mark.parametrize("product", ["", "open62541", "SIMATIC.S7-1500.OPC UA Server"])
def test_of_the_others_nothing_is_known(product):
    assert quirk_of(Build(product=product)) == Quirk()
