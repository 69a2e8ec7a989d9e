"""Which rows of a file go in: cells, rows and pairs, with twins in plain loops."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.park_schemas import REGISTER, REJECTIONS
from pipelines.register_cells import cells
from pipelines.register_heads import columns_of, is_head, tables_of
from pipelines.register_rules import checked
from pipelines.register_tables import BEGIN_AND_END, FIELDS, REFERENCES, WHOSE, ZH
from pipelines.uscc import uscc_valid
from tests.pipelines import slow_register

ON = date(2026, 11, 21)
A, B = slow_register.code("91310117MA1J1234X"), slow_register.code("91310117MA1KUXNU8")
bodies = st.text(slow_register.ALPHABET, min_size=17, max_size=17)


def read(table, column, *texts):
    field = next(field for field in FIELDS[table] if field.name == column)
    return cells(field, pl.Series(texts, dtype=pl.String)).rows()


def firm(**said):
    return {"uscc": A, "name_zh": "甲", "register_status": "在营"} | said


def check(table, *rows, as_of=None):
    frame = pl.DataFrame([{"line": n} | row for n, row in enumerate(rows, 2)])
    return checked(table, frame, as_of=as_of)


@settings(max_examples=10)
@given(st.lists(bodies, min_size=1, max_size=3), st.data())
def test_a_code_is_taken_as_it_is_and_with_another_last_character_it_is_named(some, data):
    codes = [slow_register.code(body) for body in some]
    assert read("sites", "uscc", *codes) == [(code, None, None) for code in codes]
    assert pl.select(uscc_valid(pl.lit(codes[0]))).item()
    wrong = data.draw(st.sampled_from([c for c in slow_register.ALPHABET if c != codes[0][-1]]))
    ((_, reason, about),) = read("sites", "uscc", codes[0][:17] + wrong)
    if reason != "digits_lost":
        assert (reason, about) == ("uscc_check", codes[0])


@pytest.mark.parametrize(
    ("text", "reason", "about"),
    [
        (A.lower(), "uscc_typed", A),
        (A.replace("0", "O", 1), "uscc_typed", A),
        (A.replace("1", "I", 1), "uscc_typed", A),
        ("9.13E+17", "digits_lost", None),
        ("913101170000000000", "digits_lost", None),
        ("9.1310117e+17", "digits_lost", None),
        ("310227000123456", "uscc_old", None),
        (A[:17], "uscc_length", "17"),
        ("9131011*MA1J1234XJ", "uscc_letter", "*"),
        ("#REF!", "excel_error", None),
        ("　" + A[:4] + " " + A[4:] + "\u200b", None, None),
        ("".join(chr(ord(c) + 0xFEE0) for c in A), None, None),
    ],
)
def test_codes_as_they_are_mistyped(text, reason, about):
    ((value, why, meant),) = read("sites", "uscc", text)
    assert (why, meant) == (reason, about)
    assert reason is not None or value == A


@settings(max_examples=15)
@given(st.lists(st.from_regex(r"[A-U]?[0-9]{0,5}", fullmatch=True), max_size=20))
def test_industry_codes_as_in_plain_loops(texts):
    blank = [slow_register.industry(text) if text else None for text in texts]
    found = read("enterprises", "industry_code", *texts)
    assert [value if reason is None else None for value, reason, _ in found] == blank


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("2026-11-21", ON, None), ("2026/11/21", ON, None), ("2026年11月21日", ON, None),
        ("２０２６．１１．２１", ON, None), ("20261121", ON, None),
        ("2026-11-21 00:00:00", ON, None),
        ("2026-11-20T16:00:00Z", ON, None), ("2026-11-21T00:00:00+08:00", ON, None),
        ("2026/1/2", date(2026, 1, 2), None), ("2026-02-30", None, "no_such_day"),
        ("46347", None, "serial_day"), ("11/21/2026", None, "no_day"), ("去年", None, "no_day"),
        ("1026-11-21", None, "year"), ("-", None, None), ("", None, None),
    ],
)  # fmt: skip
def test_days_as_people_write_them(text, value, reason):
    assert read("terminals", "registered_on", text) == [(value, reason, None)]


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31", "9999/12/31", "9999.12.31", "99991231", "9999年12月31日",
        "9999-12-31 00:00:00", "9999-12-31T00:00:00+08:00", "9999-12-31T23:59:59+08:00",
        "9999-12-30T16:00:00Z", "9999-12-31T16:00:00Z", "９９９９－１２－３１", "长期",
    ],
)  # fmt: skip
def test_the_open_end_is_no_end_in_every_form(text):
    for table, column in (("enterprises", "valid_to"), ("terminals", "retired_on")):
        assert read(table, column, text) == [(None, None, None)]
    if text != "长期":
        assert read("enterprises", "valid_from", text) == [(None, "year", None)]
    assert read("enterprises", "valid_to", "9999-12-30") == [(None, "year", None)]


@pytest.mark.parametrize("table", [name for name, all_of in FIELDS.items() if "day" in {
    one.name for one in all_of
}])  # fmt: skip
def test_no_fact_of_a_day_is_older_than_evidence_by_the_day(table):
    days = ["1970-01-01", "2000-01-01T00:00:00+08:00", "2014年12月31日", "2015-01-01", "1026-1-1"]
    early, first = (None, "early", "2015-01-01"), (date(2015, 1, 1), None, None)
    assert read(table, "day", *days) == [early, early, early, first, (None, "year", None)]
    row = {"uscc": A, "day": "1970-01-01", "is_operating": "是"}
    accepted, refused = check("operating_days", row, row | {"day": "2026-05-01"})
    assert accepted["day"].to_list() == [date(2026, 5, 1)]
    (only,) = refused.select("line", "column", "value", "why_en").rows()
    assert only == (2, "day", "1970-01-01", "it is before 2015-01-01: no fact of a day is so old")
    assert read("enterprises", "valid_from", "1970-01-01") == [(date(1970, 1, 1), None, None)]


@pytest.mark.parametrize(
    ("table", "column", "text", "value", "reason"),
    [
        ("enterprises", "staff", "1,280人", 1280, None),
        ("enterprises", "staff", "-3", -3, "negative"),
        ("enterprises", "staff", "1.5", None, "no_count"),
        ("enterprises", "staff", "不详", None, None),
        ("enterprises", "revenue_wan", "3,500.5万元", 3500.5, None),
        ("enterprises", "revenue_wan", "1亿", None, "no_number"),
        ("enterprises", "self_score", "101", 101.0, "beyond"),
        ("enterprises", "in_new_city", "是", True, None),
        ("enterprises", "in_new_city", "大概", None, "no_flag"),
        ("enterprises", "register_status", "存续（在营、开业、在册）", "在营", None),
        ("declarations", "declared_cloud", "不详", "unknown", None),
        ("declarations", "declared_cloud", "无", "no", None),
        ("declarations", "declared_to", "长期", None, None),
        ("terminals", "chain_stage", "研发", "rnd", None),
        ("terminals", "network", "ＮＢ－ＩｏＴ", "nb_iot", None),
        ("terminals", "mac", "001b.4411.3ab7", "00:1B:44:11:3A:B7", None),
        ("terminals", "mac", "00:1B", "00:1B", "no_mac"),
        ("terminals", "serial_number", "1.2E+15", "1.2E+15", "digits_lost"),
        ("terminals", "terminal_id", "1E+17", "1E+17", "digits_lost"),
        ("terminals", "terminal_id", "1.0e17", "1.0e17", "digits_lost"),
        ("terminals", "terminal_id", "1E17", "1E17", None),
        ("machines", "interface_level", "L2", 2, None),
        ("projects", "phase", "准入", "admission", None),
        ("enterprises", "name_zh", "上海\n甲公司", "上海甲公司", None),
    ],
)
def test_cells(table, column, text, value, reason):
    ((found, why, _),) = read(table, column, text)
    assert (found, why) == (value, reason)


def test_every_fault_of_a_row_is_told_and_the_sound_rows_go_in():
    accepted, refused = check(
        "enterprises", firm(), firm(uscc=B, staff="-1", name_zh=" ", valid_from="2026-13-01")
    )
    assert accepted["uscc"].to_list() == [A]
    assert refused.schema == REJECTIONS
    assert refused["line"].unique().to_list() == [3]
    assert refused["column"].to_list() == ["name_zh", "staff", "valid_from"]
    assert refused["value"].to_list() == [" ", "-1", "2026-13-01"]
    assert refused.select("why_zh", "why_en", "remedy_zh", "remedy_en").drop_nulls().height == 3


@pytest.mark.parametrize(
    ("table", "row", "column"),
    [
        ("enterprises", firm(valid_from="2026-05-01", valid_to="2026-05-01"), "valid_to"),
        ("enterprises", firm(valid_to="2026-11-20"), "valid_to"),
        ("enterprises", firm(successor_uscc=A), "successor_uscc"),
        ("declarations", {"uscc": A, "declared_cloud": "是", "declared_from": "2026-05-02",
                          "declared_to": "2026-05-01"}, "declared_to"),
        ("sites", {"site_id": "S", "uscc": A, "longitude": "121.2"}, "longitude"),
        ("tenants", {"platform": "海纳", "tenant_id": "t"}, "uscc"),
        ("energy_days", {"data_centre_id": "D", "is_edge": "否", "day": "2026-05-01",
                         "facility_wh": "9", "it_wh": "10"}, "it_wh"),
    ],
)  # fmt: skip
def test_rows_that_contradict_themselves(table, row, column):
    accepted, refused = check(table, row, as_of=ON)
    assert accepted.is_empty()
    assert refused["column"].to_list() == [column]


def test_a_longitude_and_a_latitude_that_are_exchanged_are_told_so():
    row = {"site_id": "S", "uscc": A, "longitude": "31.03", "latitude": "121.22"}
    _, refused = check("sites", row)
    assert refused["why_en"].to_list() == ["longitude and latitude are swapped"] * 2


def test_a_row_without_a_begin_holds_from_the_day_of_the_import():
    accepted, _ = check("enterprises", firm(), firm(uscc=B, valid_from="2026-01-01"), as_of=ON)
    assert accepted["valid_from"].to_list() == [ON, date(2026, 1, 1)]
    assert accepted["source"].null_count() == 2


spans = st.tuples(
    st.sampled_from([A, B]), st.integers(0, 4), st.none() | st.integers(1, 4), st.sampled_from("xy")
)


@settings(max_examples=15)
@given(st.lists(spans, min_size=1, max_size=7))
def test_pairs_as_in_plain_loops_and_nothing_vanishes(said):
    day = [ON + timedelta(days=n) for n in range(10)]
    rows = [
        (line, code, day[since], None if length is None else day[since + length], name)
        for line, (code, since, length, name) in enumerate(said, 2)
    ]
    frame = [
        firm(uscc=code, valid_from=str(since), valid_to=until and str(until), name_zh=name)
        for _, code, since, until, name in rows
    ]
    accepted, refused = check("enterprises", *frame)
    bad = slow_register.refused(rows)
    assert set(refused["line"]) == bad
    assert accepted.height + accepted["repeats"].sum() + len(bad) == len(rows)
    distinct = {row[1:] for row in rows if row[0] not in bad}
    assert accepted.height == len(distinct)


def test_the_other_lines_of_a_duplicate_are_named_sheet_and_all():
    rows = pl.DataFrame(
        [firm(sheet="一", line=5), firm(sheet="二", line=5, name_zh="乙"), firm(sheet="二", line=6)]
    )
    _, refused = checked("enterprises", rows)
    assert refused["why_en"].to_list() == [
        "line 二!5, 二!6 says something else of the same",
        "line 一!5, 二!6 says something else of the same",
        "line 一!5, 二!5 says something else of the same",
    ]


@pytest.mark.parametrize("table", FIELDS)
def test_the_heads_of_a_table_name_its_columns_and_no_other_table(table):
    columns = [field.name for field in FIELDS[table]]
    assert set(columns) == set(REGISTER[table]) - {"source"}
    assert columns_of(table, columns) == columns
    for field in FIELDS[table]:
        for head in (field.zh, f"*{field.zh}\n{field.name}", *field.aliases):
            assert columns_of(table, [head]) == [field.name], head
    assert tables_of([field.zh for field in FIELDS[table]]) == [table]
    assert table in ZH


def test_data_of_the_rules_names_columns_that_there_are():
    names = {table: {field.name for field in fields} for table, fields in FIELDS.items()}
    for table, pairs in BEGIN_AND_END.items():
        assert names[table].issuperset(name for pair in pairs for name in pair)
    for table, columns in REFERENCES.items():
        for column, (other, key) in columns.items():
            assert column in names[table]
            assert key in names[other]
    assert all(names[table] >= {"uscc", column} for table, column in WHOSE.items())


def test_a_head_may_be_in_any_order_and_have_more():
    head = ["备注", "登记状态", "企业名称（必填）", "统一社会信用代码："]
    assert is_head("enterprises", head)
    assert columns_of("enterprises", head) == [None, "register_status", "name_zh", "uscc"]
    assert tables_of(["日期", "平台", "带动数"]) == ["claims"]
    assert tables_of(["年", "月"]) == []
