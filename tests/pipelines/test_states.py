"""State rules, PackML, Bad values, the carry."""

import polars as pl
import pytest

from pipelines import profiles, states
from tests.pipelines import plant
from tests.pipelines.plant import BAD, UNCERTAIN, Said

PACKML = ["packml_state", "packml_mode", "order_id", "product_id"]


def episodes(said, tags=None):
    return states.episodes(plant.timed(plant.raw(said)), plant.tags() if tags is None else tags)


def in_two(said, tags=None, edge=20):
    """Episodes of the parts before and after `edge`, the later one behind the last values."""
    tags = plant.tags() if tags is None else tags
    return [found for found, _ in plant.in_parts(plant.raw(said), tags, plant.cycles(), [edge])]


def elements(frame):
    return frame.with_columns(element=profiles.element())["element"].to_list()


@pytest.mark.parametrize(
    ("item", "mode", "order", "expected"),
    [
        (3, 3, "O", "apt"), (3, 3, None, "apt"), (3, 2, "O", "aust"), (2, 2, None, "aust"),
        (2, 3, "O", "adet"), (2, 3, None, "adot"), (2, 0, "O", "adet"), (2, 0, None, "adot"),
        (1, 3, "O", "adet"), (1, 3, "", "adot"), (1, 0, "O", "adot"), (0, 3, "O", "adet"),
        (0, 0, "O", "adot"), (3, 1, "O", "adot"), (2, 1, "O", "adot"), (1, 1, None, "adot"),
        (0, 1, "O", "adot"), (None, 3, "O", None), (3, None, "O", None),
    ],
)  # fmt: skip
def test_opc40001_1_elements(item, mode, order, expected):
    row = {"item_state": item, "operation_mode": mode, "order_id": order}
    frame = pl.DataFrame(
        [row], {"item_state": pl.Int8, "operation_mode": pl.Int8, "order_id": pl.String}
    )
    assert elements(frame) == [expected]


def test_unknown_profile_is_refused():
    with pytest.raises(KeyError, match="no-such"):
        profiles.element("no-such")


@pytest.mark.parametrize(
    ("state", "mode", "expected"),
    [
        (6, 1, (3, 3)), (9, 1, (1, 0)), (8, 1, (1, 0)), (1, 1, (1, 0)), (2, 1, (2, 0)),
        (7, 1, (2, 0)), (4, 1, (2, 3)), (5, 1, (2, 3)), (11, 1, (2, 3)), (17, 1, (2, 3)),
        (6, 3, (3, 2)), (9, 3, (1, 2)), (2, 3, (2, 2)), (4, 3, (2, 2)), (2, 2, (2, 1)),
        (9, 2, (1, 1)), (6, 0, (3, None)), (77, 1, (None, 3)),
    ],
)  # fmt: skip
def test_packml_translates(state, mode, expected):
    said = [Said(0, "packml_state", state), Said(0, "packml_mode", mode)]
    found = episodes(said, plant.tags(PACKML))
    assert found.select("item_state", "operation_mode").rows() == [expected]


def test_changes_at_one_instant_are_one_episode():
    said = [
        Said(5, m, v) for m, v in (("item_state", 3), ("operation_mode", 3), ("order_id", "O1"))
    ]
    said += [Said(9, "order_id", "O2"), Said(9, "item_state", 2), Said(12, "item_state", 2)]
    found = episodes(said)
    assert found.select("start", "end", "item_state", "order_id").rows() == [
        (plant.at(5), plant.at(9), 3, "O1"),
        (plant.at(9), None, 2, "O2"),
    ]


def test_bad_hides_the_state_until_that_node_speaks_again():
    said = [
        Said(0, "item_state", 3), Said(0, "operation_mode", 3), Said(10, "item_state", None, BAD),
        Said(20, "operation_mode", 3), Said(25, "order_id", "O2"),
        Said(30, "item_state", 2, UNCERTAIN), Said(40, "item_state", 3),
    ]  # fmt: skip
    found = episodes(said)
    at = {row["start"]: (row["item_state"], row["quality"]) for row in found.to_dicts()}
    assert at[plant.at(10)] == (None, "unknown")
    assert at[plant.at(25)] == (None, "unknown")
    assert at[plant.at(30)] == (2, "uncertain")
    assert at[plant.at(40)] == (3, "good")


def test_bad_order_is_kept_as_uncertain():
    said = [Said(0, "item_state", 2), Said(0, "operation_mode", 3), Said(0, "order_id", "O1")]
    found = episodes([*said, Said(5, "order_id", None, BAD)])
    assert found["order_id"].to_list() == ["O1", "O1"]
    assert found["quality"].to_list() == ["good", "uncertain"]
    assert elements(found) == ["adet", "adet"]


def test_empty_order_is_no_order():
    said = [Said(0, "item_state", 2), Said(0, "operation_mode", 3), Said(0, "order_id", "O1")]
    assert elements(episodes([*said, Said(5, "order_id", "")])) == ["adet", "adot"]


def test_machine_without_a_mode_node_is_taken_as_processing_and_uncertain():
    found = episodes([Said(0, "item_state", 3)], plant.tags(["item_state"]))
    assert found.select("operation_mode", "quality").row(0) == (3, "uncertain")


def test_carry_makes_a_quiet_day_known():
    _, quiet = in_two([Said(0, "item_state", 3), Said(0, "operation_mode", 3)])
    assert quiet.select("start", "end", "item_state").row(0) == (plant.at(0), None, 3)


@pytest.mark.parametrize("state", [2, 4, 6, 9])
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_packml_carry_keeps_state_and_mode_apart(state, mode):
    tags = plant.tags(PACKML)
    before = [Said(0, "packml_state", state), Said(0, "packml_mode", mode)]
    for change in (Said(50, "packml_state", 6), Said(50, "packml_mode", 1)):
        whole = elements(episodes([*before, change], tags))
        assert elements(in_two([*before, change], tags)[1])[-2:] == whole[-2:]


def test_bad_state_carried_hides_the_state_until_the_node_speaks_again():
    said = [Said(0, "item_state", 3), Said(0, "operation_mode", 3), Said(10, "item_state", 0, BAD)]
    _, quiet = in_two(said)
    assert quiet.select("start", "item_state", "quality").rows() == [
        (plant.at(10), None, "unknown")
    ]
    _, again = in_two([*said, Said(30, "item_state", 2)])
    assert again["item_state"].to_list() == [None, 2]


def test_hidden_state_carried_does_not_reach_back_over_what_was_known():
    """The mode's row is carried from second 0, the state's last known value is not."""
    said = [Said(0, "item_state", 3), Said(0, "operation_mode", 3), Said(5, "item_state", 77)]
    early, late = in_two(said)
    assert late["start"].to_list() == [plant.at(5)]
    assert states.stitch(pl.concat([early, late])).equals(episodes(said))


@pytest.mark.parametrize("order", ["O1", ""])
def test_bad_order_carried_keeps_its_last_value_as_uncertain(order):
    said = [Said(0, "item_state", 2), Said(0, "operation_mode", 3), Said(0, "order_id", order)]
    _, quiet = in_two([*said, Said(5, "order_id", None, BAD)])
    assert quiet.select("start", "order_id", "quality").rows() == [
        (plant.at(5), order or None, "uncertain")
    ]


def test_unstable_clock_makes_the_state_unknown():
    values = plant.timed(plant.raw([Said(0, "item_state", 3), Said(0, "operation_mode", 3)]))
    off = values.with_columns(clock_unstable=pl.lit(value=True))
    assert states.episodes(off, plant.tags())["quality"].to_list() == ["unknown"]


def test_a_tag_means_what_it_meant_then():
    """M1's node moves to M2 at second 100; its first meaning also holds before it was written."""
    first = plant.tags(["item_state"]).with_columns(
        valid_from=pl.lit(plant.at(50)).cast(pl.Datetime("us", "UTC")),
        valid_to=pl.lit(plant.at(100)).cast(pl.Datetime("us", "UTC")),
    )
    then = first.with_columns(
        work_unit_id=pl.lit("M2"),
        valid_from=pl.col("valid_to"),
        valid_to=pl.col("valid_from").shift(1),
    )
    found = episodes(
        [Said(10, "item_state", 3), Said(150, "item_state", 2)], pl.concat([first, then])
    )
    assert found.select("work_unit_id", "item_state").rows() == [("M1", 3), ("M2", 2)]
