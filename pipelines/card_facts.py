"""Facts for evidence cards, from counts: what our own tables can say of a factory or a park."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.chain_stage import kept_values
from pipelines.conformance import OEE_LEVEL, by_line
from pipelines.evidence_cards import BENCHMARK_PARK, FACTS, SMART_FACTORY

RECENT: Final = timedelta(days=29)
"""Evidence of the last 30 days, the day itself included."""

SHARES: Final = {
    "l2_share": ("{n}/{d} 台设备达到 L2", "{n} of {d} machines at L2 or above"),
    "oee_completeness": ("计划工作时间 {d_h} 小时中状态已知 {n_h} 小时",
                         "the state is known for {n_h} of {d_h} h of planned busy time"),
    "networked_share": ("{n}/{d} 台数字化设备联网", "{n} of {d} digital machines are networked"),
    "judged_share": ("{n}/{d} 个设备日已评判", "{n} of {d} machine-days were judged"),
    "l2_factories_share": ("{n}/{d} 家已接入工厂达到 L2", "{n} of {d} connected factories at L2"),
    "monitored_share": ("{n}/{d} 家企业有运行数据", "{n} of {d} enterprises have operating data"),
    "portrait_share": ("{n}/{d} 家企业有画像", "{n} of {d} enterprises have a portrait"),
}  # fmt: skip
"""Facts that are a numerator over a denominator, and how each is told; seconds as hours (`_h`)."""

COUNTS: Final = {
    "days_collected": ("{n} 天有合格数据", "accepted data on {n} days"),
    "stages_covered": ("已覆盖 {n} 个环节", "{n} stages are covered"),
    "l2_units": ("{n} 台设备达到 L2", "{n} machines at L2 or above"),
    "l2_lines": ("{n} 条产线全部达到 L2", "{n} lines wholly at L2 or above"),
    "l2_workshops": ("{n} 个车间全部达到 L2", "{n} workshops wholly at L2 or above"),
    "gateway_days": ("网关 {n} 天有数据", "the gateway spoke on {n} days"),
    "warning_days": ("预警运行 {n} 天", "early warning ran on {n} days"),
    "project_phases": ("项目台账含 {n} 个阶段", "projects are kept through {n} phases"),
    "services_in_use": ("{n} 项服务在用", "{n} services are in use"),
    "chains_begun": ("{n} 条产业链已起步", "{n} chains have begun"),
    "five_g_terminals": ("{n} 个 5G 终端", "{n} terminals on 5G"),
}
"""Facts that are one whole number."""


def shares(kind: str, fact_id: str, counts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """`FACTS` of one share: `counts` has subject_id, numerator, denominator (whole numbers).

    A denominator of 0 or null is known to be unknown.
    """
    zh, en = SHARES[fact_id]
    numerator, denominator = pl.col("numerator"), pl.col("denominator")
    value = pl.when(denominator > 0).then(numerator / denominator)
    told = {"{n}": numerator, "{d}": denominator}
    told |= {"{n_h}": _hours(numerator), "{d_h}": _hours(denominator)}
    texts = (_filled(text, told) for text in (zh, en))
    return _facts(kind, fact_id, counts, as_of, value, *texts)


def counts(kind: str, fact_id: str, counted: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """`FACTS` of one count: `counted` has subject_id, number; null is unknown."""
    zh, en = COUNTS[fact_id]
    texts = (_filled(text, {"{n}": pl.col("number")}) for text in (zh, en))
    return _facts(kind, fact_id, counted, as_of, pl.col("number").cast(pl.Float64), *texts)


def of_levels(work_units: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """L2 facts of factories and their parks from `conformance.levels`."""
    reached = pl.col("level") >= OEE_LEVEL
    units = _summed(work_units, "factory_id", reached)
    factories = work_units.group_by("park_id", "factory_id").agg(level=pl.min("level"))
    named = factories.filter(pl.col("park_id").is_not_null())
    whole = _summed(by_line(work_units), "factory_id", reached)
    every = units.select("subject_id").join(whole, on="subject_id", how="left")
    return pl.concat(
        [
            shares(SMART_FACTORY, "l2_share", units, as_of),
            counts(SMART_FACTORY, "l2_units", units.rename({"numerator": "number"}), as_of),
            counts(SMART_FACTORY, "l2_lines", every.rename({"numerator": "number"}), as_of),
            shares(BENCHMARK_PARK, "l2_factories_share", _summed(named, "park_id", reached), as_of),
        ]
    )


def of_oee(oee_by_shift: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """How much of the planned busy time of the last 30 days is known, in whole seconds.

    Of shifts that have ended.
    """
    pbt = pl.col("pbt_s").round().cast(pl.Int64)
    unknown = pl.col("unknown_s").round().cast(pl.Int64)
    recent = oee_by_shift.filter(
        pl.col("production_day").is_between(as_of - RECENT, as_of), ~pl.col("is_open")
    )
    sums = recent.group_by(subject_id="factory_id").agg(
        numerator=(pbt - unknown).sum(), denominator=pbt.sum()
    )
    return shares(SMART_FACTORY, "oee_completeness", sums, as_of)


def collected(ledger: pl.DataFrame) -> pl.DataFrame:
    """`subject_id day`: days of which values of a factory were kept (LEDGER_BY_DAY, factory_id)."""
    kept = ledger.filter(pl.col("node_id").is_not_null(), kept_values() > 0)
    return kept.select(subject_id="factory_id", day="day").unique().sort("subject_id", "day")


def of_judging(judged: pl.DataFrame, due: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """How many of a factory's machine-days of the last 30 days were judged.

    Both have factory_id, work_unit_id, day; `due` are those of which there was data.
    """
    machine_day = ["factory_id", "work_unit_id", "day"]
    recent = due.filter(pl.col("day").is_between(as_of - RECENT, as_of))
    is_judged = judged.select(machine_day).unique().with_columns(has=pl.lit(value=True))
    days = recent.select(machine_day).unique().join(is_judged, on=machine_day, how="left")
    has = pl.col("has").fill_null(value=False)
    return shares(SMART_FACTORY, "judged_share", _summed(days, "factory_id", has), as_of)


def of_stages(stages: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """How many stages of the chain a factory's data covers, from `chain_stage.by_factory`."""
    covered = stages.group_by(subject_id="factory_id").agg(
        number=pl.col("is_covered").sum().cast(pl.Int64)
    )
    return counts(SMART_FACTORY, "stages_covered", covered, as_of)


def subjects(kind: str, ids: Sequence[str]) -> pl.DataFrame:
    """A row without a fact for each subject, so that it has a card even if nothing is known."""
    rows = [{**dict.fromkeys(FACTS), "subject_kind": kind, "subject_id": one} for one in ids]
    return pl.DataFrame(rows, schema=FACTS)


def _summed(frame: pl.DataFrame, key: str, holds: pl.Expr) -> pl.DataFrame:
    return frame.group_by(subject_id=key).agg(
        numerator=holds.sum().cast(pl.Int64), denominator=pl.len().cast(pl.Int64)
    )


def _hours(seconds: pl.Expr) -> pl.Expr:
    """To a tenth, rounded down, so that what lacks a second is never told as whole."""
    tenths = seconds // 360
    return pl.format("{}.{}", tenths // 10, tenths % 10)


def _filled(text: str, numbers: dict[str, pl.Expr]) -> pl.Expr:
    """The text with each number in its place, … where there is none."""
    asked = re.findall("|".join(map(re.escape, numbers)), text)
    shown = [numbers[name].cast(pl.String).fill_null("…") for name in asked]
    for name in numbers:
        text = text.replace(name, "{}")
    return pl.format(text, *shown)


def _facts(
    kind: str,
    fact_id: str,
    frame: pl.DataFrame,
    as_of: date,
    value: pl.Expr,
    zh: pl.Expr,
    en: pl.Expr,
) -> pl.DataFrame:
    return frame.select(
        subject_kind=pl.lit(kind), subject_id="subject_id", fact_id=pl.lit(fact_id), value=value,
        as_of=pl.lit(as_of), evidence_zh=zh, evidence_en=en,
    ).match_to_schema(FACTS).sort("subject_id")  # fmt: skip
