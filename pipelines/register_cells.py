"""What the cells of a register file mean: text to value, or to a reason why not.

A reader takes a field and the column `text` (stripped, null where blank) and gives three
expressions: value, reason (null where the value is good) and what the reason is about. Most are
evaluated on the distinct texts of a column only, so that 200,000 rows cost what 2,000 do.
"""

from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from pipelines.days import local_day
from pipelines.register_fields import Field
from pipelines.register_words import CODE_LOST, DIGITS_LOST, ERRORS, first_of, narrow
from pipelines.uscc import uscc_valid
from pipelines.uscc_reading import read_codes


class Reading(NamedTuple):
    """Value, reason and what it is about, of one column."""

    value: pl.Expr
    reason: pl.Expr
    about: pl.Expr


Reader = Callable[[Field, pl.Expr], Reading]

WHITE: Final = " \t\r\n\v\f\u00a0\u3000\u200b\u200c\u200d\u2060\ufeff"
_NOTHING: Final = ["", "-", "--", "—", "——", "/", "\\", "N/A", "n/a", "NULL", "null", "None"]
_UNKNOWN: Final = ["无", "不详", "未知", "未填", "暂无"]
_OPEN: Final = ["长期", "长期有效", "永久", "至今", "无固定期限"]
OPEN_END: Final = date(9999, 12, 31)
"""How many systems write that there is no end; nothing is later."""
FIRST_YEAR, LAST_YEAR = 1949, 2199
FIRST_FACT: Final = date(2015, 1, 1)
"""No fact of a day is older: what stands before is a clock that nobody set (1970, 1980, 2000) or a
mistyped year, and no figure looks back so far. A single such row would make every calendar of days
reach back to it. To take older facts, set it earlier: nothing else depends on it."""

SECTIONS: Final = {
    "A": (1, 5), "B": (6, 12), "C": (13, 43), "D": (44, 46), "E": (47, 50), "F": (51, 52),
    "G": (53, 60), "H": (61, 62), "I": (63, 65), "J": (66, 69), "K": (70, 70), "L": (71, 72),
    "M": (73, 75), "N": (76, 79), "O": (80, 82), "P": (83, 83), "Q": (84, 85), "R": (86, 90),
    "S": (91, 96), "T": (97, 97),
}  # fmt: skip
"""GB/T 4754-2017: first and last division of each section."""
_SECTION_OF: Final = {
    f"{division:02}": section
    for section, (first, last) in SECTIONS.items()
    for division in range(first, last + 1)
}
_TENS: Final = sorted({of + division[0] for division, of in _SECTION_OF.items()})

_NONE: Final = pl.lit(None, dtype=pl.String)


def bare(text: pl.Expr, kind: str) -> pl.Expr:
    """A cell without the blanks around it, null where it says nothing."""
    inner = text.str.strip_chars(WHITE)
    nothing = _NOTHING + ([] if kind in ("word", "flag") else _UNKNOWN)
    nothing += _OPEN if kind == "end_day" else []
    return pl.when(~inner.is_in(nothing)).then(inner)


def _text(field: Field, text: pl.Expr) -> Reading:
    """A text on one line: what was broken between two Chinese characters is one word."""
    joined = text.str.replace_all(r"(\p{Han})\s*[\r\n]+\s*(\p{Han})", "$1$2")
    return Reading(
        joined.str.replace_all(r"\s*[\r\n]+\s*", " "),
        first_of((text.is_in(ERRORS), "excel_error")),
        _NONE,
    )


def _code(field: Field, text: pl.Expr) -> Reading:
    is_rounded = text.str.contains(CODE_LOST)
    return Reading(
        text, first_of((text.is_in(ERRORS), "excel_error"), (is_rounded, "digits_lost")), _NONE
    )


def _industry(field: Field, text: pl.Expr) -> Reading:
    """Section letter and one to four digits that belong to it; four digits get their letter."""
    code = narrow(text).str.to_uppercase()
    digits = code.str.extract(r"^[A-Z]?(\d+)$")
    section = digits.str.slice(0, 2).replace_strict(
        _SECTION_OF, default=None, return_dtype=pl.String
    )
    is_bare = code.str.contains(r"^\d{4}$")
    has_form = code.str.contains(r"^[A-T]\d{1,4}$") | is_bare
    is_tens = code.str.len_chars() == 2
    told = code.str.slice(0, 1)
    right = section + digits
    reason = first_of(
        (~has_form, "industry_form"),
        (is_tens & ~is_bare & ~code.is_in(_TENS), "industry_section"),
        (is_tens, ""),
        (section.is_null(), "industry_none"),
        (~is_bare & (told != section), "industry_section"),
    ).replace({"": None})
    suggested = pl.when(reason == "industry_section").then(right.fill_null("A–T"))
    return Reading(pl.when(is_bare).then(right).otherwise(code), reason, suggested)


def _number(text: pl.Expr, units: str) -> pl.Expr:
    """A plain number in half-width characters, thousands no longer apart, its unit gone."""
    plain = narrow(text).str.replace(rf"({units})$", "")
    grouped = plain.str.contains(r"^-?\d{1,3}(,\d{3})+(\.\d+)?$")
    return pl.when(grouped).then(plain.str.replace_all(",", "")).otherwise(plain)


def _count(field: Field, text: pl.Expr) -> Reading:
    number = _number(text, "人|名|台|个|家|户|件|秒")
    whole = number.str.replace(r"\.0+$", "")
    value = whole.cast(pl.Int64, strict=False)
    is_form = whole.str.contains(r"^\d+$")
    reason = first_of(
        (text.is_in(ERRORS), "excel_error"),
        (whole.str.contains(r"^-\d"), "negative"),
        (whole.str.contains(DIGITS_LOST), "digits_lost"),
        (~is_form | value.is_null(), "no_count"),
    )
    return Reading(value, reason, _NONE)


def _amount(field: Field, text: pl.Expr) -> Reading:
    number = _number(text, "万元|万" if field.name.endswith("_wan") else "分")
    value = number.cast(pl.Float64, strict=False)
    reason = first_of(
        (text.is_in(ERRORS), "excel_error"),
        (~number.str.contains(r"^-?\d+(\.\d+)?([eE][-+]?\d{1,2})?$"), "no_number"),
        (value.is_null() | value.is_infinite(), "no_number"),
        (value < 0, "negative"),
    )
    return Reading(value, reason, _NONE)


def _between(least: float, most: float) -> Reader:
    def read(field: Field, text: pl.Expr) -> Reading:
        amount = _amount(field, text.str.replace("[°度]$", ""))
        is_beyond = (amount.value < least) | (amount.value > most)
        reason = pl.coalesce(amount.reason, first_of((is_beyond, "beyond")))
        about = pl.when(reason == "beyond").then(pl.lit(f"{least:g}–{most:g}"))
        return Reading(amount.value, reason, about)

    return read


def _word(field: Field, text: pl.Expr) -> Reading:
    known = {word.lower(): word for word in field.words}
    known |= {alias: word for word, aliases in field.words.items() for alias in aliases}
    plain = narrow(text).str.to_lowercase()
    by_key = {key.replace(" ", ""): word for key, word in known.items()}
    value = plain.replace_strict(by_key, default=None, return_dtype=pl.String)
    is_unknown = text.is_in(_UNKNOWN)
    heads = "、".join(
        word if not word.isascii() or not aliases else f"{aliases[0]} ({word})"
        for word, aliases in field.words.items()
    )
    reason = first_of((value.is_null() & ~is_unknown, "no_word"))
    return Reading(value, reason, pl.when(reason == "no_word").then(pl.lit(heads)))


FLAGS: Final = {
    "是": True, "有": True, "yes": True, "y": True, "true": True, "1": True, "√": True, "t": True,
    "否": False, "无": False, "no": False, "n": False, "false": False, "0": False, "×": False,
    "f": False, "x": False,
}  # fmt: skip


def _flag(field: Field, text: pl.Expr) -> Reading:
    plain = narrow(text).str.to_lowercase()
    value = plain.replace_strict(FLAGS, default=None, return_dtype=pl.Boolean)
    reason = first_of((value.is_null() & ~text.is_in(_UNKNOWN), "no_flag"))
    return Reading(value, reason, _NONE)


def _grade(field: Field, text: pl.Expr) -> Reading:
    """An interface level L0 to L3, as its number."""
    plain = narrow(text).str.to_uppercase().str.strip_suffix("级")
    value = plain.str.extract(r"^L?([0-3])$").cast(pl.Int8)
    reason = first_of((value.is_null(), "no_word"))
    return Reading(value, reason, pl.when(reason == "no_word").then(pl.lit("L0、L1、L2、L3")))


def _mac(field: Field, text: pl.Expr) -> Reading:
    digits = narrow(text).str.to_uppercase().str.replace_all(r"[:.\-]", "")
    pairs = digits.str.extract_all("..").list.join(":")
    is_mac = digits.str.contains(r"^([0-9A-F]{12}|[0-9A-F]{16})$")
    return Reading(pairs, first_of((~is_mac, "no_mac")), _NONE)


_DAY: Final = r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?$"


def _day(field: Field, text: pl.Expr) -> Reading:
    """A local day: of a plain date, of a local time, or of a time with its offset.

    Null where nobody believes it, and where an end is the open one. A `day` is that of a fact.
    """
    plain = text.str.normalize("NFKC").str.replace_all(r"\s*([年月])\s*", "$1")
    compact = plain.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3")
    parts = compact.str.extract_groups(_DAY)
    year, month, day = (parts.struct.field(str(i)) for i in (1, 2, 3))
    iso = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    instant = plain.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    value = pl.coalesce(iso.str.to_date("%Y-%m-%d", strict=False), local_day(instant))
    is_open = (value >= OPEN_END) if field.kind == "end_day" else pl.lit(value=False)
    is_early = (value < FIRST_FACT) if field.name == "day" else pl.lit(value=False)
    reason = first_of(
        (is_open, ""),
        (text.is_in(ERRORS), "excel_error"),
        (plain.str.contains(r"^\d{5}(\.\d+)?$"), "serial_day"),
        (value.is_null() & year.is_not_null(), "no_such_day"),
        (value.is_null(), "no_day"),
        (~value.dt.year().is_between(FIRST_YEAR, LAST_YEAR), "year"),
        (is_early, "early"),
    )
    about = pl.when(reason == "early").then(pl.lit(FIRST_FACT.isoformat()))
    return Reading(pl.when(reason.is_null()).then(value), reason.replace({"": None}), about)


READERS: Final[dict[str, Reader]] = {
    "text": _text,
    "code": _code,
    "industry": _industry,
    "count": _count,
    "amount": _amount,
    "score": _between(0, 100),
    "longitude": _between(73, 136),
    "latitude": _between(3, 54),
    "word": _word,
    "flag": _flag,
    "grade": _grade,
    "mac": _mac,
    "day": _day,
    "end_day": _day,
}
"""How each kind of field is read."""


DTYPES: Final[dict[str, pl.DataType]] = {
    "count": pl.Int64(),
    "amount": pl.Float64(),
    "score": pl.Float64(),
    "longitude": pl.Float64(),
    "latitude": pl.Float64(),
    "flag": pl.Boolean(),
    "grade": pl.Int8(),
    "day": pl.Date(),
    "end_day": pl.Date(),
}
"""What a kind's values are, where they are not texts."""

_MAC: Final = "^[0-9A-F]{2}(:[0-9A-F]{2}){5}(:[0-9A-F]{2}){0,2}$"


def cells(field: Field, column: pl.Series) -> pl.DataFrame:
    """`value reason about` of every cell of a column of texts; the value bears the field's name."""
    texts = pl.DataFrame({"text": column.cast(pl.String)}).select(bare(pl.col("text"), field.kind))
    if texts["text"].null_count() == texts.height:
        return _blank(field, texts.height)
    distinct = texts.filter(pl.col("text").is_not_null()).unique("text")
    each = texts.join(_read(field, distinct), on="text", how="left", maintain_order="left")
    if field.is_required:
        is_blank = pl.col("value").is_null() & pl.col("reason").is_null()
        each = each.with_columns(reason=pl.when(is_blank).then(pl.lit("blank")).otherwise("reason"))
    return each.select(pl.col("value").alias(field.name), "reason", "about")


def _blank(field: Field, height: int) -> pl.DataFrame:
    """A column in which nothing stands: most files leave most columns out."""
    none = pl.Series([None], dtype=pl.String).new_from_index(0, height)
    reason = pl.Series(["blank" if field.is_required else None], dtype=pl.String)
    value = none.cast(DTYPES.get(field.kind, pl.String()))
    columns = {field.name: value, "reason": reason.new_from_index(0, height), "about": none}
    return pl.DataFrame(columns)


def _read(field: Field, distinct: pl.DataFrame) -> pl.DataFrame:
    """`text value reason about` of distinct texts; only doubtful ones cost what doubt costs."""
    text = pl.col("text")
    if field.kind in ("uscc", "mac"):
        is_good = uscc_valid(text) if field.kind == "uscc" else text.str.contains(_MAC)
        told = distinct.with_columns(is_good=is_good)
        good = told.filter("is_good").select("text", value="text", reason=_NONE, about=_NONE)
        other = told.filter(~pl.col("is_good")).select("text")
        return pl.concat([good, read_codes(other) if field.kind == "uscc" else _by(field, other)])
    return _by(field, distinct)


def _by(field: Field, distinct: pl.DataFrame) -> pl.DataFrame:
    value, reason, about = READERS[field.kind](field, pl.col("text"))
    read = distinct.lazy().select("text", value=value, reason=reason, about=about)
    return read.collect(engine="in-memory")
