from datetime import datetime, timedelta

import polars as pl
import pytest


@pytest.fixture(scope="module")
def graph(home):
    from assets.definitions import defs

    return defs.resolve_asset_graph()


def test_every_asset_says_what_it_is_in_both_languages(graph):
    for node in graph.asset_nodes:
        chinese, _, english = (node.description or "").partition("\n\n")
        assert any("一" <= c <= "鿿" for c in chinese), node.key
        assert english.isascii(), node.key
        assert english, node.key
        assert node.group_name != "default", node.key
        assert node.kinds, node.key
        assert node.owners == ["team:parkpulse"], node.key


def test_the_lineage_is_the_reviewed_one(graph, request):
    lines = [
        f"{node.group_name}/{node.key.to_user_string()} <- "
        + ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        for node in sorted(graph.asset_nodes, key=lambda n: (n.group_name, n.key))
    ]
    reviewed = request.path.parent.parent / "data" / "lineage.txt"
    assert "\n".join(lines) + "\n" == reviewed.read_text("utf-8")


def test_a_parks_figure_leads_back_to_terminals_and_declarations(graph):
    from dagster import AssetKey

    from assets.columns import KEY, unknown

    assert unknown() == []
    told = graph.get(AssetKey("adoption")).metadata[KEY].deps_by_column["numerator"]
    sources = {(dep.asset_key.to_user_string(), dep.column_name) for dep in told}
    assert {("terminals", "activated_on"), ("declarations", "declared_cloud")} <= sources
    parents = {key.to_user_string() for key in graph.get(AssetKey("adoption")).parent_keys}
    assert {table for table, _ in sources} <= parents


def test_a_server_is_upstream_of_the_release(graph):
    from dagster import AssetKey

    seen, open_keys = set(), [AssetKey("kpi_release")]
    while open_keys:
        key = open_keys.pop()
        seen.add(key.to_user_string())
        open_keys += [k for k in graph.get(key).parent_keys if k.to_user_string() not in seen]
    walk = {"opcua_servers", "segments", "raw_values", "state_episodes", "oee_by_shift", "kpi"}
    assert walk <= seen


# Dagster warns of the tags that it gives to a run over two dimensions itself
@pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")
@pytest.mark.parametrize("hour", ["01:30", "23:59"])
def test_every_night_the_day_before_is_asked_for_in_the_order_of_the_walk(home, hour):
    from dagster import DefaultScheduleStatus, build_schedule_context

    from assets.definitions import defs
    from assets.nights import NIGHTS

    tick = datetime.fromisoformat(f"2026-11-18T{hour}+08:00") - timedelta(seconds=home.now_offset_s)
    asked = {}
    for schedule in NIGHTS:
        assert schedule.default_status == DefaultScheduleStatus.STOPPED
        context = build_schedule_context(
            scheduled_execution_time=tick, repository_def=defs.get_repository_def()
        )
        requests = schedule.evaluate_tick(context).run_requests
        asked[schedule.job_name] = [
            request.partition_key or request.tags.get("dagster/asset_partition_range_start")
            for request in requests
        ]
        known = defs.resolve_job_def(schedule.job_name).partitions_def
        assert known is None or set(asked[schedule.job_name]) <= set(known.get_partition_keys())
    assert asked == {
        "parks": ["P01", "P02", "P03"],
        "register": [None],
        "evidence": [str(home.first_day)],
        "models": ["F01", "F07"],
        "anomalies": ["2026-11-17|F01", "2026-11-17|F07"],
        "district_days": ["2026-11-17"],
        "portraits": [None],
        "park_days": ["2026-11-17"],
        "forecasts": [None],
        "park_pages": [None],
    }
    minutes = [int(schedule.cron_schedule.split()[0]) for schedule in NIGHTS]
    assert minutes == sorted(minutes)


def test_a_night_before_the_first_whole_day_asks_for_nothing(home):
    from dagster import build_schedule_context

    from assets.nights import NIGHTS

    tick = datetime.fromisoformat("2026-11-16T01:30+08:00") - timedelta(seconds=home.now_offset_s)
    context = build_schedule_context(scheduled_execution_time=tick)
    assert [schedule.evaluate_tick(context).run_requests for schedule in NIGHTS] == [[]] * len(
        NIGHTS
    )


def test_what_is_made_is_not_asked_for(walked):
    from assets.partitions import local_today
    from assets.touched import boxes

    assert boxes(walked, None, local_today()) == ([], "{}")


def test_a_check_fails_when_time_is_not_conserved(walked):
    from assets.checks import validate
    from connectors.lake import Lake

    lake = Lake(walked.lake)
    frame = lake.scan("oee_by_shift", list(lake.partitions("oee_by_shift")))
    assert validate("oee_by_shift", frame, "2026-12-29..2026-12-31").passed
    result = validate("oee_by_shift", frame.with_columns(pl.col("apt_s") + 1), "broken")
    assert not result.passed
    assert "unaccounted_us" in str(result.metadata["failed"])
