"""The tables of the park register and of what is made of it, as data (docs/decisions/0034).

Days are local dates (Asia/Shanghai). `valid_from` is the first day on which a row holds, `valid_to`
the first on which it no longer does (null: it still does). Quantities are whole numbers, so that
sums are the same to the bit on every engine. `source` names the file or gateway that said a row.
"""

from typing import Final

import polars as pl

VALIDITY: Final = {
    "valid_from": pl.Date(),
    "valid_to": pl.Date(),
    "source": pl.String(),
}

ENTERPRISES: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "staff": pl.Int64(),
        "revenue_wan": pl.Float64(),
        "industry_code": pl.String(),
        "register_status": pl.String(),
        "legal_group": pl.String(),
        "in_new_city": pl.Boolean(),
        "successor_uscc": pl.String(),
        "self_score": pl.Float64(),
        **VALIDITY,
    }
)
"""Legal units, one row per version. `register_status`: 在营, 个体工商户, 注销, 吊销, 迁出, 合并.
`successor_uscc` is whom a merged unit went into. `self_score` (0 to 100) is the enterprise's own
answer to the SME digital level scheme of 2024. `legal_group` null: the enterprise itself."""

SITES: Final = pl.Schema(
    {
        "site_id": pl.String(),
        "uscc": pl.String(),
        "park_id": pl.String(),
        "name_zh": pl.String(),
        "longitude": pl.Float64(),
        "latitude": pl.Float64(),
        **VALIDITY,
    }
)
"""Where an enterprise is; `park_id` null is outside every park. An enterprise that moves ends one
row and begins another; one with sites in two parks counts once in each and once in the district."""

MACHINES: Final = pl.Schema(
    {
        "machine_id": pl.String(),
        "uscc": pl.String(),
        "site_id": pl.String(),
        "kind": pl.String(),
        "is_digital": pl.Boolean(),
        "is_networked": pl.Boolean(),
        "is_key_operation": pl.Boolean(),
        "is_controlled": pl.Boolean(),
        "interface_level": pl.Int8(),
        **VALIDITY,
    }
)
"""Production devices. `kind`: machine, or control_loop of a process plant. `is_networked` is what
the enterprise declares; `is_controlled` by NC, PLC or DCS. `interface_level` L0 to L3, null where
nobody looked. `valid_to` is the day on which a machine is retired."""

TERMINALS: Final = pl.Schema(
    {
        "terminal_id": pl.String(),
        "platform": pl.String(),
        "product_instance_uri": pl.String(),
        "manufacturer": pl.String(),
        "serial_number": pl.String(),
        "mac": pl.String(),
        "asset_id": pl.String(),
        "kind": pl.String(),
        "network": pl.String(),
        "chain_stage": pl.String(),
        "uscc": pl.String(),
        "park_id": pl.String(),
        "machine_id": pl.String(),
        "points": pl.Int64(),
        "registered_on": pl.Date(),
        "activated_on": pl.Date(),
        "retired_on": pl.Date(),
        **VALIDITY,
    }
)
"""Listings of terminals, one row per version: a device that two platforms list has two. `kind`:
device, sensor, gateway, meter, camera. `network`: 5g, nb_iot, lora, wifi, ethernet, fieldbus.
`chain_stage`: rnd, production, business, operation (研发/生产/经营/运维). `points`: channels of a
gateway, no terminals themselves. From `retired_on` on it counts nowhere."""

TENANTS: Final = pl.Schema(
    {
        "tenant_id": pl.String(),
        "platform": pl.String(),
        "uscc": pl.String(),
        "legal_group": pl.String(),
        **VALIDITY,
    }
)
"""Accounts on a platform; `uscc` null is a group's account, whose use is nobody's in particular."""

DECLARATIONS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "level": pl.String(),
        "declared_cloud": pl.String(),
        "declared_from": pl.Date(),
        "declared_to": pl.Date(),
        "declared_on": pl.Date(),
        "document": pl.String(),
        **VALIDITY,
    }
)
"""E1, what an enterprise says. `declared_cloud`: yes, no, unknown. `level`: C1 infrastructure, C2
business application, C3 device, C4 platform application; null where it does not say. `document`:
contract, voucher, invoice, self_report. `declared_on` is when it was last confirmed."""

PROVIDER_USE: Final = pl.Schema(
    {
        "platform": pl.String(),
        "tenant_id": pl.String(),
        "uscc": pl.String(),
        "level": pl.String(),
        "service": pl.String(),
        "day": pl.Date(),
        "source": pl.String(),
    }
)
"""E2, a provider's record of use on a day. `uscc` null where a group's account was used and nobody
knows by whom. `service` machine_hours is no device (at most C2)."""

TERMINAL_DAYS: Final = pl.Schema(
    {"terminal_id": pl.String(), "day": pl.Date(), "good_values": pl.Int64()}
)
"""E3, accepted values (Good, with a source time of that day; no heartbeats) of a listing a day."""

OPERATING_DAYS: Final = pl.Schema(
    {"uscc": pl.String(), "day": pl.Date(), "is_operating": pl.Boolean()}
)
"""Days on which an enterprise was scheduled to work; a day without a row is not scheduled."""

COLLECTOR_DOWN: Final = pl.Schema({"park_id": pl.String(), "day": pl.Date()})
"""Days on which our own collection of a park (null: of the district) failed: no device-day of
theirs is owed, and nobody grows stale by them."""

ENTERPRISE_DAYS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "day": pl.Date(),
        "is_operating": pl.Boolean(),
        "is_collected": pl.Boolean(),
        "running_s": pl.Int64(),
        "output": pl.Int64(),
        "energy_wh": pl.Int64(),
        "alarms": pl.Int64(),
        "terminals_expected": pl.Int64(),
        "terminals_online": pl.Int64(),
    }
)
"""How an enterprise ran, a row per local day. `output` is in the enterprise's own smallest unit: it
compares with itself only. Null is not known; not `is_collected` says that it was our fault.
`is_operating` is the calendar's word (holidays are false), null where there is no calendar."""

PLATFORM_USE_SHARES: Final = pl.Schema(
    {"uscc": pl.String(), "platform": pl.String(), "terminals": pl.Int64()}
)
"""Deployed terminals of an enterprise by platform: what concentration is judged by."""

PROJECTS: Final = pl.Schema(
    {
        "project_id": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "uscc": pl.String(),
        "park_id": pl.String(),
        "phase": pl.String(),
        "planned_from": pl.Date(),
        "planned_to": pl.Date(),
        "entered_on": pl.Date(),
        "left_on": pl.Date(),
        "invested_wan": pl.Float64(),
        "document": pl.String(),
        "source": pl.String(),
    }
)
"""项目全周期: one row per project and phase. `phase`: admission, construction, operation,
evaluation (准入/建设/运营/评估). `entered_on` null: not begun; `left_on` null: not ended."""

SERVICES: Final = pl.Schema(
    {
        "service_id": pl.String(),
        "platform": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "level": pl.String(),
        "chain_stage": pl.String(),
        **VALIDITY,
    }
)
"""云服务中心: what a park offers; its use stands in PROVIDER_USE, `service` naming it."""

SUPPLY_LINKS: Final = pl.Schema(
    {
        "chain": pl.String(),
        "link": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "industry_code": pl.String(),
        "place": pl.Int64(),
    }
)
"""The links of an industrial chain by the sector codes (GB/T 4754 prefixes) that make them."""

ENERGY_DAYS: Final = pl.Schema(
    {
        "data_centre_id": pl.String(),
        "uscc": pl.String(),
        "park_id": pl.String(),
        "is_edge": pl.Boolean(),
        "built_on": pl.Date(),
        "day": pl.Date(),
        "facility_wh": pl.Int64(),
        "it_wh": pl.Int64(),
    }
)
"""Energy of data centres by day: PUE is the sum of `facility_wh` over that of `it_wh`."""

CLAIMS: Final = pl.Schema(
    {
        "platform": pl.String(),
        "day": pl.Date(),
        "claimed_users": pl.Int64(),
        "source": pl.String(),
    }
)
"""What a platform says of itself (带动数): shown beside, read by no figure."""

WARNINGS: Final = pl.Schema(
    {
        "warning_id": pl.String(),
        "uscc": pl.String(),
        "rule": pl.String(),
        "severity": pl.String(),
        "confidence": pl.Float64(),
        "begun_on": pl.Date(),
        "raised_on": pl.Date(),
        "seen_on": pl.Date(),
        "cleared_on": pl.Date(),
        "figure": pl.String(),
        "value": pl.Float64(),
        "expected": pl.Float64(),
        "unit": pl.String(),
        "evidence": pl.String(),
    }
)
"""潜在风险预警: one row per warning. `rule`: output_drop, running_drop, energy_decoupling,
connectivity_loss, alarm_surge, concentration, stale_declaration, distress (the model's).
`severity`: low, medium, high. `begun_on` is when the deviation seems to have begun, `raised_on`
when it could first be told, `seen_on` the last day it held, `cleared_on` when it had ended.
`evidence` is JSON: what was seen, in numbers."""

REGISTER: Final = {
    "enterprises": ENTERPRISES,
    "sites": SITES,
    "machines": MACHINES,
    "terminals": TERMINALS,
    "tenants": TENANTS,
    "declarations": DECLARATIONS,
    "provider_use": PROVIDER_USE,
    "terminal_days": TERMINAL_DAYS,
    "operating_days": OPERATING_DAYS,
    "collector_down": COLLECTOR_DOWN,
    "enterprise_days": ENTERPRISE_DAYS,
    "projects": PROJECTS,
    "services": SERVICES,
    "supply_links": SUPPLY_LINKS,
    "energy_days": ENERGY_DAYS,
    "claims": CLAIMS,
}
"""What can be imported, by the name of its table."""

VERSION_KEY: Final = {
    "enterprises": ["uscc"],
    "sites": ["site_id"],
    "machines": ["machine_id"],
    "terminals": ["platform", "terminal_id"],
    "tenants": ["platform", "tenant_id"],
    "declarations": ["uscc", "level"],
    "services": ["service_id"],
}
"""Tables whose rows are versions: what one thing is known by."""

FACT_KEY: Final = {
    "provider_use": ["platform", "tenant_id", "uscc", "service", "day"],
    "terminal_days": ["terminal_id", "day"],
    "operating_days": ["uscc", "day"],
    "collector_down": ["park_id", "day"],
    "enterprise_days": ["uscc", "day"],
    "projects": ["project_id", "phase"],
    "supply_links": ["chain", "link", "industry_code"],
    "energy_days": ["data_centre_id", "day"],
    "claims": ["platform", "day"],
}
"""Tables whose rows are facts: a later import of one replaces it."""

CONFLICTS: Final = pl.Schema(
    {
        "table": pl.String(),
        "key": pl.String(),
        "field": pl.String(),
        "from_day": pl.Date(),
        "kept": pl.String(),
        "kept_source": pl.String(),
        "refused": pl.String(),
        "refused_source": pl.String(),
        "why": pl.String(),
    }
)
"""Two sources that say different things of one thing: what stands, what does not, and why. A person
decides by importing the right row again; nothing is merged in silence."""

REJECTIONS: Final = pl.Schema(
    {
        "file": pl.String(),
        "sheet": pl.String(),
        "line": pl.Int64(),
        "column": pl.String(),
        "value": pl.String(),
        "why_zh": pl.String(),
        "why_en": pl.String(),
        "remedy_zh": pl.String(),
        "remedy_en": pl.String(),
    }
)
"""Rows of an imported file that did not go in, for the clerk who corrects them."""
