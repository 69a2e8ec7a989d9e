"""What comes late into register or evidence restates the adoption of its own days, no others."""

import shutil
from datetime import timedelta

import polars as pl
import pytest
from test_restated import files_of, ticks_to_the_end

from connectors.lake import Lake, Partition
from connectors.register_import import import_file
from pipelines.park_figures import ADOPTION_RESTATEMENTS


@pytest.fixture
def office(walked, tmp_path):
    """The walked home, into which an office may import; afterwards it is what it was."""
    shutil.copytree(walked.lake, tmp_path / "lake")
    before = set(walked.register.rglob("*"))
    yield walked
    shutil.rmtree(walked.lake)
    shutil.move(tmp_path / "lake", walked.lake)
    for path in sorted(set(walked.register.rglob("*")) - before, reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


@pytest.fixture
def yesterday(walked):
    from assets.partitions import local_today

    return local_today() - timedelta(days=1)


def read(home, name, day=None):
    return Lake(home.lake).read(name, Partition(day))


def told(home, rows, path):
    """An office's file of rows, imported."""
    rows.write_parquet(path)
    import_file(home, path)


def changed_days(home, before):
    """Days of gold of adoption whose files are others than before."""
    after = files_of(home)
    names = {name for name, seen in after.items() if before.get(name) != seen}
    tables = {"adoption", "terminal_state", "adoption_ground", "funnel", "adoption_restatements"}
    own = [name.split("/") for name in names if name.split("/")[0] in tables]
    return {part[1] for part in own}


def stale(opened):
    return ticks_to_the_end(opened, "stale_adoption", "adoption_days")


def test_nothing_is_asked_for_while_nothing_changed(walked):
    from assets.materialize import instance

    with instance() as opened:
        assert stale(opened) == []


def test_evidence_that_came_late_is_heard_from_its_day_on(office, yesterday, tmp_path):
    from assets.materialize import instance, run

    heard = read(office, "terminal_days", yesterday).filter(pl.col("good_values") > 0)
    state = read(office, "terminal_state", yesterday)
    silent = state.filter(~pl.col("terminal_id").is_in(heard["terminal_id"].implode()))
    terminal = silent["terminal_id"].sort()[0]
    before = files_of(office)
    late = {"terminal_id": [terminal], "day": [yesterday], "good_values": [5]}
    told(office, pl.DataFrame(late), tmp_path / "terminal_days.parquet")
    with instance() as opened:
        box = Partition(office.first_day), Partition(yesterday)
        assert run(opened, "evidence", *box) == []
        assert stale(opened) == [(str(yesterday), str(yesterday))]
    now = read(office, "terminal_state", yesterday).filter(terminal_id=terminal)
    assert now["last_seen_on"].to_list() == [yesterday]
    assert now["seen_bits"][0] & 1
    assert changed_days(office, before) == {f"day={yesterday}"}


def test_what_enterprises_say_at_last_restates_the_figures_that_it_changes(
    office, yesterday, tmp_path
):
    from assets.materialize import instance, run

    figures = read(office, "adoption", yesterday)
    first = read(office, "adoption", office.first_day)
    said = read(office, "declarations").filter(
        pl.col("declared_cloud") == "no", pl.col("valid_to").is_null()
    )
    rows = said.select("uscc").unique().with_columns(
        declared_cloud=pl.lit("yes"), declared_from=pl.lit(yesterday), level=pl.lit("C2"),
        declared_on=pl.lit(yesterday), document=pl.lit("contract"), valid_from=pl.lit(yesterday),
    )  # fmt: skip
    with instance() as opened:
        ticks_to_the_end(opened, "restated_days")
        before = files_of(office)
        told(office, rows, tmp_path / "declarations.parquet")
        assert run(opened, "register") == []
        assert stale(opened) == [(str(yesterday), str(yesterday))]
        assert ticks_to_the_end(opened, "restated_days") == [(str(yesterday), str(yesterday))]
    assert changed_days(office, before) == {f"day={yesterday}"}
    assert read(office, "adoption", office.first_day).equals(first)

    restated = read(office, "adoption_restatements", yesterday)
    assert restated.schema == ADOPTION_RESTATEMENTS
    assert set(restated["cause"]) == {"declarations"}
    assert set(restated["metric_id"]) == {"CA-1"}
    assert set(restated["basis"]) == {"declared", "declared_or_verified"}
    key = ["park_id", "dimension", "class_id", "metric_id", "basis"]
    now = read(office, "adoption", yesterday)
    for side, frame in (("old", figures), ("new", now)):
        own = restated.join(frame, on=key, how="left", nulls_equal=True, maintain_order="left")
        assert own["numerator"].to_list() == restated[f"{side}_numerator"].to_list()
    declared = restated.filter(pl.col("park_id").is_null(), dimension="all", basis="declared")
    assert declared["new_value"][0] > declared["old_value"][0]
