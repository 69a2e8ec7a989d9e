"""Which rows of a register file go in, and why the others do not.

Every cell is read (`register_cells`), a row whose cells are sound is held against itself, and then
against the other rows of its file (`register_pairs`). Every fault is told, so that a clerk corrects
a row once.
"""

from collections.abc import Iterator
from datetime import date

import polars as pl

from pipelines import park_schemas
from pipelines.register_cells import cells
from pipelines.register_pairs import contradicting, once, overlapping
from pipelines.register_reasons import FOUND, PLACE, told
from pipelines.register_tables import BEGIN_AND_END, FIELDS, WHOSE


def checked(
    table: str, rows: pl.DataFrame, *, as_of: date | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that go into a table of `park_schemas.REGISTER`, and the REJECTIONS of the others.

    `rows` are texts under our own names, with `line` (Int64) and, of a workbook, `sheet`; columns
    that are not there are blank. Accepted rows have the table's columns (`source` null), `sheet`,
    `line` and `repeats`: how many further rows said just the same. A version without `valid_from`
    has `as_of`.
    """
    placed = rows.with_columns(
        sheet=(pl.col("sheet") if "sheet" in rows.columns else pl.lit(None)).cast(pl.String),
        line=pl.col("line").cast(pl.Int64),
    )
    read, of_cells = _read(table, placed)
    if as_of is not None and "valid_from" in read.columns:
        read = read.with_columns(pl.col("valid_from").fill_null(as_of))
    sound = _without(read, of_cells)
    of_rows = pl.concat([FOUND.to_frame(), *_row_faults(table, sound)])
    sound = _without(sound, of_rows)
    of_pairs = contradicting(table, sound)
    single = once(table, _without(sound, of_pairs))
    of_spans = overlapping(table, single)
    found = pl.concat([of_cells, of_rows, of_pairs, of_spans])
    return _typed(table, _without(single, of_spans)), told(_with_values(found, placed))


def _read(table: str, placed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Typed rows, and what is wrong with single cells."""
    columns, faults = [placed.select(PLACE)], [FOUND.to_frame()]
    blank = pl.Series([None], dtype=pl.String).new_from_index(0, placed.height)
    for field in FIELDS[table]:
        read = cells(field, placed[field.name] if field.name in placed.columns else blank)
        columns.append(read.select(field.name))
        if read["reason"].null_count() < read.height:
            wrong = placed.select(PLACE).hstack(read)
            faults.append(_fault(wrong, pl.col("reason").is_not_null(), field.name))
    rows = pl.concat(columns, how="horizontal")
    return rows, _swapped(pl.concat(faults), rows)


def _fault(
    rows: pl.DataFrame,
    when: pl.Expr,
    column: str,
    reason: str = "",
    about: pl.Expr | None = None,
) -> pl.DataFrame:
    """FOUND of the rows where something holds; without `reason` the rows say reason and about."""
    why = pl.lit(reason) if reason else pl.col("reason")
    told_of = about if about is not None else pl.lit(None) if reason else pl.col("about")
    return rows.filter(when.fill_null(False)).select(
        *PLACE,
        column=pl.lit(column),
        value=pl.lit(None, dtype=pl.String),
        reason=why,
        about=told_of.cast(pl.String),
    )


def _swapped(faults: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """A longitude and a latitude that are each out of range and would be right the other way."""
    if "longitude" not in rows.columns:
        return faults
    is_swapped = pl.col("longitude").is_between(3, 54) & pl.col("latitude").is_between(73, 136)
    lines = rows.filter(is_swapped).select(*PLACE, swapped=pl.lit(True))
    is_place = pl.col("swapped").fill_null(False) & (pl.col("reason") == "beyond")
    return (
        faults.join(lines, on=PLACE, how="left", nulls_equal=True)
        .with_columns(reason=pl.when(is_place).then(pl.lit("lon_lat_swapped")).otherwise("reason"))
        .drop("swapped")
    )


def _row_faults(table: str, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What is wrong with rows whose cells are each sound."""
    if "valid_to" in rows.columns:
        begin, end = pl.col("valid_from"), pl.col("valid_to")
        yield _fault(rows, end <= begin, "valid_to", "ends_before", begin)
    for first, last in BEGIN_AND_END.get(table, []):
        is_before = pl.col(last) < pl.col(first)
        yield _fault(rows, is_before, last, "ends_before", pl.col(first))
    if table in WHOSE:
        is_nobodys = pl.all_horizontal(pl.col("uscc", WHOSE[table]).is_null())
        yield _fault(rows, is_nobodys, "uscc", "nobody", pl.lit(WHOSE[table]))
    if table == "sites":
        is_half = pl.col("longitude").is_null() != pl.col("latitude").is_null()
        yield _fault(rows, is_half, "longitude", "lon_lat_half")
    if table == "enterprises":
        yield _fault(rows, pl.col("successor_uscc") == pl.col("uscc"), "successor_uscc", "self")
    if table == "energy_days":
        is_more = pl.col("it_wh") > pl.col("facility_wh")
        yield _fault(rows, is_more, "it_wh", "more_than_all")


def _without(rows: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """The rows that have none of the faults."""
    if faults.is_empty():
        return rows
    lines = faults.select(PLACE).unique()
    return rows.join(lines, on=PLACE, how="anti", nulls_equal=True, maintain_order="left")


def _with_values(found: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """The faults with the text of the cell they are about."""
    columns = [name for name in found["column"].unique() if name in placed.columns]
    lines = placed.join(found.select(PLACE).unique(), on=PLACE, how="semi", nulls_equal=True)
    texts = lines.unpivot(columns, index=PLACE, variable_name="column", value_name="value")
    keys = [*PLACE, "column"]
    return (
        found.drop("value")
        .join(texts, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .select(FOUND.names())
    )


def _typed(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    schema = park_schemas.REGISTER[table]
    source = {"source": pl.lit(None)} if "source" in schema else {}
    return rows.with_columns(**source).select(
        *(pl.col(name).cast(dtype) for name, dtype in schema.items()), *PLACE, "repeats"
    )
