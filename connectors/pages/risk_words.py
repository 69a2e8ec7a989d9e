"""The words of early warnings: rules, figures, and what stands in their evidence."""

from typing import Final

from connectors.pages.words import Pair

RULE: Final[dict[str, Pair]] = {
    "output_drop": ("产量下降", "Output drop"),
    "running_drop": ("运行时间下降", "Running time drop"),
    "energy_decoupling": ("能耗与产量背离", "Energy apart from output"),
    "connectivity_loss": ("终端失联", "Connectivity loss"),
    "alarm_surge": ("报警激增", "Alarm surge"),
    "concentration": ("平台过于集中", "One platform only"),
    "stale_declaration": ("申报久未确认", "Declaration out of date"),
    "distress": ("多项迹象并发（模型）", "Several signs at once (model)"),
}
FIGURE: Final[dict[str, Pair]] = {
    "output": ("日产量", "output a day"),
    "running_s": ("日运行时间", "running time a day"),
    "running_h": ("日运行时间", "running time a day"),
    "running_h_per_day": ("日运行时间", "running time a day"),
    "energy_wh": ("日用电量", "energy a day"),
    "energy_per_output": ("单位产量能耗", "energy per output"),
    "alarms": ("日报警数", "alarms a day"),
    "terminals_online": ("在线终端", "terminals online"),
    "online_share": ("终端在线率", "share of terminals online"),
    "platform_share": ("最大平台占比", "share of the largest platform"),
    "declaration_age_days": ("距上次确认", "since last confirmed"),
    "distress": ("风险概率", "probability"),
    "oee": ("设备综合效率", "OEE"),
    "level_of_usual": ("产量与运行为平常的", "output and running of usual"),
    "output_of_usual": ("产量与平常之比", "output over usual"),
    "running_of_usual": ("运行时间与平常之比", "running time over usual"),
    "energy_over_explained": ("用电与运行应有之比", "energy over what running explains"),
    "terminals_silent_more": ("比平常多失联的终端", "terminals silent beyond usual"),
    "terminals_on_one_platform": ("最大平台的终端占比", "terminals on the largest platform"),
    "alarms_per_6_days": ("六天报警数", "alarms of 6 days"),
    "declaration_age": ("距上次确认", "since last confirmed"),
    "cloud_level": ("上云层级", "cloud levels"),
    "terminals": ("部署终端", "terminals deployed"),
    "running_trend": ("运行时间变化", "change of running time"),
    "output_trend": ("产量变化", "change of output"),
    "energy_trend": ("用电量变化", "change of energy"),
    "energy_per_output_trend": ("单位产量能耗变化", "change of energy per output"),
    "digital_basis": ("数字化基础", "digital basis"),
    "digital_operation": ("数字化经营", "digital operation"),
    "digital_management": ("数字化管理", "digital management"),
    "digital_effect": ("数字化成效", "digital effect"),
}
EVIDENCE: Final[dict[str, Pair]] = {
    "days": ("判断天数", "days looked at"),
    "scheduled_days": ("开工天数", "scheduled days"),
    "drop": ("下降", "drop"),
    "change": ("变化", "change"),
    "baseline": ("自身基准", "own baseline"),
    "limit": ("限值", "limit"),
    "online": ("在线", "online"),
    "expected": ("应有", "expected"),
    "platform": ("平台", "platform"),
    "share": ("占比", "share"),
    "age_days": ("天数", "days"),
    "probability": ("概率", "probability"),
    "terminals": ("终端", "terminals"),
    "most": ("其中最大平台", "of the largest platform"),
    "declared_on": ("上次确认", "last confirmed"),
    "last_seen_on": ("最近见到使用", "last seen in use"),
    "output": ("产量偏离（对数）", "output, log deviation"),
    "running": ("运行偏离（对数）", "running, log deviation"),
    "energy": ("用电偏离（对数）", "energy, log deviation"),
    "noise": ("自身波动", "own noise"),
    "decoupled": ("用电多于运行所需（对数）", "energy beyond running, log"),
    "offline": ("失联多于平常", "silent beyond usual"),
    "alarms": ("报警", "alarms"),
    "alarms_usual": ("平常报警", "usual alarms"),
    "contributions": ("主要依据", "spoken for by"),
    "output_of_usual": ("产量为平常的", "output of usual"),
    "running_of_usual": ("运行为平常的", "running of usual"),
    "energy_over_explained": ("用电为运行应有的", "energy of what running explains"),
    "terminals_silent_more": ("比平常多失联的终端", "terminals silent beyond usual"),
    "alarms_times": ("报警为平常的倍数", "alarms, times usual"),
}
FAMILY: Final[dict[str, Pair]] = {
    "level": ("整体水平", "level"),
    "running": ("运行时间", "running time"),
    "output": ("产量", "output"),
    "energy": ("能耗", "energy"),
    "connectivity": ("联网", "connectivity"),
    "alarms": ("报警", "alarms"),
}
"""What the distress model weighs; its evidence names those that spoke for distress."""
UNTOLD: Final = frozenset({"log_odds", "noise"})
"""What only whoever tunes a model reads."""
EVIDENCE_SHARES: Final = frozenset(
    {
        "drop", "change", "share", "probability", "output_of_usual", "running_of_usual",
        "energy_over_explained", "terminals_silent_more",
    }
)  # fmt: skip
FIGURE_SHARES: Final = frozenset(
    {
        "platform_share", "online_share", "distress", "level_of_usual", "output_of_usual",
        "running_of_usual", "energy_over_explained", "terminals_silent_more",
        "terminals_on_one_platform",
    }
)  # fmt: skip
"""What evidence and figures say as a share of 1."""
UNIT: Final[dict[str, Pair]] = {
    "h": ("小时", "h"),
    "days": ("天", "days"),
    "day": ("天", "days"),
    "d": ("天", "days"),
    "pieces": ("件", "pieces"),
    "1": ("", ""),
    "": ("", ""),
}
