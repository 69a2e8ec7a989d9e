"""Words by which factories name their variables, Chinese and English, as data."""

import re
from dataclasses import dataclass
from typing import Final

WHOLE: Final = frozenset(
    {
        "SByte",
        "Byte",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Integer",
        "UInteger",
    }
)
REAL: Final = frozenset({"Float", "Double", "Number"})
NUMBERS: Final = WHOLE | REAL
CODES: Final = WHOLE | {"Boolean", "String", "Enumeration"}


@dataclass(frozen=True, slots=True)
class Word:
    """A measure, the types and behaviours that suit it, and the words that name it."""

    measure: str
    kind: str
    types: frozenset[str]
    suits: frozenset[str]
    chinese: tuple[str, ...]
    english: re.Pattern[str]


def _word(measure: str, kind: str, types: frozenset[str], suits: str, zh: str, en: str) -> Word:
    pattern = re.compile(rf"(?:^|_)(?:{en})(?:_?[0-9]+)?(?:_|$)")
    return Word(measure, kind, types, frozenset(suits.split()), tuple(zh.split()), pattern)


TEXTS: Final = WHOLE | {"String", "LocalizedText"}
_COUNTS = "counts"
_MOVES = "signal grows counts codes"
WORDS: Final = (
    _word("parts_rework", "counter", NUMBERS, _COUNTS, "返工 返修", "rework(?:ed)?(?:_count)?"),
    _word(
        "parts_bad", "counter", NUMBERS, _COUNTS,
        "不良 次品 废品 不合格 报废 NG数 NG计数",
        "ng|bad|scrap|rejects?|rejected|defects?|defective|nok|waste",
    ),
    _word(
        "parts_good", "counter", NUMBERS, _COUNTS, "良品 合格 OK数 OK计数 正品",
        "good|ok|ok_count|passed|yield_count",
    ),
    _word(
        "stop_reason_code", "context", TEXTS, "codes steady text counts",
        "停机原因 停机代码 故障代码 报警代码 故障码 报警码",
        "(?:stop|down|fault|alarm|error|reason)_?(?:reason|code|no|id)(?:_code)?",
    ),
    _word("order_id", "context", TEXTS, "text steady codes", "工单 订单 任务单 制令",
          "(?:work|job|prod(?:uction)?)?_?order(?:_?(?:id|no|nr|number))?|wo|job_?(?:id|no)"),
    _word("product_id", "context", TEXTS, "text steady codes", "产品 品号 料号 物料 型号 品名 配方",
          "product(?:_?(?:id|no|code|name))?|part_?(?:no|number|id)|sku|article|recipe(?:_?\\w+)?"),
    _word("energy_kwh", "energy", NUMBERS, "grows counts steady", "电能 电量 能耗 用电",
          "energy|kwh|mwh|wh|energy_?\\w*|ep"),
    _word("power_kw", "energy", NUMBERS, _MOVES, "功率", "(?:active_?)?power(?:_?k?w)?|kw"),
    _word(
        "parts_total", "counter", NUMBERS, _COUNTS, "产量 总数 产出 计数 件数 冲次 模次 生产数量",
        "(?:parts?|pieces?|pcs|product|production|prod|total|good|shot|cycle|stroke|out|unit)s?_?"
        "(?:count|counter|cnt|total|qty|quantity|number)|count|counter|cnt|output|pieces|parts"
        "|total|qty|quantity|produced|total_(?:parts|pieces|count|output|qty)",
    ),
    _word("operation_mode", "state", CODES, "codes steady flag text", "模式",
          "(?:op(?:eration)?|unit|work)?_?mode"),
    _word(
        "item_state", "state", CODES, "codes steady flag text",
        "运行状态 设备状态 机器状态 工作状态 状态 运行中 运行 自动运行 开机",
        "(?:machine|run(?:ning)?|item|dev(?:ice)?|eq(?:uipment)?|work|unit)?_?(?:state|status|sts)"
        "(?:_?word|_?code)?|run|running|is_running|in_cycle|executing|producing|auto_run",
    ),
)  # fmt: skip
"""Most particular first: `良品产量` is good pieces before it is pieces."""

PROCESS: Final = (
    ("temperature", "温度", "temp(?:erature)?", "°C"),
    ("pressure", "压力 气压 油压", "press(?:ure)?", None),
    ("speed", "转速 速度 线速", "speed|rpm|velocity|spindle_?speed", None),
    ("current", "电流", "current|amps?", "A"),
    ("voltage", "电压", "volt(?:age|s)?", "V"),
    ("vibration", "振动 震动", "vib(?:ration)?", None),
    ("torque", "扭矩 力矩", "torque", None),
    ("flow", "流量", "flow", None),
    ("level", "液位 料位", "level", None),
    ("humidity", "湿度", "hum(?:idity)?|rh", "%"),
    ("load", "负载 负荷", "load", "%"),
    ("position", "位置 位移", "pos(?:ition)?", None),
    ("force", "压紧力 锁模力 推力", "force", None),
    ("cycle_time", "节拍 周期", "cycle_?time|takt", "s"),
)
"""Process values: measure, words, the unit they nearly always have."""
ALARM: Final = re.compile(
    r"报警|故障|告警|急停|(?:^|_)(?:alarm|fault|error|warning|e_?stop)(?:_|$|[0-9])"
)

UNITS: Final = (
    (re.compile(r"kwh|千瓦时|度\)"), "kWh", None),
    (re.compile(r"mwh"), "kWh", 1000.0),
    (re.compile(r"(?:^|[_(（])wh(?:$|[_)）])"), "kWh", 0.001),
    (re.compile(r"(?:^|[_(（])kw(?:$|[_)）])|千瓦"), "kW", None),
    (re.compile(r"(?:^|[_(（])w(?:$|[_)）])"), "kW", 0.001),
    (re.compile(r"℃|°c|(?:^|[_(（])(?:deg_?c|c)(?:$|[_)）])"), "°C", None),
    (re.compile(r"(?:^|[_(（])bar(?:$|[_)）])"), "bar", None),
    (re.compile(r"(?:^|[_(（])mpa(?:$|[_)）])"), "MPa", None),
    (re.compile(r"(?:^|[_(（])rpm(?:$|[_)）])|r/min"), "r/min", None),
    (re.compile(r"mm/s"), "mm/s", None),
)
"""Units written into a name, and the factor to the unit that figures are in."""

STATE_WORDS: Final = (
    ("OutOfService", re.compile(r"故障|报警|急停|维修|fault|error|alarm|fail|down|abort|e-?stop")),
    ("NotAvailable", re.compile(r"离线|关机|断电|offline|off\b|power.?off|disconnect|unavail")),
    ("NotExecuting", re.compile(
        r"待机|停止|停机|空闲|暂停|等待|未运行|idle|stop|wait|stand|ready|pause|hold|not.?run|suspend"
    )),
    ("Executing", re.compile(r"运行|生产|加工|执行|自动|run|execut|produc|auto|work|cycle|active")),
)  # fmt: skip
"""Names of states, as enumerations spell them, by what they mean; most particular first."""

FOLDERS: Final = re.compile(
    r"^(?:counters?|status|states?|data|tags?|process|variables?|values?|signals?|io|inputs?|outputs?"
    r"|parameters?|statistics|production|energy|db[0-9]*|globals?|gvl.*|datablocks?\w*|计数.*|状态.*"
    r"|数据.*|变量.*|工艺.*|能耗.*|产量.*)$",
    re.IGNORECASE,
)
"""Folders that sort the variables of a machine and are no machines themselves."""
