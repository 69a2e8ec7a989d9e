"""Earlier events that are like one."""

from told import at, entry, event, told

from models import lifecycle
from models.similar import similar

DAY = 24 * 60


def past(events, entries=()):
    story = told(*events)
    placed = lifecycle.place(story, lifecycle.journal(entries))
    words = lifecycle.states(story, placed, at(100 * DAY), at(100 * DAY))
    return story.join(words.select("event_id", "verdict", "verdict_by", "said"), on="event_id")


def ids(found):
    return [one["event_id"] for one in found]


def test_the_most_alike_come_first_then_the_judged_then_the_latest():
    now = event(0, 10)
    both_old, both_judged = event(-20 * DAY, -20 * DAY + 30), event(-25 * DAY, -25 * DAY + 5)
    kind_only = event(-DAY, -DAY + 5, signals=["other"])
    lead_only = event(-2 * DAY, -2 * DAY + 5, kind="speed_loss")
    said = [entry(1, 0, both_judged, "verdict", verdict="handled", note="bearing changed")]
    pool = past([now, both_old, both_judged, kind_only, lead_only], said)
    found = similar(now, pool)
    assert ids(found) == ids([both_judged, both_old, kind_only])
    assert found[0] == {
        "event_id": both_judged["event_id"], "kind": "signal", "start": at(-25 * DAY),
        "minutes": 5.0, "lost_min": 5.0, "lead": "v", "verdict": "handled", "verdict_by": "li",
        "note": "bearing changed", "is_alike_in": ["kind", "signal"],
    }  # fmt: skip
    assert ids(similar(now, pool, at_most=9))[3] == lead_only["event_id"]


def test_other_machines_later_events_old_ones_and_suppressed_ones_are_not_told():
    now = event(0, 10)
    pool = past(
        [
            now,
            event(-5, 0, machine="M2"),
            event(20, 30),
            event(-31 * DAY, -31 * DAY + 9),
            event(-60, -50, suppressed_by="not_planned"),
            event(-90, -80, kind="speed_loss", signals=["w"]),
        ]
    )
    assert similar(now, pool) == []
    assert similar(event(0, 10, signals=[], kind="quality_slide"), pool) == []
