from datetime import timedelta

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


def test_a_server_is_upstream_of_the_release(graph):
    from dagster import AssetKey

    seen, open_keys = set(), [AssetKey("kpi_release")]
    while open_keys:
        key = open_keys.pop()
        seen.add(key.to_user_string())
        open_keys += [k for k in graph.get(key).parent_keys if k.to_user_string() not in seen]
    walk = {"opcua_servers", "segments", "raw_values", "state_episodes", "oee_by_shift", "kpi"}
    assert walk <= seen


def test_new_segments_ask_for_just_the_days_they_touch(walked):
    from assets.partitions import local_today
    from assets.touched import boxes

    today = local_today()
    found, cursor = boxes(walked, None, today)
    assert {first.factory for first, _ in found} == {"F01", "F07"}
    assert all(first.day == walked.first_day and last.day == today for first, last in found)
    assert boxes(walked, cursor, today)[0] == []
    names = sorted(p.name for p in (walked.segments / "F01").glob("*.arrow"))
    again, _ = boxes(walked, cursor.replace(names[-1], names[-2]), today)
    assert [first.factory for first, _ in again] == ["F01"]
    assert again[0][1].day == today
    assert again[0][1].day - again[0][0].day <= timedelta(days=2)


def test_a_check_fails_when_time_is_not_conserved(walked):
    from assets.checks import validate
    from connectors.lake import Lake

    lake = Lake(walked.lake)
    frame = lake.scan("oee_by_shift", list(lake.partitions("oee_by_shift"))).collect()
    assert validate("oee_by_shift", frame, "2026-12-29..2026-12-31").passed
    result = validate("oee_by_shift", frame.with_columns(pl.col("apt_s") + 1), "broken")
    assert not result.passed
    assert "unaccounted_us" in str(result.metadata["failed"])
