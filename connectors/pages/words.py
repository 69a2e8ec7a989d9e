"""The words of the park pages, Chinese and English."""

from typing import Final

from pipelines.indicators import MET, NOT_MET, TO_BE_VERIFIED

Pair = tuple[str, str]
"""One term: Chinese, English."""

DISTRICT: Final[Pair] = ("松江新城", "Songjiang New City")

VERDICT: Final[dict[str, Pair]] = {
    MET: ("达到", "Met"),
    NOT_MET: ("未达", "Not met"),
    TO_BE_VERIFIED: ("待核", "To be verified"),
}
TARGET: Final[dict[str, Pair]] = {
    "gt": ("超过", "more than"),
    "ge": ("不少于", "at least"),
    "le": ("不高于", "at most"),
    "eq": ("等于", "exactly"),
}
SEVERITY: Final[dict[str, Pair]] = {
    "high": ("高", "high"),
    "medium": ("中", "medium"),
    "low": ("低", "low"),
}
STATUS: Final[dict[str, Pair]] = {
    "connected": ("在联", "connected"),
    "intermittent": ("时断时续", "intermittent"),
    "stale": ("失联超过 7 天", "silent over 7 days"),
    "dark": ("失联超过 30 天", "silent over 30 days"),
    "never": ("从未上线", "never heard"),
    "unscheduled": ("停工，无从判断", "not scheduled"),
    "inactive": ("未激活或已注销", "inactive"),
}
"""Status of terminals, in the order of a bar."""
KIND: Final[dict[str, Pair]] = {
    "device": ("设备", "devices"),
    "sensor": ("传感器", "sensors"),
    "gateway": ("网关", "gateways"),
    "meter": ("仪表", "meters"),
    "camera": ("摄像机", "cameras"),
}
NETWORK: Final[dict[str, Pair]] = {
    "5g": ("5G", "5G"),
    "nb_iot": ("NB-IoT", "NB-IoT"),
    "lora": ("LoRa", "LoRa"),
    "wifi": ("Wi-Fi", "Wi-Fi"),
    "ethernet": ("以太网", "Ethernet"),
    "fieldbus": ("现场总线", "fieldbus"),
}
METRIC: Final[dict[str, Pair]] = {
    "CA-1": ("中小企业上云上平台", "SMEs on cloud or platform"),
    "CA-2": ("工业设备上云", "Industrial devices connected"),
    "CA-3": ("数字化生产设备联网", "Digital production devices networked"),
    "CA-3b": ("全部生产设备联网", "All production devices networked"),
    "CA-4": ("关键工序数控化", "Key operations under numerical control"),
    "CA-5": ("规上企业工业互联网平台应用", "Platform use, above designated size"),
    "CA-6": ("统一接口 L2 及以上", "Unified interface, L2 or above"),
    "CA-7": ("感知终端部署", "Sensing terminals deployed"),
}
BASIS: Final[dict[str, Pair]] = {
    "declared": ("申报", "declared"),
    "verified": ("核实", "verified"),
    "declared_or_verified": ("申报或核实", "declared or verified"),
    "measured": ("实测", "measured"),
    "pooled": ("合并计算", "pooled"),
    "mean_of_firms": ("各企业平均", "mean of firms"),
}
OF: Final[dict[str, Pair]] = {
    "enterprises": ("企业（家）", "Enterprises"),
    "terminals": ("终端（个）", "Terminals"),
}
STAGE: Final[dict[str, Pair]] = {
    "registered": ("登记", "Registered"),
    "activated": ("激活", "Activated"),
    "online": ("近期在线", "Online"),
    "in_use": ("实际使用", "In use"),
}
SIZE: Final[dict[str, Pair]] = {
    "micro": ("微型", "Micro"),
    "small": ("小型", "Small"),
    "medium": ("中型", "Medium"),
    "large": ("大型", "Large"),
    "unknown": ("规模不明", "Unknown size"),
}
LEVEL: Final[dict[str, Pair]] = {
    "C1": ("基础设施上云", "Infrastructure"),
    "C2": ("业务应用上云", "Business applications"),
    "C3": ("设备上云", "Devices"),
    "C4": ("平台应用", "Platform applications"),
}
CHAIN_STAGE: Final[dict[str, Pair]] = {
    "rnd": ("研发", "R&D"),
    "production": ("生产", "production"),
    "business": ("经营", "business"),
    "operation": ("运维", "operation"),
}
DECLARED: Final[dict[str, Pair]] = {
    "yes": ("申报已上云", "declared: yes"),
    "no": ("申报未上云", "declared: no"),
    "unknown": ("未申报", "not declared"),
    "expired": ("申报已过期", "declaration expired"),
}
DISCREPANCY: Final[dict[str, tuple[Pair, Pair]]] = {
    "claimed_not_seen": (
        ("申报而未见", "Claimed, not seen"),
        (
            "请企业补交近 90 日使用记录，或接通设备",
            "ask for records of use within 90 days, or connect a device",
        ),
    ),
    "seen_not_claimed": (
        ("已见而未申报", "Seen, not claimed"),
        ("请企业补报，以免漏计优惠", "ask for a declaration"),
    ),
    "seen_though_denied": (
        ("申报未上云而已见", "Seen though denied"),
        ("请企业更正申报", "ask for a corrected declaration"),
    ),
    "level_not_seen": (
        ("所报层级未见", "Level not seen"),
        ("核对所报层级的使用记录", "check the records of the declared level"),
    ),
}
ASPECT: Final[dict[str, Pair]] = {
    "missing": ("缺测点", "missing"),
    "unit": ("单位", "unit"),
    "timestamp": ("时间戳", "timestamp"),
    "status": ("状态码", "status"),
    "silence": ("静默", "silence"),
    "value": ("数值", "value"),
}
STATE: Final[dict[str, Pair]] = {
    "met": ("具备", "met"),
    "not_met": ("不具备", "not met"),
    "unknown": ("不明", "unknown"),
}
PHASE: Final[dict[str, Pair]] = {
    "admission": ("准入", "Admission"),
    "construction": ("建设", "Construction"),
    "operation": ("运营", "Operation"),
    "evaluation": ("评估", "Evaluation"),
}
PROJECT_STATE: Final[dict[str, Pair]] = {
    "not_begun": ("未启动", "not begun"),
    "running": ("进行中", "running"),
    "between": ("待进入下一阶段", "between phases"),
    "finished": ("已完成", "finished"),
}
QUARTER: Final[dict[str, Pair]] = {
    "first": ("最低四分之一", "lowest quarter"),
    "second": ("第二个四分之一，低于中位数", "second quarter, below the median"),
    "third": ("第三个四分之一，不低于中位数", "third quarter, not below the median"),
    "fourth": ("最高四分之一", "highest quarter"),
    "lower_half": ("低于中位数", "below the median"),
    "upper_half": ("不低于中位数", "not below the median"),
}
TREND_BASIS: Final[dict[str, Pair]] = {
    "year_by_weekday": (
        "与 364 天前的同样多个开工日相比",
        "against as many scheduled days 364 days before",
    ),
    "year_by_festival": (
        "与上年距春节同样远的同样多个开工日相比",
        "against as many scheduled days of the year before, as far from the Spring Festival",
    ),
    "days_84": ("上年无数，与 84 天前相比", "against 84 days before: the year before is not known"),
}
LINK_STATE: Final[dict[str, Pair]] = {
    "present": ("园内已有", "in the park"),
    "elsewhere": ("仅新城其他地方有", "elsewhere in the New City"),
    "missing": ("新城缺失", "missing"),
}
DIMENSION: Final[dict[str, Pair]] = {
    "digital_basis": ("数字化基础", "Basis"),
    "digital_operation": ("数字化经营", "Operation"),
    "digital_management": ("数字化管理", "Management"),
    "digital_effect": ("数字化成效", "Effect"),
}
TIER: Final[dict[str, Pair]] = {
    "park": ("仅园区管理者内部使用，不得外传", "For the park manager only; not to be passed on"),
    "public": (
        "公开版：不含单个企业，可推知一两家企业的数隐去",
        "Public edition: no single enterprise, and no count that would tell of one or two",
    ),
    "enterprise": (
        "仅本企业与授权人员可见",
        "For this enterprise and those it authorises only",
    ),
}
GROUP: Final[dict[str, Pair]] = {
    "biopharma": ("生物医药", "Biopharma"),
    "ev": ("汽车（含新能源）", "Vehicles"),
    "materials": ("新材料", "Materials"),
    "equipment": ("装备制造", "Equipment"),
    "ic": ("电子与集成电路", "Electronics, IC"),
    "other": ("其他", "Other"),
}
"""Sectors of the plan, by which the map is coloured."""
GROUP_OF: Final[dict[str, str]] = {
    "C27": "biopharma",
    "C36": "ev",
    **dict.fromkeys(("C26", "C28", "C29", "C30", "C31", "C32"), "materials"),
    **dict.fromkeys(("C33", "C34", "C35", "C37", "C38"), "equipment"),
    "C39": "ic",
}
"""Our own reading of the plan's sectors in divisions of GB/T 4754, for colours only."""


IMPORT: Final = "parkpulse register import FILE"
MATERIALIZE: Final = "parkpulse materialize"
NO_DATA: Final[dict[str, tuple[Pair, str]]] = {
    "parks": (("园区名单", "the list of parks"), IMPORT),
    "factories": (("工厂名单", "the list of factories"), IMPORT),
    "enterprises": (("企业登记", "the register of enterprises"), IMPORT),
    "sites": (("企业场所与坐标", "sites and their coordinates"), IMPORT),
    "enterprise_days": (("企业逐日运行数据", "days of enterprises"), IMPORT),
    "projects": (("项目登记", "the register of projects"), IMPORT),
    "service_use": (("云服务目录与使用记录", "cloud services and their use"), IMPORT),
    "missing_links": (("产业链环节", "the links of industrial chains"), IMPORT),
    "pue": (("数据中心用能", "the energy of data centres"), IMPORT),
    "adoption": (("上云上平台指标", "cloud adoption"), MATERIALIZE),
    "funnel": (("转化漏斗", "the funnel"), MATERIALIZE),
    "liveness": (("终端状态", "the status of terminals"), MATERIALIZE),
    "changes": (("变动分解", "changes and what made them"), MATERIALIZE),
    "discrepancies": (("申报与核实比对", "declared beside verified"), MATERIALIZE),
    "oee_days": (("设备综合效率", "OEE"), MATERIALIZE),
    "warnings": (("风险预警", "early warnings"), MATERIALIZE),
    "portraits": (("企业画像", "portraits of enterprises"), MATERIALIZE),
    "self_views": (("同行比较", "what peers are like"), MATERIALIZE),
    "project_states": (("项目状态", "where projects stand"), MATERIALIZE),
    "project_findings": (("项目日期检查", "checks of projects"), MATERIALIZE),
    "conformance": (("统一接口待办", "the unified interface"), MATERIALIZE),
    "cards": (("证据卡", "evidence cards"), MATERIALIZE),
    "kpi": (("规划指标", "indicators of the plan"), MATERIALIZE),
    "forecasts": (("指标预测", "forecasts"), MATERIALIZE),
    "arrivals": (("达标日期", "dates of arrival"), MATERIALIZE),
}
"""What a frame is called where there is none, and the command that brings it."""
