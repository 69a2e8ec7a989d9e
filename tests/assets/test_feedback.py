"""What was said of events, from the journal through the assets to the factory's page."""

import re
import shutil
from datetime import timedelta

import polars as pl
import pytest

from connectors import answers
from connectors.feedback import Journal
from connectors.lake import Lake
from models.feedback_schemas import (
    ALARM_METRICS,
    ALARM_PRECISION,
    ANNOUNCEMENTS,
    ANOMALY_FEEDBACK,
)

DAY = timedelta(days=1)


@pytest.fixture
def answered(walked, tmp_path):
    """The walked home, of whose events something may be said; afterwards it is what it was."""
    shutil.copytree(walked.lake, tmp_path / "lake")
    shutil.copytree(walked.reports, tmp_path / "reports")
    yield walked
    for name in ("lake", "reports"):
        shutil.rmtree(walked.root / name)
        shutil.move(tmp_path / name, walked.root / name)
    shutil.rmtree(walked.root / "feedback", ignore_errors=True)
    (walked.root / "engineers.toml").unlink(missing_ok=True)


def busiest(home):
    """The factory-day with most events, and those, the gravest first."""
    lake = Lake(home.lake)
    days = [(lake.read("anomaly_events", one), one) for one in lake.partitions("anomaly_events")]
    frame, part = max(days, key=lambda one: one[0].height)
    return part, frame.filter(pl.col("suppressed_by").is_null())["event_id"].to_list()


def test_every_judged_day_has_its_states_metrics_and_precision(walked):
    lake = Lake(walked.lake)
    judged = list(lake.partitions("anomaly_events"))
    assert judged
    for part in judged:
        events = lake.read("anomaly_events", part)
        states = lake.read("anomaly_feedback", part)
        assert states.schema == ANOMALY_FEEDBACK
        assert set(states["event_id"]) == set(events["event_id"])
        metrics = lake.read("alarm_metrics", part)
        assert metrics.schema == ALARM_METRICS
        precision = lake.read("alarm_precision", part)
        assert precision.schema == ALARM_PRECISION
        asks = lake.read("alarm_announcements", part)
        assert asks.schema == ANNOUNCEMENTS
        (day,) = metrics.filter(pl.col("period") == "day").to_dicts()
        inside = [t for times in states["asked"] for t in times if day["from"] <= t < day["to"]]
        assert sorted(asks["time"]) == sorted(inside)
        assert day["alarms"] == len(inside) == day["announced"] + day["over_budget"]
        assert day["announced"] == asks["is_announced"].sum()
        assert precision["judged"].to_list() == [0] * precision.height
        (page,) = (walked.reports / part.factory / part.day.isoformat()).glob("*.html")
        for event_id in events.filter(pl.col("suppressed_by").is_null())["event_id"]:
            assert f"parkpulse verdict {event_id} true" in page.read_text("utf-8")


def test_a_verdict_reaches_the_tables_and_the_page(answered):
    from assets.materialize import instance, run

    part, events = busiest(answered)
    first, *others = events
    say = [{"action": "verdict", "verdict": "false", "note": "<b>sensor</b> 松动"}]
    answers.answer(answered, first, "王工", say)
    for other in others[:1]:
        answers.answer(answered, other, "li", [{"action": "verdict", "verdict": "true"}])
    gone = answers.find_event(answered, first) | {
        "event_id": "M9-20261117T000000Z", "work_unit_id": "M9", "action": "acknowledge",
        "time": answers.now(answered), "by": "li",
    }  # fmt: skip
    Journal(answered.root).append([{k: gone[k] for k in ("time", "by", "action", *answers.SEEN)}])
    (answered.root / "engineers.toml").write_text(
        f'[engineers]\n{part.factory} = ["王工", "Li"]\n', "utf-8"
    )
    with instance() as opened:
        assert run(opened, "reports", part, part) == []
    lake = Lake(answered.lake)
    states = {row["event_id"]: row for row in lake.read("anomaly_feedback", part).to_dicts()}
    assert (states[first]["verdict"], states[first]["verdict_by"]) == ("false", "王工")
    assert states[first]["acked_state"] == "Acknowledged"
    whole = lake.read("alarm_precision", part).row(0, named=True)
    assert (whole["false"], whole["true"]) == (1, len(others[:1]))
    assert set(lake.read("alarm_metrics", part)["engineer"]) == {"王工", "Li"}
    page = (answered.reports / part.factory / part.day.isoformat() / "report.html").read_text()
    assert "&lt;b&gt;sensor&lt;/b&gt; 松动" in page
    assert "M9-20261117T000000Z" in page
    assert re.search(r"Precision</span> (50|0)%", page)
    assert page.count('class="zh"') == page.count('class="en"')
    with instance() as opened:
        before = lake.path("alarm_metrics", part).read_bytes()
        assert run(opened, "reports", part, part) == []
        assert lake.path("alarm_metrics", part).read_bytes() == before


def test_a_day_without_a_judgement_has_no_review(walked):
    from assets.feedback import reviewed

    assert reviewed("F01", walked.first_day - DAY) is None
    assert reviewed("F99", walked.first_day + DAY) is None
