"""The words and numbers of a release, in Chinese and English."""

from typing import Any, Final, NamedTuple

from pipelines.disclosure import CONFIDENTIAL, DOMINANCE, FREQUENCY, MISSING, PROVISIONAL, SECONDARY
from pipelines.indicators import INCOMPLETE, MET, NOT_MET, TO_BE_VERIFIED


class Words(NamedTuple):
    """One term in both languages."""

    zh: str
    en: str


VERDICT: Final = {
    MET: Words("达标", "Met"),
    NOT_MET: Words("未达标", "Not met"),
    TO_BE_VERIFIED: Words("待核", "To be verified"),
}
STATUS: Final = {
    PROVISIONAL: Words("初步", "Provisional"),
    CONFIDENTIAL: Words("保密", "Confidential"),
    MISSING: Words("无数据", "No data"),
    INCOMPLETE: Words("数据不完整", "Incomplete data"),
}
REASON: Final = {
    FREQUENCY: Words(
        "涉及的法人组过少，公布即可推知单个企业",
        "too few legal groups stand behind it: the figure would tell of one of them",
    ),
    DOMINANCE: Words(
        "少数法人组占比过高，可据以估算其数值",
        "a few legal groups dominate it: one could estimate another",
    ),
    SECONDARY: Words(
        "若公布，可由全区数减去其他园区数推出已隐去的园区",
        "with it, a hidden park would follow from the district less the other parks",
    ),
}
CONTROL: Final = Words(
    "只公布园区和全区数；以法人组为单位执行最少单位数规则和集中度规则，"
    "并作补充隐藏，使被隐去的数不能由公布数推出；规则参数不公开。",
    "Only parks and the district are shown; a minimum-frequency rule and a concentration rule are "
    "applied per legal group, then secondary suppression, so that no hidden figure follows from "
    "published ones. The parameters are confidential.",
)
COMPARATOR: Final = {"gt": ">", "ge": "≥", "le": "≤", "eq": "="}
COMPARATOR_ZH: Final = {"gt": "超过（不含）", "ge": "不少于", "le": "不高于", "eq": "等于"}
COLLECTION: Final = {"measured": "系统计算", "entered": "部门填报"}
HIDDEN: Final = "＊"
"""How a hidden figure is printed, as in Chinese yearbooks with the note 因保密不公布."""
NOTHING: Final = "—"
UNRELIABLE: Final = "…"
"""How a figure is printed of which too little is known, as in Chinese yearbooks 数据不足."""
KEPT_OUT: Final = Words(
    "数据不完整（完整率低于所用口径的下限），不予公布",
    "incomplete data: less is known than the profile asks for, so no number is published",
)

TITLE: Final = Words(
    "松江新城工业互联网运行指标", "Industrial-internet indicators of Songjiang New City"
)


def number(value: float | None, decimals: int) -> str:
    """With thousands separators and exactly the published decimals."""
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def figure(row: dict[str, Any]) -> str:
    """The printed value of a row of PUBLISHED."""
    sign = {CONFIDENTIAL: HIDDEN, INCOMPLETE: UNRELIABLE}.get(row["status"])
    return sign or number(row["value"], row["decimals"])


def target(row: dict[str, Any]) -> str:
    """Like `> 80 %`; a dash where the plan sets none."""
    if row["target"] is None:
        return NOTHING
    return f"{COMPARATOR[row['comparator']]} {row['target']:g} {row['unit']}"


def span(row: dict[str, Any]) -> str | None:
    """Like `72.7 – 82.6`, where the bounds say more than the value."""
    lower, upper = row["lower"], row["upper"]
    if lower is None or upper is None or lower == upper:
        return None
    return f"{number(lower, row['decimals'])} – {number(upper, row['decimals'])}"


def percent(share: float | None) -> str:
    """A share as a percentage, as fine as it was published."""
    return NOTHING if share is None else f"{share * 100:.3g} %"
