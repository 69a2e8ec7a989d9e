"""Commands of the park register: import, conflicts, show, template."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from connectors.errors import ParkPulseError, RegisterFileError
from connectors.options import DAY, FILE, Target
from parkpulse.common import home_option, json_option, patience, say, use


class TableName(click.ParamType[str]):
    """A table of the register; their list is read only when one is named."""

    name = "TABLE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, or the names that there are."""
        from pipelines.park_schemas import REGISTER

        if value not in REGISTER:
            self.fail(f"{value!r} is none of {', '.join(REGISTER)}", param, ctx)
        return value


TABLE: Final = TableName()


@click.group()
def register() -> None:
    """The park register 园区名录: import, where sources differ, what is known of one."""


@register.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--table", type=TABLE, default=None, help="Which table it is. [told by its head]")
@click.option("--sheet", default=None, help="The only worksheet to read. [all that are not hidden]")
@click.option(
    "--as-of",
    type=DAY,
    default=None,
    help="From when rows without 开始日期 hold. [the home's today]",
)
@click.option("--source", default=None, help="Who says it. [the file's name]")
@click.option(
    "--rank",
    type=click.Choice(["office", "platform"]),
    default="office",
    show_default=True,
    help="Whose file it is: the office's stands above gateways, a platform's below.",
)
@click.option("--again", is_flag=True, help="Import a file whose bytes were imported before.")
@home_option
@json_option
def import_files(
    files: tuple[Path, ...],
    table: str | None,
    sheet: str | None,
    as_of: datetime | None,
    source: str | None,
    rank: str,
    again: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Import CSV, XLSX or Parquet FILES: good rows go in, the others into a report.

    Ends with 0 if all went in, 1 if some rows were refused, 2 if a file could not be read at all.
    """
    from connectors.register_import import import_file
    from connectors.register_view import outcome_json, outcome_lines

    paths, code, told = use(home), 0, list[dict[str, Any]]()
    for path in files:
        try:
            with patience(f"register: reading {path}"):
                outcomes = import_file(
                    paths,
                    path,
                    table=table,
                    sheet=sheet,
                    as_of=as_of.date() if as_of else None,
                    source=source,
                    rank=rank,
                    again=again,
                )
        except RegisterFileError as error:
            say(f"register: {error}")
            code = 2
            continue
        for outcome in outcomes:
            code = max(code, int(outcome.imported.refused > 0))
            told.append(outcome_json(str(path), outcome))
            for line in () if as_json else outcome_lines(outcome, str(home)):
                click.echo(line)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    sys.exit(code)


@register.command()
@home_option
@json_option
def conflicts(home: Path, as_json: bool) -> None:
    """Where sources differ: what stands, what does not, why; and what is named but not known."""
    from connectors.console import console
    from connectors.register_known import known
    from connectors.register_view import conflicts_view, frames_json

    with patience("register: weighing every import"):
        whole = known(use(home))
    if as_json:
        click.echo(frames_json({"conflicts": whole.conflicts, "dangling": whole.dangling}))
    else:
        console().print(*conflicts_view(whole), sep="\n")


@register.command()
@click.argument("uscc")
@click.option(
    "--on", type=DAY, default=None, help="Only what held on this local day. [its history]"
)
@home_option
@json_option
def show(uscc: str, on: datetime | None, home: Path, as_json: bool) -> None:
    """What the register knows of one enterprise (its 统一社会信用代码), version by version."""
    import polars as pl

    from connectors.console import console
    from connectors.register_known import known
    from connectors.register_view import enterprise_view, frames_json
    from pipelines.versions import as_of

    with patience("register: weighing every import"):
        tables = known(use(home)).tables
    found = {
        name: rows.filter(pl.col("uscc") == uscc)
        for name, rows in tables.items()
        if "uscc" in rows.columns
    }
    if all(rows.is_empty() for rows in found.values()):
        raise ParkPulseError(uscc, "the register does not know it", "`register import` it first")
    if on is not None:
        found = {
            name: as_of(rows, on.date()) if "valid_from" in rows.columns else rows
            for name, rows in found.items()
        }
    if as_json:
        click.echo(frames_json(found))
    else:
        console().print(*enterprise_view(found), sep="\n")


@register.command()
@click.argument("table", type=TABLE)
@click.argument("out", type=Target(".xlsx"))
def template(table: str, out: Path) -> None:
    """Write an empty sheet of TABLE to OUT.xlsx, with heads, notes and lists to choose from."""
    from connectors.home import write_atomic
    from connectors.register_template import template as sheet

    write_atomic(out, sheet(table))
    click.echo(f"{out}: {table}")
