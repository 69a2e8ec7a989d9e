"""What the columns of the register's files are called, and what may stand in them, as data.

A field has one of the kinds of `register_cells.READERS`. Its names are the heads that a file may
give it: ours, the one of our templates, and those that offices and platforms are known to use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Words: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, its kind, its Chinese head and other heads."""

    name: str
    kind: str
    zh: str
    aliases: tuple[str, ...] = ()
    is_required: bool = False
    words: Words = field(default_factory=dict)


def must(one: Field) -> Field:
    """The same field, and it may not be blank."""
    return Field(one.name, one.kind, one.zh, one.aliases, is_required=True, words=one.words)


STATUS: Final[Words] = {
    "在营": ("存续", "在业", "开业", "正常", "在册", "营业", "存续(在营、开业、在册)", "active"),
    "个体工商户": ("个体户", "个体", "household"),
    "注销": ("已注销", "deregistered"),
    "吊销": ("已吊销", "吊销未注销", "吊销,未注销", "revoked"),
    "迁出": ("已迁出", "moved out"),
    "合并": ("被合并", "吸收合并", "已合并", "merged"),
}
CLOUD: Final[Words] = {
    "yes": ("是", "已上云", "上云", "有", "true", "1", "y", "√"),
    "no": ("否", "未上云", "无", "没有", "false", "0", "n", "×"),
    "unknown": ("不详", "未知", "不清楚", "待核", "待核实"),
}
LEVEL: Final[Words] = {
    "C1": ("1", "基础设施", "基础设施上云", "infrastructure"),
    "C2": ("2", "业务应用", "业务应用上云", "业务上云", "business application"),
    "C3": ("3", "设备", "设备上云", "device"),
    "C4": ("4", "平台应用", "平台应用上云", "platform application"),
}
STAGE: Final[Words] = {
    "rnd": ("研发", "研发设计", "设计", "r&d"),
    "production": ("生产", "生产制造", "制造"),
    "business": ("经营", "经营管理", "管理"),
    "operation": ("运维", "运行维护", "运营维护", "服务"),
}
PHASE: Final[Words] = {
    "admission": ("准入", "准入阶段", "入园"),
    "construction": ("建设", "在建", "建设阶段", "施工"),
    "operation": ("运营", "投产", "运营阶段"),
    "evaluation": ("评估", "评价", "评估阶段", "后评估"),
}
DOCUMENT: Final[Words] = {
    "contract": ("合同", "服务合同"),
    "voucher": ("凭证", "付款凭证", "云服务券", "上云券"),
    "invoice": ("发票",),
    "self_report": ("自报", "自行申报", "填报", "承诺书"),
}
TERMINAL: Final[Words] = {
    "device": ("设备", "机器", "机床"),
    "sensor": ("传感器", "感知终端", "仪表"),
    "gateway": ("网关", "采集网关", "边缘网关"),
    "meter": ("计量表", "电表", "水表", "气表", "智能电表"),
    "camera": ("摄像头", "摄像机", "相机"),
}
NETWORK: Final[Words] = {
    "5g": ("5g专网",),
    "nb_iot": ("nb-iot", "nbiot", "窄带物联网"),
    "lora": ("lorawan",),
    "wifi": ("wi-fi", "wlan", "无线局域网", "无线"),
    "ethernet": ("以太网", "有线", "网线"),
    "fieldbus": ("现场总线", "总线", "profinet", "profibus", "modbus"),
}
MACHINE: Final[Words] = {
    "machine": ("设备", "机器", "机床", "单机"),
    "control_loop": ("控制回路", "回路", "control loop"),
}

USCC: Final = Field(
    "uscc", "uscc", "统一社会信用代码",
    ("信用代码", "社会信用代码", "统一信用代码", "企业统一社会信用代码", "统一代码"),
)  # fmt: skip
PARK: Final = Field("park_id", "code", "园区编号", ("园区", "园区代码", "所在园区", "所属园区"))
PLATFORM: Final = Field("platform", "text", "平台", ("平台名称", "云平台", "服务商", "云服务商"))
DAY: Final = Field("day", "day", "日期", ("时间", "date", "统计日期", "数据日期"), is_required=True)
LEVEL_FIELD: Final = Field(
    "level", "word", "上云层级", ("层级", "上云类型", "上云级别"), words=LEVEL
)
STAGE_FIELD: Final = Field("chain_stage", "word", "环节", ("业务环节", "全流程环节"), words=STAGE)
NAME: Final = Field("name_zh", "text", "名称", ("中文名称",))
NAME_EN: Final = Field("name_en", "text", "英文名称", ("英文名",))
VALID: Final = (
    Field("valid_from", "day", "开始日期", ("生效日期", "起始日期", "有效期自", "起始时间")),
    Field("valid_to", "end_day", "结束日期", ("失效日期", "终止日期", "有效期至", "截止日期")),
)
