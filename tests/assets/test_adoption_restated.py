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

    before = files_of(office)
    terminal = hear(office, yesterday, tmp_path / "terminal_days.parquet")
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


def hear(home, day, path):
    """Values of a terminal that was silent on a day, imported late; its id."""
    heard = read(home, "terminal_days", day).filter(pl.col("good_values") > 0, day=day)
    state = read(home, "terminal_state", day)
    silent = state.filter(~pl.col("terminal_id").is_in(heard["terminal_id"].implode()))
    terminal = silent["terminal_id"].sort()[0]
    late = {"terminal_id": [terminal], "day": [day], "good_values": [5]}
    told(home, pl.DataFrame(late), path)
    return terminal


def test_a_day_that_is_made_first_does_not_carry_on_what_is_out_of_date(
    office, yesterday, tmp_path
):
    """The night makes yesterday before the sensor has seen that the day before is stale."""
    from assets.materialize import instance, run

    before = yesterday - timedelta(days=1)
    terminal = hear(office, before, tmp_path / "terminal_days.parquet")
    with instance() as opened:
        box = Partition(office.first_day), Partition(yesterday)
        assert run(opened, "evidence", *box) == []
        assert run(opened, "adoption_days", Partition(yesterday), Partition(yesterday)) == []
        state = read(office, "terminal_state", yesterday).filter(terminal_id=terminal)
        assert state["seen_bits"][0] & 2
        assert stale(opened) == [(str(office.first_day), str(before))]


def test_what_nobody_wrote_down_is_made_again(office, yesterday):
    from assets.materialize import instance

    Lake(office.lake).path("adoption_ground", Partition(yesterday)).unlink()
    with instance() as opened:
        assert stale(opened) == [(str(yesterday), str(yesterday))]
        assert read(office, "adoption_restatements", yesterday).is_empty()


def test_a_run_that_dies_has_told_what_it_replaced_and_is_asked_for_again(
    office, yesterday, tmp_path, monkeypatch
):
    from assets.materialize import instance, run

    said = read(office, "declarations").filter(pl.col("valid_to").is_null())
    rows = said.select("uscc").unique().with_columns(
        declared_cloud=pl.lit("no"), declared_on=pl.lit(yesterday), document=pl.lit("contract"),
        valid_from=pl.lit(yesterday),
    )  # fmt: skip
    told(office, rows, tmp_path / "declarations.parquet")
    write = Lake.write

    def dying(self, table, frame, partition):
        if table == "adoption_ground":
            raise OSError("no space left on device")
        return write(self, table, frame, partition)

    day = Partition(yesterday)
    with instance() as opened:
        assert run(opened, "register") == []
        with monkeypatch.context() as patched:
            patched.setattr(Lake, "write", dying)
            (failed,) = run(opened, "adoption_days", day, day)
            assert "no space left" in failed
        once = read(office, "adoption_restatements", yesterday)
        assert once.height > 0
        assert stale(opened) == [(str(yesterday), str(yesterday))]
    assert read(office, "adoption_restatements", yesterday).equals(once)


def test_while_adoption_is_being_made_nothing_is_asked_for(office, yesterday):
    import dagster as dg

    from assets import definitions

    Lake(office.lake).path("adoption_ground", Partition(yesterday)).unlink()
    job = definitions.defs.resolve_job_def("evidence")
    with dg.DagsterInstance.ephemeral() as opened:
        run = opened.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

        def asked():
            context = dg.build_sensor_context(
                instance=opened, repository_def=definitions.defs.get_repository_def()
            )
            return definitions.stale_adoption.evaluate_tick(context).run_requests

        assert not asked()
        opened.report_run_canceled(run)
        assert asked()
