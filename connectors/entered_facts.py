"""Facts for evidence cards that people enter: the authority's list, certificates and the like."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import FleetFileError
from connectors.numbered import add, files, held
from connectors.sheets import Row, each, rows_of
from pipelines.evidence_cards import ENTERED, KINDS, criteria

_COLUMNS: Final = ("subject_kind", "subject_id", "fact_id", "value", "as_of", "document")
_DOCUMENTED: Final = "recognised"
"""Recognition is the authority's word: without its document nobody can look it up."""


_KEPT: Final = pl.Schema(
    {
        **ENTERED,
        "file": pl.String(),
        "sha256": pl.String(),
        "entered_at": pl.Datetime("us", "UTC"),
        "sequence": pl.Int64(),
    }
)
"""An entry and where it came from; of the same subject, fact and day the last import stands."""
_KEY: Final = ["subject_kind", "subject_id", "fact_id", "as_of"]


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of a file: rows that are new or say something new, rows known already."""

    fresh: int
    unchanged: int


def enter_facts(folder: Path, path: Path, *, entered_at: datetime) -> Entered:
    """Read a file whole and keep what it says anew; FleetFileError where any row is wrong.

    A list of the authority is right as a whole or not at all.
    """
    rows = read_entered(path)
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FleetFileError(path, error.strerror or str(error), "name a readable file") from error
    told = rows.with_columns(
        file=pl.lit(path.name), sha256=pl.lit(sha256), entered_at=pl.lit(entered_at)
    )
    with held(folder):
        same = ENTERED.names()
        fresh = told.join(read_facts(folder), on=same, how="anti", nulls_equal=True)
        if fresh.height:
            add(folder, fresh, sha256)
    return Entered(fresh.height, rows.height - fresh.height)


def read_facts(folder: Path) -> pl.DataFrame:
    """The facts that stand, as `ENTERED`: a later entry of the same fact and day replaces one."""
    kept = [pl.read_parquet(path, glob=False) for path in files(folder)]
    rows = pl.concat([_KEPT.to_frame(), *(one.match_to_schema(_KEPT) for one in kept)])
    newest = rows.sort("sequence", maintain_order=True).unique(
        _KEY, keep="last", maintain_order=True
    )
    return newest.select(ENTERED.names()).sort(_KEY)


def read_entered(path: Path) -> pl.DataFrame:
    """A CSV or XLSX of entered facts as `pipelines.evidence_cards.ENTERED`.

    `fact_id` is one that a criterion of that kind asks for; a blank `value` takes an entry back.
    """
    asked = criteria()
    taken: dict[tuple[object, ...], int] = {}

    def made(row: Row) -> dict[str, object]:
        kind = row.one_of("subject_kind", KINDS)
        own = asked.filter(pl.col("subject_kind") == kind)["fact_id"].unique(maintain_order=True)
        fact = row.one_of("fact_id", own.to_list())
        value = row.number("value") if row.optional("value") else None
        if fact == _DOCUMENTED and value is not None:
            row.text("document")
        found: dict[str, object] = {
            "subject_kind": kind, "subject_id": row.text("subject_id"), "fact_id": fact,
            "value": value, "as_of": row.day("as_of"), "document": row.optional("document"),
        }  # fmt: skip
        key = tuple(found[name] for name in ("subject_kind", "subject_id", "fact_id", "as_of"))
        if key in taken:
            row.refuse("fact_id", f"line {taken[key]} tells it already", "delete one of the two")
        taken[key] = row.line
        return found

    return pl.DataFrame(each(rows_of(path, _COLUMNS), made), schema=ENTERED)
