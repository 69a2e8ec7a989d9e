"""Where planned busy time went, as SVG: its parts as bars, the dearest losses as a Pareto."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from connectors.reports.figures import WIDTH
from connectors.reports.words import Pair

ROW: Final = 24
BAR: Final = 14
NAMES: Final = 140
"""Left of the bars stand the machines."""
CAUSES: Final = 272
"""Left of the Pareto's bars stand losses and reasons, in English up to 40 letters."""
FIGURES: Final = 240
"""Right of them minutes, stops and where most of it was."""
TOTALS: Final = 90
_SVG: Final = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')

View = Mapping[str, Any]


def minutes(value: float, digits: int = 0) -> str:
    """Minutes for the eye; the sign of what was gained is a minus as it is printed.

    >>> minutes(1234.4), minutes(-3.26, 1), minutes(-0.01), minutes(0.04, 1)
    ('1,234', '−3.3', '0', '0.0')
    """
    text = f"{abs(value):,.{digits}f}"
    return f"−{text}" if value < 0 and text.strip("0.,") else text


def division_of(spent: View) -> Markup:
    """The bars of the machines, with the parts of all told to a screen reader."""
    told = ", ".join(
        f"{zh} {en} {minutes(spent['parts'][part], 1)} min"
        for part, (zh, en) in spent["names"].items()
    )
    label = f"计划工作时间的去向 where planned busy time went: {told}"
    return division(spent["groups"][0]["rows"], spent["names"], label)


def pareto_of(spent: View) -> Markup:
    """The dearest losses, told to a screen reader by name and minutes."""
    told = ", ".join(
        f"{' '.join(dict.fromkeys(rank['label']))} {minutes(rank['lost_min'], 1)} min"
        for rank in spent["ranks"]
    )
    return pareto(spent["ranks"], f"损失排序 losses, dearest first: {told}")


def division(rows: Sequence[View], names: Mapping[str, Pair], label: str) -> Markup:
    """A stacked bar per row (`name`, `parts`, `pbt_min`) on one scale of minutes.

    A part below zero (faster than planned) is not drawn: the others then pass the mark at PBT.
    """
    longest = max((max(_drawn(row), row["pbt_min"]) for row in rows), default=0.0) or 1.0
    scale = (WIDTH - NAMES - TOTALS) / longest
    drawn = (_bar(row, names, scale, index * ROW) for index, row in enumerate(rows))
    return _SVG.format(WIDTH, len(rows) * ROW, label, Markup("").join(drawn))


def pareto(ranks: Sequence[View], label: str) -> Markup:
    """A bar per loss, dearest first, minutes beside it, and the cumulative share as a line."""
    width = WIDTH - CAUSES - FIGURES
    scale = width / max((rank["lost_min"] for rank in ranks), default=1.0)
    bars = [_cause(rank, scale, index * ROW) for index, rank in enumerate(ranks)]
    bottom = len(ranks) * ROW
    marks = (_mark(share, CAUSES + width * share, bottom) for share in (0.0, 0.5, 0.8, 1.0))
    points = [
        (round(CAUSES + width * rank["cumulative"], 1), index * ROW + ROW / 2)
        for index, rank in enumerate(ranks)
    ]
    line = Markup('<polyline class="cumulative" points="{}"/>').format(
        " ".join(f"{x},{y}" for x, y in points)
    )
    dots = (Markup('<circle class="dot" cx="{}" cy="{}" r="2.5"/>').format(*p) for p in points)
    body = Markup("").join([*marks, *bars, line, *dots])
    return _SVG.format(WIDTH, bottom + 18, label, body)


def said(zh: str, en: str) -> Markup:
    """A text of a picture in both languages, one of which the style hides."""
    return Markup(
        '<tspan class="zh" lang="zh-CN">{}</tspan><tspan class="en" lang="en">{}</tspan>'
    ).format(zh, en)


def _drawn(row: View) -> float:
    parts: Mapping[str, float] = row["parts"]
    return sum(max(value, 0.0) for value in parts.values())


def _bar(row: View, names: Mapping[str, Pair], scale: float, top: int) -> Markup:
    end = round(NAMES + row["pbt_min"] * scale, 1)
    body = [
        Markup('<text x="0" y="{}" class="name">{}</text>').format(
            top + 15, _short(row["name"], 17)
        ),
        *_pieces(row, names, scale, top + 4),
        Markup('<path class="pbt" d="M{} {}v{}"/>').format(end, top + 1, BAR + 6),
        Markup('<text x="{}" y="{}" class="tick end">{} min</text>').format(
            WIDTH, top + 15, minutes(row["pbt_min"])
        ),
    ]
    return Markup("").join(body)


def _pieces(row: View, names: Mapping[str, Pair], scale: float, top: int) -> Iterator[Markup]:
    left = float(NAMES)
    for part, value in row["parts"].items():
        if value > 0:
            yield Markup(
                '<g><title>{} {} {}: {} min</title><rect class="{}" x="{}" y="{}" width="{}"'
                ' height="{}"/></g>'
            ).format(
                row["name"], *names[part], minutes(value, 1), part, round(left, 1), top,
                round(value * scale, 1), BAR,
            )  # fmt: skip
            left += value * scale


def _cause(rank: View, scale: float, top: int) -> Markup:
    zh, en = (_short(text) for text in rank["label"])
    return Markup(
        '<g><title>{} / {}</title><text x="0" y="{}" class="name">{}</text>'
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
        '<text x="{}" y="{}" class="name end">{}</text>'
        '<text x="{}" y="{}" class="tick">{}</text></g>'
    ).format(
        *rank["label"], top + 16, said(zh, en),
        rank["loss"], CAUSES, top + 5, max(round(rank["lost_min"] * scale, 1), 0.6), BAR,
        WIDTH - FIGURES + 58, top + 16, minutes(rank["lost_min"]),
        WIDTH - FIGURES + 64, top + 16, _beside(rank),
    )  # fmt: skip


def _beside(rank: View) -> Markup:
    """How often, and the machine with most of it."""
    zh, en = [], []
    if rank["stops"]:
        zh.append(f"{rank['stops']:,} 次")
        en.append(f"{rank['stops']:,}×")
    if rank["pieces"]:
        zh.append(f"{rank['pieces']:,} 件")
        en.append(f"{rank['pieces']:,} pcs")
    if most := rank["most"][0]:
        most_of_it = f"{_short(most['name'], 12)} {100 * most['share']:.0f}%"
        zh.append(most_of_it)
        en.append(most_of_it)
    return said(" · ".join(zh), " · ".join(en))


def _mark(share: float, x: float, bottom: int) -> Markup:
    return Markup(
        '<path class="grid" d="M{0} 0V{1}"/><text x="{0}" y="{2}" class="tick mid">{3:.0f}%</text>'
    ).format(round(x, 1), bottom, bottom + 14, 100 * share)


def _short(text: str, most: int = 40) -> str:
    """A text as long as its place; what is cut off stands in the title and in the tables.

    A Chinese character takes the place of two letters.
    """
    room = most
    for index, letter in enumerate(text):
        room -= 2 if ord(letter) > 0x2E80 else 1
        if room < 0:
            return text[: max(index - 1, 0)] + "…"
    return text
