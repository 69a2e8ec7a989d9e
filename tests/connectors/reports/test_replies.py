"""The page with what was said of its events: answers, similar events, load and precision."""

import re
from datetime import timedelta

import polars as pl
import pytest

from connectors.reports import words
from connectors.reports.replies import Answers
from models import detector
from models.budget import digest
from models.feedback import JudgedDay, review
from models.lifecycle import journal
from models.similar import similar
from models.training import TrainingSpan
from tests.connectors.reports.test_report import Balanced, write
from tests.connectors.reports.test_report import contributor as part
from tests.models.told import NOBODY, START, at, entry, event, frame

DAY = (START + timedelta(hours=8)).date()  # the local day that begins at 16:00 UTC
EVIL = "<script>alert('x')</script>\"&"


def told(number, start, end=None, **more):
    """An event that the page can draw."""
    given = {"contributors": [part()], "why_zh": "损失", "why_en": "lost", "check_zh": "查",
             "check_en": "Check", "exposed_min": 1.0, "unknown_min": 0.0}  # fmt: skip
    return event(start, end, machine=f"M{number}", **given | more)


def answers(events, said=(), past=()):
    days = [JudgedDay(DAY - timedelta(days=1), at(0), frame(*past))] if past else []
    days.append(JudgedDay(DAY, at(1_440), frame(*events)))
    found = review(days, journal(said), factory="F01", plan=NOBODY, engineers={"F01": ["王工"]})
    pool = found.past
    return Answers(
        states=found.told,
        similar={e["event_id"]: similar(e, pool) for e in events},
        announcements=found.asked,
        over_budget=digest(found.asked),
        metrics=found.metrics,
        precision=found.precision,
        nowhere=found.nowhere,
    )


def page_of(tmp_path, events, said=(), past=(), **more):
    _, page = write(tmp_path, events, answers=answers(events, said, past), **more)
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert page.count('class="zh"') == page.count('class="en"')
    assert "<script" not in page
    assert "None" not in page
    return page


def articles(page):
    return dict(re.findall(r'<article id="([^"]+)"(.*?)</article>', page, re.DOTALL))


def test_each_item_says_how_to_answer_it_even_without_a_journal(tmp_path):
    one = told(1, 10, 50)
    for page in (write(tmp_path, [one])[1], page_of(tmp_path, [one])):
        (item,) = articles(page).values()
        commands = re.findall(r"<code>([^<]*)</code><button", item)
        name = one["event_id"]
        assert commands == [
            f"parkpulse verdict {name} true", f"parkpulse verdict {name} handled",
            f"parkpulse verdict {name} false", f"parkpulse ack {name}",
            f"parkpulse shelve {name} --for 8h --reason &#34;...&#34;",
        ]  # fmt: skip
        assert page.count("execCommand") == 1


def test_a_command_holds_the_id_as_a_shell_must_read_it(tmp_path):
    odd = told(1, 10, 50, event_id="Press 1; rm -rf ~-20261120T161000Z")
    page = page_of(tmp_path, [odd])
    assert "parkpulse ack &#39;Press 1; rm -rf ~-20261120T161000Z&#39;<" in page


def test_what_was_answered_stands_behind_what_was_not_and_says_by_whom(tmp_path):
    grave, light = told(1, 10, 50, priority="high"), told(2, 20, 60, priority="low")
    said = [
        entry(1, 100, grave, "acknowledge", by="li"),
        entry(2, 110, grave, "verdict", verdict="handled", note=f"轴承 {EVIL}", by="wang"),
    ]
    page = page_of(tmp_path, [grave, light], said)
    items = articles(page)
    assert list(items) == [light["event_id"], grave["event_id"]]
    assert "Acknowledged" in items[grave["event_id"]]
    assert "Unacknowledged" in items[light["event_id"]]
    assert "· li ·" in items[grave["event_id"]]
    assert "&lt;script&gt;alert(&#39;x&#39;)" in items[grave["event_id"]]
    assert "<details>" in items[grave["event_id"]]
    assert "<details>" not in items[light["event_id"]]
    assert re.search(r'class="first low"', page)
    assert '<b>1</b><span><span class="zh" lang="zh-CN">项待响应' in page


def test_when_all_is_answered_the_page_says_so(tmp_path):
    shelve = {"shelving": "timed", "until": at(2_000), "reason": "known"}
    for one, action, more in (
        (told(1, 10, 50), "acknowledge", {}),
        (told(1, 10), "shelve", shelve),
    ):
        page = page_of(tmp_path, [one], [entry(1, 100, one, action, **more)])
        assert "今日异常均已答复" in page
        assert "今日没有需要响应的异常" not in page
    assert "定时搁置至 11-22 09:20" in page


def test_similar_events_tell_how_they_ended(tmp_path):
    now, before = told(1, 10, 50), told(1, -600, -570, lost_min=7.0)
    said = [entry(1, -500, before, "verdict", verdict="true", by="wang", note="刀具磨损")]
    page = page_of(tmp_path, [now], said, [before])
    (similar_ones,) = re.findall(r'<div class="similar">(.*?)</div>', page, re.DOTALL)
    for text in ("11-20 14:00", "30 min", "7 OEE min", "确有异常", "(wang)", "刀具磨损"):
        assert text in similar_ones


def test_the_foot_says_what_alarms_weigh_and_how_often_they_were_right(tmp_path):
    events = [told(n, n, n + 30, priority="low", lost_min=float(n)) for n in range(5)]
    said = [entry(1, 100, events[0], "verdict", verdict="true"),
            entry(2, 100, events[1], "verdict", verdict="false"),
            entry(3, 100, told(9, 5, 6), "acknowledge")]  # fmt: skip
    page = page_of(tmp_path, events, said)
    foot = page[page.index('id="load"') :]
    assert "<b>5</b>" in foot
    assert "<b>3</b>" in foot
    assert foot.count("<td>王工</td>") == 2 + 2  # two over the budget, two periods
    waiting = re.findall(r'<a href="#([^"]+)">', foot)
    assert waiting == [events[4]["event_id"], events[3]["event_id"]]
    assert "50%" in foot
    assert "9–91%" in foot
    assert told(9, 5, 6)["event_id"] in foot
    assert page.count("over the budget</span>") == 2


def test_without_verdicts_no_precision_is_claimed(tmp_path):
    page = page_of(tmp_path, [told(1, 10, 50)])
    assert "none of " in page
    assert "准确率：三十天内" in page


@pytest.mark.parametrize(
    "note",
    [
        "limits are the level that held-out noise passes about once a machine-week, "
        "extrapolated from 0.14 weeks of training rows",
        "constant in training, judged only when they move: a, b (c)",
        "only 12 training rows, 60 are needed: nothing is alarmed on",
        "not judged, too few known values in training (60 are needed, spread over the rows): x (3)",
        "time: numbers beyond the year 2099 in seconds, taken as milliseconds",
        *TrainingSpan(at(0), at(300)).notes,
    ],
)
def test_notes_of_models_are_in_both_languages(note):
    chinese, english = words.note(note)
    assert english == note
    assert re.search("[一-鿿]", chinese)
    figures = re.findall(r"\d+(?:\.\d+)?", note.replace("2026-11-21", ""))
    assert all(figure in chinese for figure in figures)


def test_every_note_of_a_fitted_model_has_its_chinese():
    train = pl.DataFrame(
        {
            "time": [at(n) for n in range(400)],
            "a": [float((n * 37) % 11) for n in range(400)],
            "still": [1.0] * 400,
            "sparse": [1.0 if n % 200 == 0 else None for n in range(400)],
        }
    )
    notes = [
        found for rows in (400, 5) for found in detector.fit(train.head(rows), time="time").notes
    ]
    assert notes
    for note in notes:
        chinese, _ = words.note(note)
        assert re.search("[一-鿿]", chinese), f"words.NOTES knows no Chinese for: {note}"


def test_a_note_that_nobody_translated_is_shown_as_it_is():
    assert words.note("something new") == ("something new", "something new")
