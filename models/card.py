"""The model card: what one model watches, how it was made and judged, and how to do without it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from models.registry import Register, Term, Version

REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "first": ("首个模型", "the machine's first model"),
    "schedule": ("按计划重训", "trained on schedule"),
    "drift": ("因漂移重训", "trained because the champion had drifted"),
    "asked": ("应人工要求训练", "asked for by a person"),
    "unreadable": ("原文件无法读取而重训", "its file could not be read: trained anew"),
}
STATES: Final[Mapping[str, str]] = {
    "champion": "现用 champion",
    "challenger": "候选 challenger",
    "retired": "已退役 retired",
}
ACTS: Final[Mapping[str, str]] = {
    "first": "首个 first",
    "promoted": "晋升 promoted",
    "rolled_back": "回退 rolled back",
    "replaced": "替换 replaced",
}
EXPECTED: Final = (
    "限值取自训练日留出的噪声约每机器周超过一次的水平；下文的说明另有所言的，以其为准。 "
    "Limits are what held-out noise of the training days passes about once a machine-week, unless "
    "a note below says otherwise."
)


def card(register: Register, version: Version) -> str:
    """A version's card as Markdown, Chinese and English, as the register has it now."""
    parts = [
        f"# {version.work_unit_id} · 模型 model {version.version}",
        "",
        *_about(register, version),
        "",
        "## 监视什么 · What it watches",
        *_watched(version),
        "",
        "## 训练 · Trained on",
        *_trained(version),
        "",
        "## 限值与误报 · Limits and false alarms",
        EXPECTED,
        *(f"- {note}" for note in version.notes),
        "",
        "## 留出日的表现 · Held-out days",
        *_judged(register, version),
        "",
        "## 任期 · Terms",
        *_terms(register, version),
        "",
        "## 回退 · Rolling back",
        f'`parkpulse model rollback {version.work_unit_id} --reason "…"` '
        "（或 or `--to VERSION`）：次日判定起生效，历史只增不改。 "
        "It takes effect from the next judged day; nothing of the history is changed.",
    ]
    return "\n".join(parts) + "\n"


def _about(register: Register, version: Version) -> Iterator[str]:
    reason = " · ".join(REASONS.get(version.reason, (version.reason, version.reason)))
    yield f"- 状态 state: {STATES[register.state(version)]}"
    yield f"- 机型 machine type: {version.machine_type}"
    yield f"- 来由 made because: {reason} ({version.why})"
    yield f"- 上一版 parent: {version.parent or '无 none'}"
    yield f"- 文件 file: `{version.path}` (SHA-256 `{version.sha256}`)"
    yield f"- 训练数据 training data: `{version.fingerprint}`, 代码 code: `{version.code_version}`"


def _watched(version: Version) -> Iterator[str]:
    if not version.learned:
        yield "信号样本太少，只判短停、速度与废品的习惯。"
        yield "Too few rows: no signal is judged, only habits (short stops, pace, scrap)."
        return
    yield f"{len(version.sensors)} 个信号 signals: {', '.join(version.sensors)}"
    yield "以及短停、速度与废品的习惯。 And the machine's habits: short stops, pace, scrap."


def _trained(version: Version) -> Iterator[str]:
    scope = {"machine": "本机 this machine", "machine_type": "同型设备 machines of its type"}
    yield f"- 范围 of: {scope.get(version.scope, version.scope)}"
    yield f"- 训练日 days ({version.collected_days:.2f}): {_days(version.training_days)}"
    if version.left_out:
        yield (
            f"- 未用 left out (确认的异常或仅有保养 confirmed anomaly, or maintenance only): "
            f"{_days(version.left_out)}"
        )
    yield f"- 行数 rows: {version.training_rows:,}"


def _judged(register: Register, version: Version) -> Iterator[str]:
    judgements = register.judgements(version)
    if not judgements:
        yield "暂定：历史太短，没有可留出的日子。"
        yield "Provisional: the history is too short to hold a day out; nothing is known yet of how"
        yield "it judges."
        return
    yield "| | 留出日 days | 误报 false alarms | 机器周 machine-weeks | 检出力 power | 延迟 rows |"
    yield "|---|---|---|---|---|---|"
    for other, found in judgements:
        is_own = other.version == version.version
        name = (
            "作为候选 as challenger" if is_own else f"作为现用 as champion, against {other.version}"
        )
        yield _row(name, other, found)
        if is_own and (beaten := other.metrics.get("champion")):
            yield _row(f"当时的现用版 champion then: {beaten['version']}", other, beaten)
    _, last = judgements[-1]
    told = ", ".join(f"{size}σ: {found}" for size, found in last["found_by_size"].items())
    yield ""
    yield f"按大小检出 found by size ({last['trials']} 次 deviations put in): {told}"
    if drift := version.metrics.get("drift"):
        yield ""
        yield f"上一版的漂移 drift of the version before: {'; '.join(drift)}"


def _row(name: str, judged: Version, found: Mapping[str, Any]) -> str:
    delay = found["delay_rows"]
    return (
        f"| {name} | {_days(judged.held_out)} | {found['false_alarms']} | "
        f"{found['machine_weeks']:.2f} | {found['power']:.2f} | "
        f"{'–' if delay is None else f'{delay:g}'} |"
    )


def _terms(register: Register, version: Version) -> Iterator[str]:
    unit = version.work_unit_id
    mine = [term for term in register.terms(unit) if term.version == version.version]
    for term in mine:
        yield f"- {_term(term)}"
    for one in register.appointments(unit):
        if one.version == version.version:
            yield f"- {ACTS.get(one.act, one.act)} {one.since} ({one.by}): {one.why}"
    if kept := register.refusals(unit).get(version.version):
        yield f"- 未晋升 not promoted: {kept.why}"
    if not mine:
        yield "- 没有判过一天。 It judges no day."


def _term(term: Term) -> str:
    return f"{term.since} – {term.until or '至今 still'}"


def _days(days: Sequence[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
