"""Words for the engineer: what to check for a kind of signal, and why an event has its priority."""

import re
from typing import Final

WORDS: Final = {
    "vibration": ("vibration", "vibrations", "accel", "acceleration"),
    "temperature": ("temperature", "temp", "temps", "thermal"),
    "coolant": ("coolant", "cooling", "lubricant", "lubrication"),
    "pressure": ("pressure", "vacuum"),
    "voltage": ("voltage", "volt", "volts"),
    "current": ("current", "torque", "power", "load", "ampere", "amperes"),
    "flow": ("flow",),
    "speed": ("speed", "rpm", "feed", "infeed", "feedrate", "cycle"),
}
"""How a family of signals is told from a whole word of a sensor's name; the first match counts."""

UNITS: Final = {
    "vibration": ("mm_s", "mm/s"),
    "temperature": ("degc", "°c"),
    "pressure": ("bar", "pa", "kpa", "mpa"),
    "current": ("kw",),
    "flow": ("l_min", "l/min"),
    "speed": ("rpm",),
}
"""How it is told from the unit, which may end the name: a bar feeder has no pressure."""

CHECKS: Final = {
    "vibration": (
        "停机窗口内听诊并测振：轴承、联轴器对中、刀具或动平衡；与上次点检谱图比较。",
        "At the next stop, measure vibration at the bearing; check alignment, balance and tool.",
    ),
    "temperature": (
        "检查冷却、润滑与散热通道；用测温枪核对传感器读数。",
        "Check cooling, lubrication and air paths; verify the reading with a hand-held sensor.",
    ),
    "coolant": (
        "检查冷却液液位、泵、过滤器与管路堵塞。",
        "Check coolant level, pump, filter and blocked lines.",
    ),
    "pressure": (
        "检查气源/液压压力、泄漏、过滤器和减压阀设定。",
        "Check the air or hydraulic supply, leaks, filters and the regulator's setting.",
    ),
    "voltage": (
        "检查本机供电：接线端子、断路器与驱动电源；再看同回路的大负载与母线电压。",
        "Check the machine's supply: terminals, breaker, drive power; then its circuit's loads.",
    ),
    "current": (
        "检查刀具磨损、进给阻力与传动润滑；核对程序与物料批次。",
        "Check tool wear, feed resistance and drive lubrication; compare program and material lot.",
    ),
    "flow": (
        "检查泵、阀门开度、过滤器与流量计。",
        "Check pump, valve position, filter and the flow meter itself.",
    ),
    "speed": (
        "核对速度设定与倍率开关，检查驱动报警与负载。",
        "Compare the speed setpoint and override, and look for drive warnings and load.",
    ),
    "other": (
        "先核对传感器读数，再检查相关工艺参数。",
        "Verify the sensor first, then the process parameters that depend on it.",
    ),
    "frozen": (
        "读数卡死：检查传感器、接线与采集模块；修复前勿据此判断设备状态。",
        "The reading is frozen: check sensor, cable and input module; do not rely on it meanwhile.",
    ),
    "micro_stop_burst": (
        "查看停机原因代码与上下料、气源、光电开关；清理卡料点。",
        "Look at stop reasons, loading, compressed air and photo sensors; clear the jam point.",
    ),
    "speed_loss": (
        "核对速度倍率、程序节拍与来料；对照近一小时实际节拍与计划节拍。",
        "Compare override, program cycle and infeed; hold actual against planned cycle.",
    ),
    "quality_slide": (
        "复测首件与量具，检查刀具、模具与来料批次；必要时隔离本时段产品。",
        "Re-measure a first piece and the gauge; check tool, mould and lot; consider a hold.",
    ),
}
"""Suggested checks, Chinese and English: candidates, not diagnoses."""

SHARED: Final = {
    "vibration": (
        "查看这些设备共同的基础、附近施工或大型设备，以及同一批次的刀具或物料。",
        "Look at what shakes them all: foundation, works or heavy machines nearby, one lot of"
        " tools or material.",
    ),
    "temperature": (
        "检查共用的冷却水、空调与车间环境温度。",
        "Check the shared cooling water, the air conditioning and the hall's temperature.",
    ),
    "coolant": (
        "检查集中供液：液位、泵、过滤器和总管。",
        "Check the central coolant supply: level, pump, filter and main.",
    ),
    "pressure": (
        "检查共用气源或液压站：空压机、干燥机、总管泄漏和减压阀。",
        "Check the shared compressed air or hydraulics: compressor, dryer, leaks of the main,"
        " regulator.",
    ),
    "voltage": (
        "检查共用供电：变压器、母线电压、同回路的大负载。",
        "Check the shared power supply: transformer, bus voltage, heavy loads on the circuit.",
    ),
    "current": (
        "检查共用供电与来料：母线电压、同一批次物料或同一程序。",
        "Check what they share: bus voltage, one lot of material, one program.",
    ),
    "flow": (
        "检查共用管路：泵站、总阀、过滤器。",
        "Check the shared piping: pump station, main valve, filters.",
    ),
    "speed": (
        "检查产线主令速度、上下游与供电。",
        "Check the line's master speed, its neighbours upstream and downstream, and the power.",
    ),
    "other": (
        "先查这些设备共用的供应：压缩空气、电压、冷却液、环境与来料；再查采集模块。",
        "Check first what feeds them all: compressed air, voltage, coolant, ambient, material;"
        " then the input module.",
    ),
}
"""What to check that several machines share, by the family of the measure that is off."""

SURE: Final = 3.0
"""Times its limit from which a signal alone can be of high priority; see `priority`."""


def family(sensor: str, unit: str | None) -> str:
    """The family of a signal, from the words of its name, then its unit; else `other`."""
    name = sensor.lower()
    spoken = set(re.split(r"[^a-z0-9]+", name))
    by_word = (found for found, words in WORDS.items() if spoken.intersection(words))
    by_unit = (
        found
        for text in (name, (unit or "").lower())
        for found, units in UNITS.items()
        if text in units or text.endswith(tuple(f"_{u}" for u in units))
    )
    return next(by_word, None) or next(by_unit, "other")


def check(kind: str, contributors: list[dict[str, object]]) -> tuple[str, str]:
    """What to look at first, for the kind of event and its foremost signal."""
    if kind in CHECKS:
        return CHECKS[kind]
    if not contributors:
        return CHECKS["other"]
    first = contributors[0]
    if first["kind"] == "frozen":
        return CHECKS["frozen"]
    unit = None if first["unit"] is None else str(first["unit"])
    if first["kind"] == "together":
        return shared_check(str(first["sensor"]), unit)
    return CHECKS[family(str(first["sensor"]), unit)]


def shared_check(measure: str, unit: str | None) -> tuple[str, str]:
    """What to look at first where machines are off by one measure together."""
    return SHARED[family(measure, unit)]


def priority(
    kind: str, peak: float, lost_min: float | None, minutes: float, *, ongoing: bool
) -> tuple[str, str, str]:
    """Priority with its reason, zh and en: consequence (minutes lost) and urgency (score, lasting).

    A frozen sensor blinds but breaks nothing, and a signal less than `SURE` times over its limit
    may only have lain beside the loss: at most medium.
    """
    lost = lost_min or 0.0
    points = (lost >= 5) + (lost >= 15) + (peak >= 1.7) + (peak >= 3) + ongoing + (minutes >= 120)
    level = "high" if points >= 4 else "medium" if points >= 2 else "low"
    unsure = kind == "sensor_frozen" or (kind == "signal" and peak < SURE)
    if unsure and level == "high":
        level = "medium"
    known_zh = "损失未知（无计数）" if lost_min is None else f"已损失 OEE {lost:.0f} 分钟"
    known_en = "loss unknown (no counts)" if lost_min is None else f"{lost:.0f} OEE minutes lost"
    return (
        level,
        f"{known_zh}，峰值为限值的 {peak:.1f} 倍，持续 {minutes:.0f} 分钟，"
        f"{'未恢复' if ongoing else '已恢复'}",
        f"{known_en}, peak {peak:.1f} x limit, {minutes:.0f} min long, "
        f"{'not over' if ongoing else 'over'}",
    )
