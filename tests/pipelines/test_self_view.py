"""What an enterprise sees of itself and of peers: its quarter, and nobody else."""

import polars as pl
import pytest

from pipelines.park_figures import PORTRAITS
from pipelines.quartiles import figures, with_peers
from pipelines.self_view import SELF_VIEW, self_view
from tests.pipelines.test_quartiles import firm, scattered, tell

WORLD = scattered(30)
PORTRAITS_OF_WORLD = pl.DataFrame([portrait for portrait, _ in WORLD], schema=PORTRAITS)
TOLD = tell(WORLD)


def view(uscc="C39small00", **facts):
    own = pl.col("uscc") == uscc
    changed = PORTRAITS_OF_WORLD.with_columns(
        pl.when(own).then(pl.lit(value)).otherwise(name).cast(PORTRAITS[name]).alias(name)
        for name, value in facts.items()
    )
    return self_view(with_peers(changed, TOLD), TOLD, uscc)


def trend(frame):
    return frame.filter(pl.col("figure") == "output_trend").row(0, named=True)


@pytest.mark.parametrize(
    ("value", "quarter"),
    [(-0.08, "first"), (-0.07, "second"), (-0.01, "third"), (0.05, "fourth"), (9.0, "fourth")],
)
def test_its_quarter_is_read_off_what_is_told(value, quarter):
    found = trend(view(output_trend=value))
    assert (found["q1"], found["median"], found["q3"]) == (-0.07, -0.01, 0.05)
    assert (found["value"], found["quarter"]) == (value, quarter)
    assert found["peers_en"] == "30 enterprises of your sector and size class"


def test_with_a_median_only_it_sees_its_half():
    few = [firm(f"F{n}", n / 10) for n in range(6)]
    portraits = pl.DataFrame([portrait for portrait, _ in few], schema=PORTRAITS)
    halves = [trend(self_view(portraits, tell(few), f"F{n}"))["quarter"] for n in range(6)]
    assert halves == ["lower_half"] * 3 + ["upper_half"] * 3


def test_rows_are_the_figures_and_the_self_score_and_name_nobody():
    found = view(self_score=70.0, trend_basis="days_84")
    assert found.schema == SELF_VIEW
    assert found["figure"].to_list() == [*figures()["figure"], "self_score"]
    text = found.write_json()
    others = [name for name in PORTRAITS_OF_WORLD["uscc"] if name != "C39small00"]
    assert not any(name in text for name in others)
    assert "与 84 日前相比" in trend(found)["note_zh"]
    assert found.row(-1, named=True)["value"] == 70.0


def test_what_is_not_known_of_it_has_no_quarter_and_says_so():
    found = view(output_trend=None)
    row = trend(found)
    assert (row["value"], row["quarter"], row["median"]) == (None, None, -0.01)
    assert "Not known of your enterprise" in row["note_en"]
    silent = found.filter(pl.col("figure") == "oee").row(0, named=True)
    assert "not told" in silent["peers_en"]


def test_who_is_not_there_sees_nothing():
    assert view("nobody").equals(SELF_VIEW.to_frame())
