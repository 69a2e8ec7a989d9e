"""The ledger told: days and nodes, what history should hold, and what is printed of it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.accounts import ledger_summary
from connectors.console import print_ledger
from connectors.ledger import Ledger
from connectors.raw import ticks_of
from tests.connectors.test_pruning import NOON, made, row, write

DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


def told(home, *asked):
    return ledger_summary(home.root, *asked, now=NOW)


@pytest.fixture
def home(tmp_path):
    """Six values, of which the two of an outage came from history; one more in each way twice."""
    home = made(tmp_path / "home")
    with Ledger(home.root) as ledger:
        ledger.open_gap("urn:a", None, NOON + timedelta(minutes=10), "link lost")
        ledger.close_gap("urn:a", None, NOON + timedelta(minutes=20), "history")
        ledger.add_gaps(
            "urn:a", [("nsu=urn:n;s=b", NOON, NOON + timedelta(minutes=5), "history X")]
        )
        ledger.open_gap("urn:a", "nsu=urn:n;s=c", NOON, "refused: BadNotSupported")
    minutes = (0, 1, 12, 13, 30)
    times = {m: ticks_of(NOON + timedelta(minutes=m)) for m in minutes}
    write(home, [row(source_ticks=times[m]) for m in (0, 1, 30)])
    later = NOON + timedelta(hours=1)
    write(home, [row(source_ticks=times[m], origin="history", received_time=later)
                 for m in (1, 12, 13, 13)])  # fmt: skip
    return home


def test_a_day_has_counts_seconds_and_what_history_should_hold(home):
    (server,) = told(home, DAY, DAY)["servers"]
    assert server["received"] == {
        "live": 3, "republished": 0, "history": 4, "repeats_removed": 2,
    }  # fmt: skip
    (day,) = server["windows"]
    assert day["day"] == "2026-11-21"
    assert (day["received_live"], day["back_filled"], day["expected"]) == (3, 4, 2)
    assert (day["covered_s"], day["gap_s"]) == (7200.0, 0.0)
    assert day["nodes_incomplete"] == 3
    nodes = {name.rpartition("=")[2]: rows for name, rows in server["nodes_by_day"].items()}
    owed_s = (datetime(2026, 11, 21, 16, tzinfo=UTC) - NOON).total_seconds() + 3600
    assert [nodes[n][0]["covered_s"] for n in "abc"] == [7200.0, 6900.0, 3600.0]
    assert [nodes[n][0]["gap_s"] for n in "abc"] == [0.0, 300.0, owed_s - 3600]
    assert all(row["covered_s"] + row["uncovered_s"] == owed_s for (row,) in nodes.values())
    assert [one["reason"] for one in server["unrecoverable"]] == [
        "history X", "refused: BadNotSupported",
    ]  # fmt: skip
    assert [(one["gaps"], one["open"], one["gap_s"]) for one in server["unrecoverable"]] == [
        (1, 0, 300.0), (1, 1, 0.0),
    ]  # fmt: skip


def test_days_and_nodes_narrow_it(home):
    (server,) = told(home, date(2026, 11, 22), None)["servers"]
    assert server["received"]["live"] == 0
    assert "2026-11-21" not in {window["day"] for window in server["windows"]}
    (server,) = told(home, DAY, DAY, "s=b")["servers"]
    assert (list(server["nodes_by_day"]), server["windows"]) == (["nsu=urn:n;s=b"], [])


def test_what_is_not_complete_is_printed(home, capsys):
    print_ledger(told(home, DAY, DAY))
    (line,) = (
        one for one in capsys.readouterr().out.splitlines() if one.startswith("  2026-11-21")
    )
    assert line.split()[2:6] == ["3", "0", "4", "2"]
    assert line.split()[6:8] == ["2", "h"]
    print_ledger(told(home, DAY, DAY, "s=b"))
    assert "s=b" in capsys.readouterr().out
