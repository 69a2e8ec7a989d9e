"""Which table a head names, and which of our columns stands under each of its cells."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final

from pipelines.register_tables import FIELDS

_MARKS: Final = re.compile(r"\s|[*:：]|\((必填|选填|required)\)")


def columns_of(table: str, head: Sequence[str]) -> list[str | None]:
    """Our name of the column under each cell of a head, None where the table has no such column."""
    known = _known(table)
    return [next((known[part] for part in _parts(cell) if part in known), None) for cell in head]


def tables_of(head: Sequence[str]) -> list[str]:
    """The tables whose required columns a head names; those that explain most of it alone."""
    found = {table: {name for name in columns_of(table, head) if name} for table in FIELDS}
    whole = {table: len(named) for table, named in found.items() if is_head(table, head)}
    most = max(whole.values(), default=0)
    return [table for table, count in whole.items() if count == most]


def is_head(table: str, head: Sequence[str]) -> bool:
    """Whether a row of cells names every required column of a table, and two columns at least."""
    named = {name for name in columns_of(table, head) if name}
    required = {field.name for field in FIELDS[table] if field.is_required}
    return named >= required and len(named) > 1


def missing(table: str, head: Sequence[str]) -> list[str]:
    """The columns of a table that a head does not name, as a template calls them."""
    named = columns_of(table, head)
    return [field.zh for field in FIELDS[table] if field.name not in named]


@cache
def _known(table: str) -> dict[str, str]:
    return {
        _plain(head): field.name
        for field in FIELDS[table]
        for head in (field.name, field.zh, *field.aliases)
    }


def _parts(cell: str) -> list[str]:
    """A head as a whole, and the lines of one in two languages."""
    return [_plain(cell), *(_plain(part) for part in re.split(r"[\n|]", cell))]


def _plain(head: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFKC", head).lower())
