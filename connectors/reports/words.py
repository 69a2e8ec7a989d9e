"""What the report says, Chinese and English."""

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


def pair(table: dict[str, Pair], key: str | None) -> Pair:
    """The two wordings of a key; the key itself where it has none."""
    return table.get(key or "", (key or "—", key or "—"))
