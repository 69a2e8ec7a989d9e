"""What the report says, Chinese and English."""

import re
from typing import Final

Pair = tuple[str, str]

KINDS: Final[dict[str, Pair]] = {
    "signal": ("信号偏离", "Signal off normal"),
    "sensor_frozen": ("传感器卡死", "Frozen sensor"),
    "micro_stop_burst": ("频繁短停", "Burst of micro-stops"),
    "speed_loss": ("速度损失", "Speed loss"),
    "quality_slide": ("质量下滑", "Quality slide"),
}
STATES: Final[dict[str, Pair]] = {
    "new": ("新发生，未恢复", "new, not over"),
    "ongoing": ("持续中", "ongoing"),
    "cleared": ("已恢复", "cleared"),
}
PRIORITIES: Final[dict[str, Pair]] = {
    "high": ("高", "High"),
    "medium": ("中", "Medium"),
    "low": ("低", "Low"),
}
HOW: Final[dict[str, Pair]] = {
    "level": ("水平偏离", "level"),
    "residual": ("与关联信号不符", "disagrees with its neighbours"),
    "jump": ("突变", "jump"),
    "noise": ("波动异常", "unusual noise"),
    "frozen": ("读数不变", "stands still"),
    "moved": ("原为常值", "was constant"),
    "shape": ("波形异常", "unusual course"),
    "together": ("整线同时突变", "jumped on the whole line"),
    "follows": ("由首要信号带动", "explained by the first signal"),
    "rate": ("与训练日相比", "against its training day"),
}
MEASURES: Final[dict[str, Pair]] = {
    "item_state": ("短停次数", "micro-stops"),
    "parts_total": ("节拍达成率（PRI × PQ / APT）", "pace (PRI x PQ / APT)"),
    "parts_bad": ("报废率", "scrap share"),
}
ACTIVITIES: Final[dict[str, Pair]] = {
    "producing": ("生产", "producing"),
    "stopped": ("停机", "stopped"),
    "setup": ("准备", "setup"),
    "maintenance": ("维护", "maintenance"),
    "idle": ("空闲/休息", "idle, break"),
    "unknown": ("数据缺失", "no data"),
}
REASONS: Final[dict[str, Pair]] = {
    "planned_maintenance": ("计划维护", "planned maintenance"),
    "not_planned": ("未排班", "shift not planned"),
    "break": ("计划休息", "planned break"),
    "missing_data": ("数据缺失", "data missing"),
}
PARTS: Final[dict[str, Pair]] = {
    "productive": ("有效", "productive"),
    "breakdown": ("故障停机", "breakdown"),
    "setup": ("换型调整", "setup"),
    "minor_stop": ("短停", "minor stops"),
    "speed": ("速度损失", "speed loss"),
    "start_up": ("启动损失", "start-up"),
    "defect": ("废品", "defects"),
    "waiting": ("等待", "waiting"),
    "unrated": ("未评定", "not rated"),
    "unknown": ("数据缺失", "no data"),
}
"""What planned busy time is divided into (`pipelines.losses.PARTS`)."""
CATEGORIES: Final[dict[str, Pair]] = {
    "planned": ("计划停机", "planned"),
    "setup": ("换型", "setup"),
    "breakdown": ("故障", "breakdown"),
    "minor_stop": ("短停", "minor stop"),
    "starved": ("待料", "starved"),
    "blocked": ("下游堵塞", "blocked"),
    "no_order": ("无订单", "no order"),
    "quality": ("质量", "quality"),
    "unplanned": ("原因未报", "no reason given"),
}
MACHINE: Final[Pair] = ("设备", "Machine")
SHIFT: Final[Pair] = ("班次", "Shift")
PRODUCT: Final[Pair] = ("产品", "Product")

PART_9: Final[dict[str, Pair]] = {
    "Active": ("激活", "Active"),
    "Inactive": ("已恢复", "Inactive"),
    "Unacknowledged": ("未确认", "Unacknowledged"),
    "Acknowledged": ("已确认", "Acknowledged"),
    "Unconfirmed": ("处置未确认", "Unconfirmed"),
    "Confirmed": ("处置已确认", "Confirmed"),
    "TimedShelved": ("定时搁置", "Shelved"),
    "OneShotShelved": ("单次搁置", "Shelved once"),
}
"""The state words of OPC UA Part 9 (`models.lifecycle`)."""
ACTIONS: Final[dict[str, Pair]] = {
    "acknowledge": ("确认", "acknowledged"),
    "confirm": ("处置确认", "confirmed"),
    "shelve": ("搁置", "shelved"),
    "unshelve": ("取消搁置", "unshelved"),
    "verdict": ("判定", "verdict"),
}
VERDICTS: Final[dict[str, Pair]] = {
    "true": ("确有异常", "real"),
    "handled": ("已处理", "handled"),
    "false": ("误报", "false alarm"),
    "duplicate": ("重复", "duplicate"),
}
DAY: Final[Pair] = ("当日", "Day")
PER_HOUR: Final = 6
"""Alarms in an hour that an engineer can answer in the long run (EEMUA 191)."""

NOTES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"limits are the level that held-out noise passes about once a machine-week,"
        r" extrapolated from (\S+) weeks of training rows",
        r"限值取噪声约每台设备每周越过一次的水平（未参与拟合的时段），由 \1 周训练数据外推",
    ),
    (
        r"(\d+) training rows are too few to promise one false alarm a machine-week:"
        r" expect about (\d+)",
        r"训练数据仅 \1 行，不足以保证每台设备每周一次误报：预计约 \2 次",
    ),
    (
        r"statuses, judged only by how long they stand: (.+)",
        r"状态量，只看其停留多久：\1",
    ),
    (
        r"followed slowly, they drift in training: (.+)",
        r"训练期间有漂移，基线缓慢跟随：\1",
    ),
    (
        r"held against the hour and the weekday: (.+)",
        r"与同一钟点、同一星期几相比：\1",
    ),
    (
        r"held against the shapes of their training windows: (.+)",
        r"与训练期间出现过的波形相比：\1",
    ),
    (
        r"constant in training, judged only when they move: (.+)",
        r"训练期间为常值，仅在变动时评判：\1",
    ),
    (
        r"only (\d+) training rows, (\d+) are needed: nothing is alarmed on",
        r"训练数据仅 \1 行，至少需 \2 行：不作信号报警",
    ),
    (
        r"not judged, too few known values in training"
        r" \((\d+) are needed, spread over the rows\): (.+)",
        r"训练期间有效值过少，不评判（须有 \1 个且分布各时段；括号内为实有个数）：\2",
    ),
    (
        r"learned from (\S+) h of (\S+): no day is collected whole yet",
        r"只学习了 \2 的 \1 小时：尚无完整采集日",
    ),
    (
        r"(.+): numbers beyond the year 2099 in seconds, taken as (\S+)",
        r"\1：按秒计超过 2099 年，按 \2 读取",
    ),
)
"""Notes of a model (`models.detector`, `models.training`) by their fixed parts, and the Chinese."""


def note(text: str) -> Pair:
    """A model's note in both languages; in English alone where no wording of it is known."""
    for pattern, chinese in NOTES:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return found.expand(chinese), text
    return text, text


def pair(table: dict[str, Pair], key: str | None) -> Pair:
    """The two wordings of a key; the key itself where it has none."""
    return table.get(key or "", (key or "—", key or "—"))
