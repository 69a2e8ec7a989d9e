"""What `discover` prints, for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.console import console, number
from connectors.opcua.discovery import SHOWN_KINDS
from connectors.tag_file import HIGH, LOW, MEDIUM

MOST_ROWS: Final = 30
"""Rows of a table on a screen; the files and --json have them all."""
_SHOWN_MEASURES: Final = 6
_SAYS: Final = {
    0: "reachable and identified",
    1: "state and total count",
    2: "also good or bad count, order and run time per item: OEE",
    3: "also stop reasons and energy",
}
_CHINESE: Final = {"state": "状态", "counter": "计数", "context": "上下文", "energy": "能源",
                   "process": "过程值"}  # fmt: skip


def print_report(report: Mapping[str, Any]) -> None:
    """Server, specifications, machines, level and what is missing, variables without meaning."""
    out = console()
    out.print(Text(f"{report['endpoint']}  {report['server_uri']}  {report['product']}".rstrip()))
    counts = (("variables", "variables 变量"), ("readable", "readable 可读"),
              ("historized", "with history 有历史"))  # fmt: skip
    out.print(Text(", ".join(f"{number(report[key])} {word}" for key, word in counts)))
    _specs(out, report["namespaces"])
    if report["machines"]:
        out.print(_machines(report["machines"]))
    level = report["level"]
    text = f"interface level 接口等级: L{level} ({_SAYS[level]})"
    out.print(Text(text, style="bold"))
    for line in _missing(report):
        out.print(Text(f"  {line}"))
    _unnamed(out, report["without_meaning"])
    for node, why in list(report["not_browsable"].items())[:MOST_ROWS]:
        out.print(
            Text(f"not browsable 不可浏览: {node}: {why}; give our user leave to browse there")
        )


def _specs(out: Console, namespaces: Sequence[Mapping[str, Any]]) -> None:
    found = [one for one in namespaces if one["spec"]][1:]
    known = ", ".join(one["spec"] + ("" if one["understood"] else " (named only)") for one in found)
    out.print(Text(f"companion specifications 配套规范: {known or 'none 无'}"))
    own = [one["uri"] for one in namespaces if not one["spec"]]
    out.print(Text(f"other namespaces 其他命名空间: {', '.join(own) or 'none 无'}"))


def _machines(machines: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Machines 设备", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("machine\n设备", "level\n等级", *(f"{k}\n{_CHINESE[k]}" for k in SHOWN_KINDS)):
        table.add_column(heading, overflow="fold")
    for machine in machines[:MOST_ROWS]:
        place = "/".join(filter(None, (machine["line_id"], machine["work_unit_id"])))
        table.add_row(place, f"L{machine['level']}", *map(_cell, machine["measures"].values()))
    if len(machines) > MOST_ROWS:
        table.add_row(f"… {len(machines) - MOST_ROWS} more", *[""] * (1 + len(SHOWN_KINDS)))
    return table


def _cell(measures: Sequence[str]) -> str:
    more = f"\n… {len(measures) - _SHOWN_MEASURES} more" if len(measures) > _SHOWN_MEASURES else ""
    return "\n".join(measures[:_SHOWN_MEASURES]) + more or "–"


def _missing(report: Mapping[str, Any]) -> list[str]:
    """Per set of machines that lack the same what the next level asks for."""
    if not report["machines"]:
        lacking = _either(report["missing"])
        return [f"no machine is recognised; L1 needs 缺: {lacking}; try --write tags.csv"]
    lacks: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for machine in report["machines"]:
        if machine["missing"]:
            key = machine["level"] + 1, tuple(machine["missing"])
            lacks.setdefault(key, []).append(machine["work_unit_id"])
    lines = []
    for (level, missing), names in sorted(lacks.items()):
        hint = " (or a cycles file)" if "ideal_cycle_s" in missing else ""
        lines.append(f"for L{level} 还缺 {_either(missing)}{hint}: {_some(names)}")
    without = [m["work_unit_id"] for m in report["machines"] if m["oee_lacks"]]
    if without:
        lacking = _either(sorted({name for m in report["machines"] for name in m["oee_lacks"]}))
        lines.append(f"no OEE 无法计算 OEE, lacking {lacking}: {_some(without)}")
    else:
        lines.append("OEE can be computed with a calendar and a run time per item 可计算 OEE")
    return lines


def _either(missing: Sequence[str]) -> str:
    return ", ".join(name.replace("|", " or ") for name in missing)


def _unnamed(out: Console, nodes: Sequence[str]) -> None:
    if nodes:
        short = [node.rpartition(";")[2] for node in nodes]
        text = f"{number(len(nodes))} variables without meaning 未识别变量: {_some(short)}"
        out.print(Text(f"{text}; they are collected, and no figure uses them"))


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def print_proposal(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The proposed tags, and what to do with them."""
    table = Table(title="Proposed tags 测点建议", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("node", "machine", "measure", "kind", "unit", "value map", "confidence"):
        table.add_column(heading, overflow="fold")
    for row in rows[:MOST_ROWS]:
        node = row["node_id"].rpartition(";")[2]
        cells = [row[k] for k in ("work_unit_id", "measure", "measure_kind", "unit", "value_map")]
        table.add_row(node, *(str(cell or "–") for cell in cells), row["confidence"])
    out = console()
    out.print(table)
    if len(rows) > MOST_ROWS:
        out.print(Text(f"… {len(rows) - MOST_ROWS} more in the file"))
    counts = Counter(row["confidence"] for row in rows)
    told = ", ".join(f"{number(counts[level])} {level}" for level in (HIGH, MEDIUM, LOW))
    out.print(Text(f"{path}: {number(len(rows))} rows ({told})"))
    out.print(Text(
        "complete it: put a machine, a measure or a code where a ? stands, clear `confidence` of "
        "every guess you confirm, delete what no figure needs\n"
        "请补全：把 ? 换成设备、测量项或代码，确认后清空 confidence，删去用不到的行"
    ))  # fmt: skip


def print_differences(found: pl.DataFrame, path: Path) -> None:
    """What the server says differently from a tag file, one row per node and kind of change."""
    out = console()
    if found.is_empty():
        out.print(Text(f"{path}: the server is as it says 与服务器一致"))
        return
    table = Table(title=f"Since {path.name} 变化", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("change 变化", "node 节点", "was 原", "is 现"):
        table.add_column(heading, overflow="fold")
    for row in found.head(MOST_ROWS).iter_rows(named=True):
        table.add_row(row["change"], row["node_id"], row["was"] or "–", row["is"] or "–")
    out.print(table)
    counts = Counter(found["change"].to_list())
    told = ", ".join(f"{number(count)} {change}" for change, count in sorted(counts.items()))
    out.print(Text(
        f"{told}; end the old row with valid_to, and begin a new one with valid_from at that time"
    ))  # fmt: skip
