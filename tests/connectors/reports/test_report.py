import json
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import polars as pl
import pytest

from connectors.reports import figures, view, write_report
from connectors.reports.figures import Axis, number
from pipelines import schemas

DAY = datetime(2026, 11, 20, 16, tzinfo=UTC)
KEY = {"park_id": "P01", "factory_id": "F01", "line_id": "F01-L1"}
VOID = {"br", "hr", "img", "input", "link", "meta", "rect", "path", "polyline", "polygon"}


def at(hours):
    return DAY + timedelta(hours=hours)


def contributor(sensor="vibration_x", **more):
    return {
        "sensor": sensor, "kind": "residual", "unit": "mm/s", "seen": 4.5, "expected": 2.1,
        "low": 1.6, "high": 2.6, "deviation": 9.0, "share": 0.7, "began": at(3), **more,
    }  # fmt: skip


def event(machine, priority="high", start=3.0, **more):
    return {
        **KEY, "work_unit_id": machine, "event_id": f"{machine}-{start}", "kind": "signal",
        "start": at(start), "end": at(start + 1), "state": "cleared", "priority": priority,
        "why_zh": "已损失 OEE 12 分钟", "why_en": "12 OEE minutes lost", "peak_score": 2.5,
        "signals": ["vibration_x"], "contributors": [contributor()], "product_id": "A",
        "order_id": "O1", "shift_id": "E", "suppressed_by": None, "check_zh": "检查轴承",
        "check_en": "Check the bearing", "lost_min": 12.0, "exposed_min": 50.0,
        "unknown_min": 0.0, **more,
    }  # fmt: skip


def trace(event_id, rows=2000, sensor="vibration_x"):
    return pl.DataFrame(
        {
            "event_id": event_id, "sensor": sensor, "unit": "mm/s",
            "time": [at(1.5) + timedelta(seconds=5 * i) for i in range(rows)],
            "seen": [2.0 + (i % 7) / 10 for i in range(rows)], "low": 1.6, "high": 2.6,
        }
    )  # fmt: skip


def episodes(machine, *marks):
    rows = [
        {**KEY, "work_unit_id": machine, "start": at(a), "end": at(b), "item_state": s,
         "operation_mode": m, "quality": q}
        for a, b, s, m, q in marks
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schemas.STATE_EPISODES)


def oee(machine, **more):
    row = dict.fromkeys(schemas.OEE_BY_SHIFT)
    row |= {
        **KEY, "work_unit_id": machine, "production_day": date(2026, 11, 21), "shift_id": "E",
        "start": at(0), "end": at(8), "is_open": False, "pbt_s": 1000.0, "apt_s": 800.0,
        "unknown_s": 0.0, "ideal_total_s": 720.0, "ideal_good_s": 700.0, "lower": 0.7,
        "upper": 0.7, **more,
    }  # fmt: skip
    return row


MACHINES = pl.DataFrame(
    [{**KEY, "work_unit_id": m, "machine_type": "press"} for m in ("M1", "M2", "M3")]
)
STATES = episodes("M1", (0, 3.5, 3, 3, "good"), (3.5, 3.6, 1, 0, "good"), (3.6, 8, 3, 3, "good"))


def write(tmp_path, events, **more):
    given = {
        "factory": {"id": "F01", "zh": "某某制造", "en": "Some Works"},
        "day": date(2026, 11, 21),
        "until": at(16),
        "machines": MACHINES,
        "events": pl.DataFrame(events, schema_overrides={"suppressed_by": pl.String()})
        if events
        else pl.DataFrame(schema=pl.DataFrame([event("M1")]).schema),
        "signals": pl.concat([trace(e["event_id"]) for e in events] or [trace("none")]),
        "episodes": STATES,
        "oee": pl.DataFrame([oee("M1"), oee("M2")], schema=schemas.OEE_BY_SHIFT),
    }
    path = write_report(tmp_path / "F01" / "2026-11-21", **(given | more))
    return path, path.read_text(encoding="utf-8")


class Balanced(HTMLParser):
    """Fails on a tag closed out of order."""

    def __init__(self):
        super().__init__()
        self.open, self.lang, self.said = [], [], {"zh-CN": "", "en": ""}

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_self_contained_and_needs_no_script(tmp_path):
    path, page = write(tmp_path, [event("M1"), event("M2", "low", 5.0)])
    assert path.name == "report.html"
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|https?://""", page)
    assert "object at 0x" not in page
    assert "None" not in page


def test_names_from_outside_are_escaped(tmp_path):
    bad = "<script>alert('x')</script>&\""
    evil = event(
        "M1", kind=bad, product_id=bad, check_zh=bad, why_en=bad, contributors=[contributor(bad)]
    )
    signals = trace(evil["event_id"], sensor=bad)
    _, page = write(tmp_path, [evil], factory=bad, signals=signals, notes={"M1": [bad]})
    assert "<script" not in page
    assert "alert('x')" not in page
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)") >= 7


def test_both_languages_are_there_and_the_first_can_be_chosen(tmp_path):
    _, page = write(tmp_path, [event("M1")])
    for text in (
        "设备异常日报",
        "Anomaly report",
        "检查轴承",
        "Check the bearing",
        "某某制造",
        "Some Works",
    ):
        assert text in page
    assert page.count('class="zh"') == page.count('class="en"')
    assert 'id="lang-zh" checked' in page
    _, english = write(tmp_path, [event("M1")], lang="en")
    assert 'id="lang-en" checked' in english
    assert 'id="lang-zh" checked' not in english


def test_what_needs_a_response_comes_first_and_suppressed_items_ask_for_none(tmp_path):
    events = [
        event("M1", "low", 1.0),
        event("M2", "high", 2.0, lost_min=5.0),
        event("M3", "high", 3.0, lost_min=30.0),
        event("M1", "medium", 4.0, state="new", end=None),
        event("M2", "high", 6.0, suppressed_by="planned_maintenance"),
    ]
    _, page = write(tmp_path, events)
    articles = re.findall(r'<article id="([^"]+)"', page)
    assert articles == ["M3-3.0", "M2-2.0", "M1-4.0", "M1-1.0"]
    assert page.index("M3</a> ·") < page.index("M2</a>")
    assert "计划维护" in page
    assert "59 <i>min</i>" in page  # 12 + 5 + 30 + 12


def test_a_calm_day_says_so(tmp_path):
    _, page = write(tmp_path, [])
    assert "今日没有需要响应的异常" in page
    assert "<article" not in page


def test_machine_figures_are_summed_before_they_are_divided(tmp_path):
    rows = [
        oee("M1"),
        oee("M1", shift_id="L", pbt_s=3000.0, apt_s=900.0,
            ideal_total_s=900.0, ideal_good_s=900.0, unknown_s=600.0, lower=0.3, upper=0.5),
        oee("M2", pbt_s=0.0, apt_s=0.0, ideal_total_s=0.0, ideal_good_s=0.0,
            lower=None, upper=None),
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=schemas.OEE_BY_SHIFT)
    m1, m2, m3 = view.machine_rows(MACHINES, frame, [])
    assert m1["oee"] == pytest.approx(1600 / 4000)
    assert m1["availability"] * m1["effectiveness"] * m1["quality"] == pytest.approx(m1["oee"])
    assert (m1["low"], m1["high"]) == (pytest.approx(0.4), pytest.approx(0.55))
    assert m1["completeness"] == pytest.approx(0.85)
    assert m2["oee"] is None
    assert m3["oee"] is None
    assert view.factory_totals(frame)["oee"] == pytest.approx(0.4)
    _, page = write(tmp_path, [], oee=frame)
    assert "40.0%" in page


@pytest.mark.parametrize(("unknown", "is_said"), [(100.0, False), (101.0, True)])
def test_a_figure_of_which_too_little_is_known_is_marked(tmp_path, unknown, is_said):
    frame = pl.DataFrame([oee("M1", unknown_s=unknown)], schema=schemas.OEE_BY_SHIFT)
    _, page = write(tmp_path, [], oee=frame)
    assert ("数据不完整" in page) == is_said
    assert ("incomplete data" in page) == is_said


def test_a_chart_is_light_and_breaks_where_data_paused():
    axis = Axis(at(1), at(5))
    frame = trace("E").with_columns(
        seen=pl.when(pl.int_range(2000).is_between(800, 900)).then(None).otherwise("seen")
    )
    svg = figures.chart(
        [(view.bilingual("振动", "vibration"), frame)], axis, (at(3), at(4)), [], "x"
    )
    lines = re.findall(r'<polyline class="seen" points="([^"]*)"', svg)
    assert len(lines) == 2
    assert sum(len(line.split()) for line in lines) < 300
    assert '<tspan class="zh" lang="zh-CN">振动</tspan>' in svg
    assert "09:00" not in svg
    assert "01:00" in svg  # 17:00 UTC


def test_the_ribbon_tells_states_apart():
    axis = Axis(at(0), at(8))
    rows = episodes(
        "M1", (-1, 1, 3, 3, "good"), (1, 2, 3, 3, "good"),
        (2, 3, 2, 3, "good"), (3, 4, 2, 2, "good"),
        (4, 5, 2, 1, "good"), (5, 6, 2, 0, "good"), (6, 7, None, None, "unknown"),
        (7, 9, 1, 0, "good"),
    )  # fmt: skip
    spans = figures.spans(rows, axis)
    assert [what for *_, what in spans] == [
        "producing", "stopped", "setup", "maintenance", "idle", "unknown", "stopped",
    ]  # fmt: skip
    assert spans[0][:2] == (at(0), at(2))
    assert spans[-1][1] == at(8)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (0, "0"), (3.14159, "3.14"), (59.84, "59.8"), (1234.5, "1234"),
     (-0.0001, "-1.00e-04"), (2.0, "2"), (1e9, "1.00e+09")],
)  # fmt: skip
def test_numbers_as_people_read_them(value, text):
    assert number(value) == text


def test_gaps_and_notes_are_shown(tmp_path):
    gaps = pl.DataFrame({"work_unit_id": ["M2", "M2"], "minutes": [20.0, 32.0]})
    _, page = write(tmp_path, [], gaps=gaps, notes={"M1": ["short"], "M2": ["short"]})
    assert "数据缺口" in page
    assert "<td>52</td><td>2</td><td>32</td>" in page
    assert "<b>M1, M2</b> short" in page


def test_the_same_frames_give_the_same_bytes(tmp_path):
    first, _ = write(tmp_path / "a", [event("M1")])
    second, _ = write(tmp_path / "b", [event("M1")])
    assert first.read_bytes() == second.read_bytes()
    assert json.dumps(first.read_text(encoding="utf-8"))
