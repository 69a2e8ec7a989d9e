"""Where planned busy time went: the parts of every row add up, and all that was lost is ranked."""

import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.reports import loss_figures, words
from connectors.reports.busy_time import GROUPS, TOP, busy_time
from pipelines import schemas
from pipelines.losses import LOSSES, PARTS
from tests.connectors.reports.test_report import KEY, Balanced, at, oee, write

DAY = date(2026, 11, 21)


def lost(machine="M1", loss="productive", minutes=60.0, **more):
    return {
        **KEY, "work_unit_id": machine, "production_day": DAY, "shift_id": "E", "loss": loss,
        "lost_s": minutes * 60, "profile_id": "opc40001-1", **more,
    }  # fmt: skip


def stop(code, minutes=10.0, category="unplanned", loss="breakdown", **more):
    return lost(
        loss=loss, minutes=minutes, category=category, stop_reason_code=code, stops=1, **more
    )


def frame(rows):
    return pl.DataFrame(list(rows), schema=schemas.LOSSES_BY_SHIFT)


def planned(rows):
    """OEE_BY_SHIFT whose PBT is what the rows sum to."""
    sums = frame(rows).group_by("work_unit_id").agg(pl.sum("lost_s"))
    shifts = [oee(unit, pbt_s=pbt_s) for unit, pbt_s in sums.iter_rows()]
    return pl.DataFrame(shifts, schema=schemas.OEE_BY_SHIFT)


def named(*rows):
    reasons = [{"factory_id": "F01", "category": "unplanned", **row} for row in rows]
    return pl.DataFrame(reasons, schema=schemas.REASONS)


def page_data(rows, reasons=None, shifts=None):
    return busy_time(
        frame(rows),
        planned(rows) if shifts is None else shifts,
        named() if reasons is None else reasons,
        at(16),
    )


any_row = st.builds(
    lambda machine, shift, product, loss, us, cause: lost(
        machine, loss, (us if loss == "speed" else abs(us)) / 60e6, shift_id=shift,
        product_id=product, **cause,
    ),
    st.sampled_from(["M1", "M2", "M3"]), st.sampled_from(["E", "L"]),
    st.sampled_from(["A", "B", None]), st.sampled_from(PARTS), st.integers(-10**9, 3 * 10**10),
    st.sampled_from([
        {}, {"category": "breakdown", "stop_reason_code": "BD40", "stops": 2},
        {"category": "unplanned", "stop_reason_code": "WT70"}, {"category": "no_order"},
    ]),
)  # fmt: skip


@given(st.lists(any_row, min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_every_row_add_up_to_its_busy_time(rows):
    spent = page_data(rows)
    assert not spent["is_apart"]
    assert sum(spent["parts"].values()) == pytest.approx(spent["pbt_min"], abs=0.001)
    for group in spent["groups"]:
        for row in group["rows"]:
            assert sum(row["parts"].values()) == pytest.approx(row["pbt_min"], abs=0.001)
        whole = sum(row["pbt_min"] for row in group["rows"])
        assert whole == pytest.approx(spent["pbt_min"], abs=0.001)
        for part, minutes in spent["parts"].items():
            of_part = sum(row["parts"][part] for row in group["rows"])
            assert of_part == pytest.approx(minutes, abs=0.001)


@given(st.lists(any_row, min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_ranking_is_all_that_was_lost_dearest_first(rows):
    spent = page_data(rows)
    ranks, others = spent["ranks"], spent["others"] or {"lost_min": 0.0, "share": 0.0}
    minutes = [rank["lost_min"] for rank in ranks]
    assert minutes == sorted(minutes, reverse=True)
    assert all(value > 0 for value in minutes)
    everything = sum(spent["parts"].get(loss, 0.0) for loss in LOSSES)
    ranked = sum(minutes) + others["lost_min"] + spent["gained_min"]
    assert ranked == pytest.approx(everything, abs=0.001)
    if ranks:
        assert ranks[-1]["cumulative"] + others["share"] == pytest.approx(1)
        assert sum(r["share"] for r in ranks) == pytest.approx(ranks[-1]["cumulative"])
    assert len(ranks) <= TOP
    assert all(len(rank["most"]) == len(GROUPS) for rank in ranks)


def test_the_dearest_ten_are_named_with_machine_shift_and_product():
    rows = [stop(f"C{n:02}", minutes=float(n), product_id="A") for n in range(1, 13)]
    more = stop("C12", minutes=36.0, shift_id="L", product_id="B") | {"work_unit_id": "M2"}
    spent = page_data([*rows, more, lost(minutes=400)])
    assert [rank["label"][1] for rank in spent["ranks"]] == [
        f"breakdown · C{n:02}" for n in range(12, 2, -1)
    ]
    assert spent["ranks"][0]["most"] == [
        {"name": "M2", "share": 0.75}, {"name": "L", "share": 0.75}, {"name": "B", "share": 0.75},
    ]  # fmt: skip
    assert spent["ranks"][0]["stops"] == 2
    assert spent["others"]["count"] == 2
    assert spent["others"]["lost_min"] == pytest.approx(3)


def test_a_code_has_the_name_that_holds_and_none_where_nobody_named_it():
    reasons = named(
        {"stop_reason_code": "A1", "name_zh": "旧名", "name_en": "old", "valid_from": at(-99)},
        {"stop_reason_code": "A1", "name_zh": "新名", "name_en": "new", "valid_from": at(1)},
        {"stop_reason_code": "A1", "name_zh": "将来", "name_en": "future", "valid_from": at(99)},
        {"stop_reason_code": "B2", "name_zh": "一号", "name_en": "one", "work_unit_id": "M1"},
        {"stop_reason_code": "B2", "name_zh": "二号", "name_en": "two", "work_unit_id": "M2"},
        {"stop_reason_code": "C3", "name_zh": "只有中文"},
        {"stop_reason_code": "D4"},
    )
    rows = [stop(code, 50.0 - n) for n, code in enumerate(["A1", "B2", "C3", "D4", "E5"])]
    labels = [rank["label"] for rank in page_data(rows, reasons)["ranks"]]
    assert labels == [
        ("故障停机 · A1 新名", "breakdown · A1 new"),
        ("故障停机 · B2 一号 / 二号", "breakdown · B2 one / two"),
        ("故障停机 · C3 只有中文", "breakdown · C3 只有中文"),
        ("故障停机 · D4", "breakdown · D4"),
        ("故障停机 · E5", "breakdown · E5"),
    ]


def test_every_part_and_category_has_its_words():
    assert list(words.PARTS) == PARTS
    told = re.search(r"`category`: (.*?)\n\(", _account_of("REASONS"), re.DOTALL)
    assert told is not None
    assert set(words.CATEGORIES) == set(re.findall(r"\w+", told[1]))


def _account_of(name):
    """The text below a schema: the account of what its columns mean."""
    after = Path(schemas.__file__).read_text("utf-8").split(f"\n{name}: Final", 1)[1]
    return after.split('"""')[1]


def test_texts_from_outside_are_escaped(tmp_path):
    bad = "<script>alert('x')</script>&\""
    rows = [stop(bad, category=bad, product_id=bad, shift_id=bad) | {"work_unit_id": bad}]
    reasons = named({"stop_reason_code": bad, "name_zh": bad, "name_en": bad})
    _, page = write(tmp_path, [], losses=frame(rows), reasons=reasons, oee=planned(rows))
    assert "<script" not in page
    assert "alert('x')" not in page
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)") >= 7


def test_the_section_is_whole_in_both_languages(tmp_path):
    rows = [lost(), lost(loss="speed", minutes=9), stop("BD40", product_id="A")]
    _, page = write(tmp_path, [], losses=frame(rows), oee=planned(rows))
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert page.count('class="zh"') == page.count('class="en"')
    assert "None" not in page
    assert 'href="#spent"' in page
    for text in ("计划工作时间的去向", "Where planned busy time went", "<b>79.0 min</b>", "BD40"):
        assert text in page


@pytest.mark.parametrize(
    ("pbt_s", "said"),
    [(600.0, "min of planned busy time no losses were computed"), (0.0, "nothing was lost")],
)
def test_a_day_without_losses_says_why(tmp_path, pbt_s, said):
    shifts = pl.DataFrame([oee("M1", pbt_s=pbt_s)], schema=schemas.OEE_BY_SHIFT)
    _, page = write(tmp_path, [], losses=frame([]), oee=shifts)
    assert said in page
    section = page.split('id="spent"')[1].split("</section>")[0]
    assert "<svg" not in section
    assert "<table" not in section


def test_a_day_on_which_nothing_was_lost_says_so(tmp_path):
    _, page = write(tmp_path, [], losses=frame([lost()]), oee=planned([lost()]))
    assert "all planned busy time was productive" in page


def test_without_losses_nothing_is_said_of_them(tmp_path):
    _, page = write(tmp_path, [])
    assert "spent" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize(("apart_s", "is_said"), [(0.05, False), (0.07, True), (-0.07, True)])
def test_busy_time_that_no_part_accounts_for_is_said(tmp_path, apart_s, is_said):
    """0.001 min is 0.06 s."""
    shifts = pl.DataFrame([oee("M1", pbt_s=3600.0 + apart_s)], schema=schemas.OEE_BY_SHIFT)
    _, page = write(tmp_path, [], losses=frame([lost()]), oee=shifts)
    assert ("Not broken down" in page) == is_said


def widths(svg):
    return [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)]


def test_bars_end_at_the_mark_of_pbt_and_pass_it_where_a_machine_is_faster():
    slow = [lost(minutes=60), lost(loss="speed", minutes=30), lost(loss="waiting", minutes=10)]
    fast = [lost("M2", minutes=90), lost("M2", "speed", -10), lost("M2", "unknown", 10)]
    spent = page_data([*slow, *fast])
    assert spent["is_faster"]
    svg = str(loss_figures.division_of(spent))
    marks = [float(x) - loss_figures.NAMES for x in re.findall(r'class="pbt" d="M([\d.]+)', svg)]
    drawn = widths(svg)
    assert len(drawn) == 5  # what is below zero has no bar
    assert sum(drawn[:3]) == pytest.approx(marks[0], abs=0.3)
    assert sum(drawn[3:]) == pytest.approx(marks[1] / 0.9, abs=0.3)
    assert 'aria-label="计划工作时间的去向 where planned busy time went: ' in svg


def test_the_cumulative_line_ends_at_a_hundred_per_cent():
    spent = page_data([stop("A1", 30.0), stop("B2", 10.0)])
    svg = str(loss_figures.pareto_of(spent))
    (points,) = re.findall(r'class="cumulative" points="([^"]+)"', svg)
    xs = [float(point.split(",")[0]) for point in points.split()]
    whole = loss_figures.WIDTH - loss_figures.FIGURES
    assert xs[-1] == whole
    assert xs[0] - loss_figures.CAUSES == pytest.approx(
        0.75 * (xs[-1] - loss_figures.CAUSES), abs=0.1
    )
    assert widths(svg)[0] == pytest.approx(3 * widths(svg)[1], abs=0.2)


def test_a_long_name_stays_in_its_place_and_whole_in_the_tables(tmp_path):
    long = "A-STOP-REASON-CODE-AS-LONG-AS-IT-MAY-EVER-BECOME"
    rows = [stop(long, product_id="P" * 60)]
    spent = page_data(rows)
    svg = str(loss_figures.pareto_of(spent))
    shown = re.findall(r'<tspan class="en" lang="en">([^<]*)</tspan>', svg)
    assert all(len(text) <= 40 for text in shown)
    assert any(text.endswith("…") for text in shown)
    _, page = write(tmp_path, [], losses=frame(rows), oee=planned(rows))
    assert f'<span class="en" lang="en">breakdown · {long}</span>' in page


def test_the_newest_name_is_of_the_day_that_is_told():
    later = at(16) + timedelta(days=1)
    reasons = named(
        {"stop_reason_code": "A1", "name_zh": "甲", "name_en": "a", "valid_from": later}
    )
    (rank,) = page_data([stop("A1")], reasons)["ranks"]
    assert rank["label"] == ("故障停机 · A1", "breakdown · A1")
