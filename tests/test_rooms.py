"""How `make test` shares the tests out among its processes."""

from pathlib import Path

from tests.conftest import ROOMS, room_of

ROOT = Path(__file__).parents[1]


def test_every_room_is_there():
    """A folder that is renamed must not lose its room in silence."""
    assert [begin for begin in ROOMS if not (ROOT / begin).exists()] == []


def test_a_servers_test_is_with_the_servers_and_any_other_with_its_file():
    assert room_of("tests/connectors/opcua/test_walk.py::test_x[a::b]") == "servers"
    assert room_of("tests/connectors/simulator/servers/test_server.py::test_x") == "servers"
    assert room_of("tests/connectors/simulator/test_exam.py::test_x") == "factories"
    assert room_of("tests/pipelines/test_oee_twin.py::test_x") == "tests/pipelines/test_oee_twin.py"


def test_no_id_is_made_of_a_set(request):
    """Its members stand in another order in every process, which then collect different tests."""
    params = [(item.nodeid, item.callspec.params) for item in request.session.items
              if hasattr(item, "callspec")]  # fmt: skip
    assert [
        nodeid
        for nodeid, values in params
        for value in values.values()
        if isinstance(value, set | frozenset) and len(value) > 1 and str(value) in nodeid
    ] == []
