"""What offices report of indicators that nothing here measures: checked, kept, never overwritten.

An entry is known by its indicator, period and area. A later one of the same three is a revision:
the earlier stays beside it (docs/decisions/0039).
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Final, NamedTuple

import polars as pl

from pipelines.dictionary import DISTRICT_ID, dictionary
from pipelines.dictionary import ENTERED as BY_HAND
from pipelines.park_schemas import REJECTIONS
from pipelines.periods import day, period_from, period_span, period_to

REQUIRED: Final = (
    "indicator_id", "period", "area_id", "value", "reported_on", "responsible", "document",
)  # fmt: skip
OPTIONAL: Final = ("lower", "upper", "note")
COLUMNS: Final = (*REQUIRED, *OPTIONAL)

ENTERED: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "period": pl.String(),
        "period_from": pl.Date(),
        "period_to": pl.Date(),
        "area_id": pl.String(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "reported_on": pl.Date(),
        "responsible": pl.String(),
        "document": pl.String(),
        "note": pl.String(),
        "file": pl.String(),
        "sha256": pl.String(),
        "line": pl.Int64(),
        "entered_at": pl.Datetime("us", "UTC"),
        "sequence": pl.Int64(),
    }
)
"""One row per entry, `period_to` included. `responsible` is 填报单位/负责人, `document` 依据. `file
sha256 line` say where it stood; `sequence` numbers the imports from 1."""

KEY: Final = ["indicator_id", "period", "area_id"]
CONTENT: Final = ["value", "lower", "upper", "reported_on", "responsible", "document", "note"]
"""What makes a second entry a revision; the same words again are none."""

TOO_MUCH: Final = 1e12
"""No figure of a district is so large in any unit: a key that stuck."""
NOT_COUNTS: Final = ("%", "万个", "Mbps", "kWh/kWh")
"""Units whose figures may have decimals; in all others something is counted."""

_NUMBER: Final = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_MIDNIGHT: Final = r"T00:00:00(\+08:00)?$"
"""A worksheet keeps a date as a time at midnight."""


class Checked(NamedTuple):
    """`accepted` has ENTERED (sequence 0), `rejected` REJECTIONS: a row per fault."""

    accepted: pl.DataFrame
    rejected: pl.DataFrame


class _Fault(NamedTuple):
    column: str
    is_bad: pl.Expr
    why: tuple[str, str]
    remedy: tuple[str, str]


def checked(
    rows: pl.DataFrame,
    *,
    file: str,
    sha256: str,
    entered_at: datetime,
    today: date,
    areas: Collection[str] = (),
) -> Checked:
    """The rows of a file that can be entered, and what is wrong with the others.

    `rows`: `line`, `is_ragged` (another number of fields than the heads) and COLUMNS as text.
    `areas` are parks; the New City is always known. Of rows of the same key none is taken.
    """
    known = dictionary().select("indicator_id", "unit", "collection")
    texts = rows.with_columns(pl.col(COLUMNS).fill_null("").str.strip_chars())
    parsed = (
        texts.with_columns(_without_midnight("period"), _without_midnight("reported_on"))
        .join(known, on="indicator_id", how="left", maintain_order="left")
        .with_columns(
            *[_number(name).alias(f"_{name}") for name in ("value", "lower", "upper")],
            _reported=day("reported_on"),
            _from=period_from("period"),
        )
        .with_columns(_to=period_to("period", "_from"))
    )
    every_area = [DISTRICT_ID, *sorted(set(areas) - {DISTRICT_ID})]
    faults = [
        parsed.filter(fault.is_bad.fill_null(value=False)).select(_rejection(fault, file))
        for fault in _faults(today, every_area)
    ]
    rejected = pl.concat(faults).sort("line", maintain_order=True)
    good = parsed.join(rejected.select("line"), on="line", how="anti", maintain_order="left")
    return Checked(_entries(good, file, sha256, entered_at), rejected)


def _entries(good: pl.DataFrame, file: str, sha256: str, entered_at: datetime) -> pl.DataFrame:
    note = pl.col("note")
    return good.select(
        *KEY,
        period_from="_from",
        period_to="_to",
        value="_value",
        lower="_lower",
        upper="_upper",
        reported_on="_reported",
        responsible="responsible",
        document="document",
        note=pl.when(note != "").then(note),
        file=pl.lit(file),
        sha256=pl.lit(sha256),
        line="line",
        entered_at=pl.lit(entered_at),
        sequence=pl.lit(0),
    ).select(ENTERED.names()).cast(ENTERED)  # fmt: skip


def _without_midnight(name: str) -> pl.Expr:
    return pl.col(name).str.replace(_MIDNIGHT, "")


def _number(name: str) -> pl.Expr:
    """A finite number; null where it is blank or none."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(pl.col(name).str.contains(_NUMBER) & number.is_finite()).then(number)


def _rejection(fault: _Fault, file: str) -> list[pl.Expr]:
    """One row of REJECTIONS per row that has the fault."""
    words = {
        "why_zh": fault.why[0], "why_en": fault.why[1],
        "remedy_zh": fault.remedy[0], "remedy_en": fault.remedy[1],
    }  # fmt: skip
    given = {
        "file": pl.lit(file),
        "sheet": pl.lit(None, pl.String),
        "line": pl.col("line").cast(pl.Int64),
        "column": pl.lit(fault.column),
        "value": pl.col(fault.column),
        **{name: pl.lit(text) for name, text in words.items()},
    }
    return [given[name].alias(name) for name in REJECTIONS.names()]


def _faults(today: date, areas: list[str]) -> Iterator[_Fault]:
    """All that can be wrong with a row; a later one only says what an earlier has not said."""
    is_whole = ~pl.col("is_ragged")
    yield _Fault(
        "indicator_id", pl.col("is_ragged"),
        ("该行的列数与表头不一致", "the line has another number of fields than the heads"),
        ("含逗号的文字请加双引号，或删去多余的列", "quote texts with commas, or delete the rest"),
    )  # fmt: skip
    for column in REQUIRED:
        yield _Fault(
            column, is_whole & (pl.col(column) == ""),
            ("未填写", "it is blank"), ("请填写", "fill it in"),
        )  # fmt: skip
    for fault in (*_of_key(today, areas), *_of_numbers()):
        is_told = is_whole & (pl.col(fault.column) != "")
        yield fault._replace(is_bad=is_told & fault.is_bad)


def _of_key(today: date, areas: list[str]) -> Iterator[_Fault]:
    """What can be wrong with whose figure it is, of when, and by whom."""
    collection, reported = pl.col("collection"), pl.col("_reported")
    yield _Fault(
        "indicator_id", collection.is_null(),
        ("指标库中没有此编号", "it is not in the indicator dictionary"),
        ("用 parkpulse indicator list 查看编号", "see `parkpulse indicator list` for the ids"),
    )  # fmt: skip
    yield _Fault(
        "indicator_id", collection != BY_HAND,
        ("该指标由系统计算，不接受填报", "it is computed, nobody enters it"),
        ("删去该行", "delete the row"),
    )  # fmt: skip
    yield _Fault(
        "period", pl.col("_from").is_null(),
        ("不是有效的期别", "it is no period"),
        ("写成 2026、2026Q4、2026-11 或 2026-11-21", "write 2026, 2026Q4, 2026-11 or 2026-11-21"),
    )  # fmt: skip
    named = "、".join(areas)
    yield _Fault(
        "area_id", ~pl.col("area_id").is_in(areas),
        ("不是松江新城，也不是已知的园区", "it is neither the New City nor a park that is known"),
        (f"写成 {named} 之一", f"write one of {named.replace('、', ', ')}"),
    )  # fmt: skip
    yield _Fault(
        "area_id", pl.len().over(*KEY, "is_ragged") > 1,
        ("同一文件中，同一指标、期别、地区出现多次", "its key stands twice in the file"),
        ("只保留正确的一行", "keep the right row of this indicator, period and area"),
    )  # fmt: skip
    yield _Fault(
        "reported_on", reported.is_null(),
        ("不是有效的日期", "it is no date"), ("写成 2026-11-21", "write it like 2026-11-21"),
    )  # fmt: skip
    yield _Fault(
        "reported_on", reported > today,
        ("晚于今天", "it lies in the future"), ("填写实际报送日期", "give the day of the report"),
    )  # fmt: skip
    yield _Fault(
        "reported_on", reported < pl.col("_from"),
        ("早于所报期别的第一天", "it lies before the period begins"),
        ("核对期别与报送日期", "check the period and the day of the report"),
    )  # fmt: skip


def _of_numbers() -> Iterator[_Fault]:
    """What can be wrong with the value and its bounds."""
    unit = pl.col("unit")
    is_count = ~unit.is_in(NOT_COUNTS)
    for column in ("value", "lower", "upper"):
        number = pl.col(f"_{column}")
        yield _Fault(
            column, number.is_null(),
            ("不是数字", "it is no number"),
            ("只写数字：不带单位、百分号和千分位逗号", "digits only: no unit, no %, no separator"),
        )  # fmt: skip
        yield _Fault(
            column, (unit == "%") & ~number.is_between(0, 100),
            ("百分数不在 0 至 100 之间", "a percentage is from 0 to 100"),
            ("72.7 % 写成 72.7", "write 72.7 for 72.7 %"),
        )  # fmt: skip
        yield _Fault(
            column, (unit != "%") & (number < 0),
            ("小于 0", "it is below 0"), ("填写不小于 0 的数", "give a number from 0 on"),
        )  # fmt: skip
        yield _Fault(
            column, number >= TOO_MUCH,
            ("大得不可能", "nobody can have so many"),
            ("核对数值与单位", "check the number and its unit"),
        )  # fmt: skip
        yield _Fault(
            column, is_count & (number >= 0) & (number != number.floor()),
            ("个数应为整数", "a count is whole"), ("填写整数", "give a whole number"),
        )  # fmt: skip
    for column, is_wrong in (
        ("lower", pl.col("_lower") > pl.col("_value")),
        ("upper", pl.col("_upper") < pl.col("_value")),
    ):
        yield _Fault(
            column, is_wrong,
            ("下限、数值、上限的大小次序不对", "lower, value and upper are out of order"),
            ("使下限 ≤ 数值 ≤ 上限", "make lower ≤ value ≤ upper"),
        )  # fmt: skip


def history(entered: pl.DataFrame) -> pl.DataFrame:
    """All entries by key, oldest first, with `revision` (from 1) and `is_newest`."""
    ordered = entered.sort(*KEY, "sequence", "line")
    revision = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(KEY)
    return ordered.with_columns(revision=revision).with_columns(
        is_newest=pl.col("revision") == pl.len().over(KEY)
    )


def newest(entered: pl.DataFrame) -> pl.DataFrame:
    """ENTERED of the newest entry of every key."""
    return history(entered).filter("is_newest").select(ENTERED.names())


def news(accepted: pl.DataFrame, entered: pl.DataFrame) -> pl.DataFrame:
    """The accepted entries that say anything new: a file entered again revises nothing."""
    same = [*KEY, *CONTENT]
    return accepted.join(newest(entered), on=same, how="anti", nulls_equal=True).sort("line")


def standing(entered: pl.DataFrame, period: str) -> pl.DataFrame:
    """The entry that stands for each indicator and area when `period` ends, one row each.

    Of what was reported by its last day, of periods begun by then: the one whose period ends last,
    then the last reported, then the newest.
    """
    _, end = period_span(period)
    told = entered.filter(pl.col("reported_on") <= end, pl.col("period_from") <= end)
    return (
        newest(told)
        .sort("period_to", "reported_on", "sequence", "line")
        .unique(["indicator_id", "area_id"], keep="last", maintain_order=True)
        .sort("indicator_id", "area_id")
    )
