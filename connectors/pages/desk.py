"""What every view asks for: rows of an area, names, links, and what a reader may see."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Literal

import polars as pl

from connectors.errors import ParkPulseError
from connectors.pages import words
from connectors.pages.frames import PageFrames
from connectors.pages.numbers import HIDDEN, whole
from connectors.pages.words import Pair
from pipelines.disclosure import PROVISIONAL
from pipelines.indicators import DISTRICT_ID

Row = dict[str, Any]
View = dict[str, Any]
Tier = Literal["park", "public"]
TIERS: Final = ("park", "public")

FEW: Final = 3
"""A public page tells of no fewer firms than this."""
SAFE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
COURSE_DAYS: Final = 84
"""How far back the page of an enterprise looks."""
RANK: Final = {"high": 0, "medium": 1, "low": 2}


def file_name(kind: str, identifier: str) -> str:
    """The page of a thing; an identifier that is no plain word goes by its hash."""
    safe = SAFE.fullmatch(identifier)
    tail = (
        identifier if safe else f"x{sha256(identifier.encode('utf-8', 'replace')).hexdigest()[:16]}"
    )
    return f"{kind}-{tail}.html"


def pair(names: Mapping[str, Pair], key: str | None) -> Pair:
    """The words of a key, or the key itself where we have none."""
    if key is None:
        return ("—", "—")
    return names.get(key, (key, key))


def label(zh: str | None, en: str | None, otherwise: str) -> Pair:
    """Names as far as they are known; the other language rather than nothing."""
    return zh or en or otherwise, en or zh or otherwise


@dataclass(frozen=True)
class Desk:
    """Frames, and who reads: `park` sees the names of enterprises, `public` none."""

    frames: PageFrames
    tier: Tier = "park"

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise ParkPulseError(self.tier, "no such tier", f"choose one of {', '.join(TIERS)}")

    @property
    def day(self) -> date:
        """The day the pages are of."""
        return self.frames.day

    @property
    def is_public(self) -> bool:
        """Whether no enterprise may be known from the pages."""
        return self.tier == "public"

    def rows(self, name: str, **wanted: object) -> list[Row] | None:
        """Rows of a frame with these values (None means null); None where there is no frame."""
        frame: pl.DataFrame | None = getattr(self.frames, name)
        if frame is None:
            return None
        tests = [pl.col(column).eq_missing(pl.lit(value)) for column, value in wanted.items()]
        return (frame.filter(*tests) if tests else frame).to_dicts()

    def latest(self, name: str, **wanted: object) -> list[Row] | None:
        """Rows of the last reference date not after the day."""
        rows = self.rows(name, **wanted)
        if rows is None:
            return None
        known = [row for row in rows if row["reference_date"] <= self.day]
        last = max((row["reference_date"] for row in known), default=None)
        return [row for row in known if row["reference_date"] == last]

    def firms(self, count: int | None) -> str:
        """A count of firms; one or two are `<3` on a public page."""
        return f"<{FEW}" if self.is_few(count) else whole(count)

    def parts(self, counts: Sequence[int], total: int) -> tuple[list[str], str]:
        """Counts that add up to a total, as told: on a public page none follows from the others.

        Where exactly one part is one or two firms, the total is kept back.
        """
        few = sum(self.is_few(count) for count in counts)
        told = [self.firms(count) for count in counts]
        return told, HIDDEN if few == 1 else self.firms(total)

    def is_few(self, count: int | None) -> bool:
        """Whether a public page must not tell this count of firms."""
        return self.is_public and count is not None and 0 < count < FEW

    def is_published(self, indicator_id: str, park_id: str | None) -> bool:
        """Whether a figure of an area may be read here: on a public page only after control."""
        if not self.is_public:
            return True
        rows = self.rows("kpi", indicator_id=indicator_id, area_id=park_id or DISTRICT_ID) or []
        return any(row["status"] == PROVISIONAL for row in rows)

    def park(self, park_id: str | None) -> Pair:
        """The name of a park, of the New City for null."""
        return words.DISTRICT if park_id is None else pair(self.frames.parks, park_id)

    def enterprise(self, uscc: str | None) -> Pair:
        """The name of an enterprise; a public page has none."""
        if self.is_public or uscc is None:
            return ("—", "—")
        return self.names.get(uscc, (uscc, uscc))

    def link(self, uscc: str | None) -> str | None:
        """The page of an enterprise that has one."""
        return file_name("enterprise", uscc) if uscc is not None and uscc in self.linked else None

    def factory(self, factory_id: str) -> Pair:
        """The name of a factory."""
        return self._factories.get(factory_id, (factory_id, factory_id))

    @cached_property
    def names(self) -> dict[str, Pair]:
        """Names of enterprises, of the register first, else of the portraits."""
        rows = [*(self.rows("portraits") or []), *(self.rows("enterprises") or [])]
        return {r["uscc"]: label(r["name_zh"], r["name_en"], r["uscc"]) for r in rows}

    @cached_property
    def linked(self) -> frozenset[str]:
        """Enterprises with a page of their own."""
        if self.is_public:
            return frozenset()
        return frozenset(row["uscc"] for row in self.portraits.values())

    @cached_property
    def portraits(self) -> dict[str, Row]:
        """The latest portrait of each enterprise."""
        return {row["uscc"]: row for row in self.latest("portraits") or []}

    @cached_property
    def parks_of(self) -> dict[str, set[str]]:
        """Parks of each enterprise, by its sites, else by its portrait."""
        out: dict[str, set[str]] = {u: set(r["park_ids"] or []) for u, r in self.portraits.items()}
        for site in self.rows("sites") or []:
            if site["park_id"] is not None:
                out.setdefault(site["uscc"], set()).add(site["park_id"])
        return out

    @cached_property
    def enterprise_days(self) -> dict[str, list[Row]]:
        """The last COURSE_DAYS days of each enterprise."""
        frame = self.frames.enterprise_days
        out: dict[str, list[Row]] = {}
        if frame is None:
            return out
        first = self.day - timedelta(COURSE_DAYS - 1)
        for row in frame.filter(pl.col("day").is_between(first, self.day)).iter_rows(named=True):
            out.setdefault(row["uscc"], []).append(row)
        return out

    @cached_property
    def project_states(self) -> dict[str, Row]:
        """Where each project stands."""
        return {row["project_id"]: row for row in self.rows("project_states") or []}

    @cached_property
    def project_todos(self) -> dict[str, list[Pair]]:
        """What is to be corrected in the dates of each project."""
        out: dict[str, list[Pair]] = {}
        for row in self.rows("project_findings") or []:
            todo = label(row["todo_zh"], row["todo_en"], "")
            out.setdefault(row["project_id"], []).append(todo)
        return out

    @cached_property
    def self_views(self) -> dict[str, list[Row]]:
        """What each enterprise may see of itself among its peers."""
        out: dict[str, list[Row]] = {}
        for row in self.rows("self_views") or []:
            out.setdefault(row["uscc"], []).append(row)
        return out

    def shares_oee(self, factory_id: str) -> bool:
        """Whether the enterprise of a factory permits that the park reads its OEE."""
        rows = self.rows("factories") or []
        return any(r["shares_oee"] for r in rows if r["factory_id"] == factory_id)

    @cached_property
    def _factories(self) -> dict[str, Pair]:
        rows = self.rows("factories") or []
        return {r["factory_id"]: label(r["name_zh"], r["name_en"], r["factory_id"]) for r in rows}

    def is_in(self, uscc: str, park_id: str | None) -> bool:
        """Whether an enterprise is in a park; everybody is in the New City."""
        return park_id is None or park_id in self.parks_of.get(uscc, ())


def by(rows: Iterable[Row], *columns: str) -> dict[Any, Row]:
    """Rows by one column, or by a tuple of several."""
    if len(columns) == 1:
        return {row[columns[0]]: row for row in rows}
    return {tuple(row[c] for c in columns): row for row in rows}


def ordered(known: Iterable[str], seen: Sequence[str]) -> list[str]:
    """Keys in the order of our words, those we have no words for after them."""
    names = list(known)
    return [k for k in names if k in seen] + sorted(set(seen) - set(names))
