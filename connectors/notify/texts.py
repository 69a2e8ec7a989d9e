"""What a message says, Chinese and English: reference, priority, factory, count and link.

No more: a machine's id, its signals and values are the enterprise's own and stay in its reports.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from typing import Final

from connectors.notify.planning import Draft, Item

Pair = tuple[str, str]

LISTED: Final = 20
"""So many events stand in a digest by reference; a longer list is read by nobody."""

PRODUCT: Final = "ParkPulse 园区脉搏"
_LEVELS: Final[dict[int, Pair]] = {3: ("高", "high"), 2: ("中", "medium"), 1: ("低", "low")}
_REPORT: Final[Pair] = ("日报", "report")
_ALL: Final[Pair] = ("全部日报", "all reports")


@dataclass(frozen=True, slots=True)
class Text:
    """A message: one line of title, and its body in markdown or plain."""

    title: str
    body: str


def told(pair: Pair, language: str) -> str:
    """A word in a language, or in both."""
    return {"zh": pair[0], "en": pair[1]}.get(language, f"{pair[0]} {pair[1]}")


def address_of(link: str, factory: str, day: date) -> str:
    """Where the report of a factory's day is read."""
    return f"{link}/{factory}/{day.isoformat()}/report.html"


def write(draft: Draft, *, link: str, most_bytes: int, is_markdown: bool) -> Text:
    """The message of a draft in at most so many bytes; what does not fit is counted in it."""
    language = draft.items[0].language
    anchor = _markdown if is_markdown else _plain
    if len(draft.items) == 1:
        return _single(draft.items[0], language, link, anchor)
    title = _heading(draft.items, language)
    head = [f"**{PRODUCT}** {title}" if is_markdown else title]
    body = _cut(head, draft.items, language, link, most_bytes, anchor)
    return Text(f"{PRODUCT}: {title}", body)


def trial() -> Text:
    """What `notify test` sends, the same to all."""
    words = f"{PRODUCT}: 测试消息，无需处理 / a test message, nothing to do"
    return Text(words, words)


def _markdown(words: str, address: str) -> str:
    return f"[{words}]({address})"


def _plain(words: str, address: str) -> str:
    return f"{words}: {address}"


Anchor = Callable[[str, str], str]


def _single(item: Item, language: str, link: str, anchor: Anchor) -> Text:
    level = told(_LEVELS[item.rank], language)
    title = f"{told(('异常事件', 'anomaly event'), language)} · {level} · {item.factory}"
    report = anchor(told(_REPORT, language), address_of(link, item.factory, item.day))
    name = f"**{PRODUCT}**" if anchor is _markdown else PRODUCT
    body = f"{name} {title}\n\n{told(('编号', 'id'), language)} {item.reference}\n\n{report}"
    return Text(f"{PRODUCT}: {title}", body)


def _heading(items: Sequence[Item], language: str) -> str:
    """How many events, by priority."""
    counts = Counter(item.rank for item in items)
    parts = [f"{told(_LEVELS[rank], language)} {counts[rank]}" for rank in _LEVELS if counts[rank]]
    what = told((f"异常事件 {len(items)} 条", f"{len(items)} anomaly events"), language)
    return f"{what} ({' · '.join(parts)})"


def _cut(
    head: list[str], items: Sequence[Item], language: str, link: str, most: int, anchor: Anchor
) -> str:
    """Whole events while they fit beside the last line, which counts the rest."""
    lines, listed = head, 0
    for event_lines, events in _steps(items, language, link, anchor):
        tail = _tail(len(items) - listed - events, language, link, anchor)
        if len(_joined([*lines, *event_lines, *tail]).encode()) > most:
            break
        lines, listed = [*lines, *event_lines], listed + events
    return _joined([*lines, *_tail(len(items) - listed, language, link, anchor)])


def _steps(
    items: Sequence[Item], language: str, link: str, anchor: Anchor
) -> Iterator[tuple[list[str], int]]:
    """What is added to a digest at a time: an event, the first of a report with that report."""
    for (factory, day), group in _by_report(items[:LISTED]):
        report = anchor(told(_REPORT, language), address_of(link, factory, day))
        head = [f"{factory} · {day.isoformat()} · {report}"]
        for item in group:
            yield [*head, f"- {told(_LEVELS[item.rank], language)} {item.reference}"], 1
            head = []


def _by_report(items: Sequence[Item]) -> Iterable[tuple[tuple[str, date], list[Item]]]:
    """Events by factory and day, in the order in which each has its most urgent one."""
    place: dict[tuple[str, date], int] = {}
    for item in items:
        place.setdefault((item.factory, item.day), len(place))
    ordered = sorted(items, key=lambda one: place[one.factory, one.day])
    for key, group in groupby(ordered, key=lambda one: (one.factory, one.day)):
        yield key, list(group)


def _tail(rest: int, language: str, link: str, anchor: Anchor) -> list[str]:
    """The last line where events are left: how many, and where all are read."""
    if not rest:
        return []
    words = told((f"另有 {rest} 条", f"and {rest} more"), language)
    return [f"{words} · {anchor(told(_ALL, language), link)}"]


def _joined(lines: Sequence[str]) -> str:
    """Paragraphs, but list items stand together: every one of the robots breaks these lines."""
    text = lines[0]
    for before, line in pairwise(lines):
        close = line.startswith("- ") and before.startswith("- ")
        text += ("\n" if close else "\n\n") + line
    return text
