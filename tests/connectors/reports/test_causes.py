"""The page with several machines that one cause struck: one item, the others beneath it."""

import re

import pytest

from models.common_cause import causes, with_causes
from tests.connectors.reports.test_replies import page_of, told
from tests.connectors.reports.test_report import contributor, write
from tests.models.told import entry, frame

AIR = "compressed_air_pressure"


def struck(number, start, **more):
    air = contributor(AIR, deviation=-5.0, unit="bar", seen=5.1, expected=6.0)
    return told(number, start, start + 60, contributors=[air], **more)


@pytest.fixture
def day():
    """Three machines with one cause, the second the gravest, and a fourth on its own."""
    events = [struck(1, 10), struck(2, 12, priority="high"), struck(3, 15), told(4, 11, 40)]
    joined = with_causes(frame(*events), {"F01-L1": 6})
    return joined.to_dicts(), causes(joined)


def outer(page):
    """Ids of the items that are not folded beneath another."""
    depth, found = 0, []
    for tag, name in re.findall(r'<(article|/article)(?: id="([^"]+)")?', page):
        if tag == "article":
            found += [name] if depth == 0 else []
            depth += 1
        else:
            depth -= 1
    return found


def test_a_cause_is_one_item_with_its_machines_and_what_they_share(tmp_path, day):
    events, stories = day
    page = page_of(tmp_path, events, causes=stories)
    first, alone = events[0]["event_id"], events[3]["event_id"]
    assert outer(page) == [first, alone]
    assert re.search(r'<b>2</b><span><span class="zh" lang="zh-CN">项待响应', page)
    assert '<section class="first high">' in page
    assert page.count("(M1, M2, M3)") == 2  # in the box above all, and in the item
    assert "检查共用气源或液压站" in page
    assert "Check the shared compressed air" in page
    assert '">M1 +2</a>' in page
    order = page.split('<ol class="order">')[1].split("</ol>")[0]
    assert [one in order for one in ("M1 +2", ">M4<", ">M2<", ">M3<")] == [True, True, False, False]
    for event in events:
        assert page.count(f'id="{event["event_id"]}"') == 1
        assert f"parkpulse ack {event['event_id']}<" in page
    folded = page.split('<details class="others">')[1].split("</details>")[0]
    assert f'id="{events[1]["event_id"]}"' in folded


def test_the_budget_counts_a_cause_once(tmp_path, day):
    events, stories = day
    page = page_of(tmp_path, events, causes=stories)
    assert re.search(r"当日 .*?<b>2</b>.*?<b>2</b>", page)


def test_who_answers_the_item_has_answered_the_cause(tmp_path, day):
    events, stories = day
    ids = [event["event_id"] for event in events]
    page = page_of(tmp_path, events, [entry(1, 100, events[0], "acknowledge")], causes=stories)
    assert outer(page) == [ids[3], ids[0]]
    assert re.search(r'<b>1</b><span><span class="zh" lang="zh-CN">项待响应', page)
    page = page_of(tmp_path, events, [entry(1, 100, events[1], "acknowledge")], causes=stories)
    assert outer(page) == [ids[0], ids[3]]


def test_minutes_lost_are_counted_once_for_each_machine(tmp_path, day):
    events, stories = day
    with_one = page_of(tmp_path, events, causes=stories)
    without = page_of(tmp_path, events)
    lost = re.compile(r"<div><b>(\d+) <i>min</i></b>")
    assert lost.findall(with_one) == lost.findall(without) == ["20"]
    assert '<span class="num">15 min</span>' in with_one


def test_suppressed_machines_and_files_of_before_stand_as_they_did(tmp_path, day):
    events, stories = day
    gone = [{**events[0], "suppressed_by": "break"}, *events[1:]]
    assert outer(page_of(tmp_path, gone, causes=stories))[0] == events[1]["event_id"]
    old = [{k: v for k, v in e.items() if not k.startswith("cause")} for e in events]
    assert outer(write(tmp_path, old)[1]) == outer(write(tmp_path, events)[1])
    assert len(outer(write(tmp_path, old, causes=causes(frame()))[1])) == 4


def test_references_stand_beside_ids_and_only_where_there_are_some(tmp_path, day):
    events, stories = day
    page = write(tmp_path, events, causes=stories)[1]
    assert "消息编号" not in page
    known = {events[1]["event_id"]: "ABCDE-FGHIJ"}
    page = write(tmp_path, events, causes=stories, references=known)[1]
    assert page.count("消息编号") == page.count("ABCDE-FGHIJ") == 1
    assert re.search(f"{events[1]['event_id']} · <span[^>]*>消息编号</span>.*ABCDE-FGHIJ", page)


def test_the_order_of_events_does_not_matter(tmp_path, day):
    events, stories = day
    apart = [e | {"lost_min": 5.0 + n} for n, e in enumerate(events)]
    assert (
        write(tmp_path, apart, causes=stories)[1]
        == write(tmp_path, apart[::-1], causes=stories[::-1])[1]
    )
