"""Invented names and numbers: no real enterprise, device or account is meant by any of them."""

import random
from typing import Final

from connectors.simulator.fleet import SONGJIANG, organisation_code, uscc

PARKS: Final = {"P01": (121.238, 31.046), "P02": (121.279, 31.068), "P03": (121.196, 31.021)}
"""Parks and the middle of each on the schematic map (longitude, latitude), all invented."""
ELSEWHERE: Final = (121.22, 31.03)
PLATFORMS: Final = ("云间", "海纳", "联犀", "G60链")
GROUPS: Final = (
    "华泾控股集团", "云间实业集团", "浦泖装备集团", "九峰新材集团", "谷水电子集团", "茸城投资集团",
)  # fmt: skip
MAKERS: Final = ("泖澜自控", "茸创传感", "佘岭仪表", "Vanta Controls", "Norrby Sensing")

_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_GIVEN: Final = "泖茸佘泗辰浦谷阳泾峰澜砺钧晟弘睿拓瀚铭锐"
TRADES: Final = (
    ("精密机械", "Precision Machinery"), ("电子科技", "Electronics"), ("新材料", "Materials"),
    ("自动化设备", "Automation"), ("生物技术", "Biotech"), ("汽车零部件", "Auto Parts"),
    ("半导体", "Semiconductor"), ("环保设备", "Environmental Equipment"),
)  # fmt: skip
INDUSTRIES: Final = (
    "C2710", "C3612", "C3562", "C3973", "C3979", "C2651", "C3091", "C3429", "B1019", "D4415",
)  # fmt: skip
OTHER_TRADES: Final = ("F5171", "G5990", "I6513", "L7212", "M7320", "A0514")


def code(seed: int, number: int) -> str:
    """The unified social credit code of enterprise `number`: check characters right, all unlike.

    Multiplying by a number prime to 31 scatters, and gives every number a code of its own.
    """
    rest = (number * 48_271_003 + seed * 7_919) % 31**6
    body = ""
    for _ in range(6):
        rest, place = divmod(rest, 31)
        body += _ALPHABET[place]
    return uscc("91" + SONGJIANG + organisation_code("MA" + body))


def names(rng: random.Random, number: int) -> tuple[str, str]:
    """A Chinese and an English name."""
    zh, en = rng.choice(TRADES)
    given = "".join(rng.sample(_GIVEN, 3))
    return f"上海{given}{zh}有限公司", f"Shanghai No. {number:04} {en} Co., Ltd."


def place(rng: random.Random, park_id: str | None) -> tuple[float, float]:
    """A schematic position near a park's middle, or anywhere in the New City."""
    (longitude, latitude), width = (ELSEWHERE, 0.05) if park_id is None else (PARKS[park_id], 0.009)
    return (
        round(longitude + rng.uniform(-width, width), 5),
        round(latitude + rng.uniform(-width, width), 5),
    )


def mac(number: int) -> str:
    """A locally administered address of its own for every number."""
    text = f"02{number:010X}"
    return ":".join(text[at : at + 2] for at in range(0, 12, 2))
