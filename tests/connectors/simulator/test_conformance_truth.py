import pytest

from connectors.simulator.conformance_truth import level

L1 = {"packml_state", "parts_total"}
L2 = {*L1, "parts_bad", "order_id", "ideal_cycle_s"}
L3 = {*L2, "stop_reason_code", "energy_kwh"}


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (L3, 3), (L3 - {"energy_kwh"}, 2), (L3 - {"stop_reason_code"}, 2), (L2, 2),
        (L3 - {"order_id"}, 1), (L3 - {"parts_bad"}, 1), (L3 - {"parts_bad"} | {"parts_good"}, 3),
        (L3 - {"ideal_cycle_s"}, 1), (L3 - {"parts_total"}, 0), (L3 - {"packml_state"}, 0),
        (L3 - {"packml_state"} | {"item_state"}, 3), (set(), 0),
    ],
)  # fmt: skip
def test_levels_as_the_interface_has_them(served, expected):
    assert level(served) == expected
