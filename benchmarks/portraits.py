"""`python -m benchmarks.portraits`: portraits and quartiles of 5,000 enterprises of 400 days."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

import click
import polars as pl

from connectors.simulator import enterprise_days
from pipelines.park_schemas import ENTERPRISES, MACHINES, SITES, TERMINALS, WARNINGS
from pipelines.portrait import DECLARED, LIVENESS_OF_FIRMS, OEE_OF_FIRMS, Known, portraits
from pipelines.quartiles import quartiles, with_peers
from pipelines.self_view import self_view

ON: Final = date(2026, 9, 30)
BEGAN: Final = date(2024, 1, 1)
SECTORS: Final = ["C26", "C27", "C34", "C36", "C38", "C39", "B10", "D44"]
MACHINES_EACH: Final = 8


@click.command()
@click.option("--firms", default=5_000, show_default=True)
@click.option("--days", default=400, show_default=True)
def main(firms: int, days: int) -> None:
    """Print seconds; the days are made before the clock starts."""
    known = _known(firms, days)
    click.echo(f"{known.enterprise_days.height:,} days of {firms:,} enterprises")
    made = _timed("portraits", lambda: portraits(known, ON))
    told = _timed("quartiles", lambda: quartiles(made, known.enterprises))
    full = _timed("peers", lambda: with_peers(made, told))
    _timed("one self view", lambda: self_view(full, told, full.item(0, "uscc")))
    shown = told.filter(pl.col("median").is_not_null())
    by_basis = shown.group_by("basis").len().sort("basis").rows()
    click.echo(f"medians told {shown.height} of {told.height} rows: {by_basis}")


def _timed(name: str, work: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - begun)
    click.echo(f"{name}: {min(took):.3f} s, the best of {len(took)}")
    return found


def _known(firms: int, days: int) -> Known:
    register = [(f"F{n:06}", SECTORS[n % len(SECTORS)], 5 + n % 700) for n in range(firms)]
    invented = enterprise_days.firms(1, register)
    table = enterprise_days.table(invented, ON - timedelta(days=days - 1), ON, 1)
    return Known(
        enterprises=_frame([_enterprise(*row) for row in register], ENTERPRISES),
        sites=_frame([_site(n, uscc) for n, (uscc, _, _) in enumerate(register)], SITES),
        machines=_frame(
            [_machine(uscc, n) for uscc, _, _ in register for n in range(MACHINES_EACH)], MACHINES
        ),
        terminals=_frame(
            [_terminal(uscc, n) for uscc, _, _ in register for n in range(MACHINES_EACH)], TERMINALS
        ),
        enterprise_days=pl.DataFrame(table),
        warnings=WARNINGS.to_frame(),
        liveness=_frame(
            [
                {"uscc": uscc, "terminals": 8, "terminals_online": n % 9}
                for n, (uscc, _, _) in enumerate(register)
            ],
            LIVENESS_OF_FIRMS,
        ),
        declared=DECLARED.to_frame(),
        oee=OEE_OF_FIRMS.to_frame(),
    )


def _frame(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema)


def _enterprise(uscc: str, sector: str, staff: int) -> dict[str, Any]:
    return {
        "uscc": uscc, "staff": staff, "revenue_wan": staff * 40.0, "industry_code": f"{sector}10",
        "register_status": "在营", "in_new_city": True, "valid_from": BEGAN,
    }  # fmt: skip


def _site(n: int, uscc: str) -> dict[str, Any]:
    return {"site_id": uscc, "uscc": uscc, "park_id": f"P0{n % 4}", "valid_from": BEGAN}


def _machine(uscc: str, n: int) -> dict[str, Any]:
    return {
        "machine_id": f"{uscc}-{n}", "uscc": uscc, "kind": "machine", "is_digital": n % 3 > 0,
        "is_networked": n % 2 > 0, "interface_level": n % 4, "valid_from": BEGAN,
    }  # fmt: skip


def _terminal(uscc: str, n: int) -> dict[str, Any]:
    return {
        "terminal_id": f"{uscc}-{n}", "platform": "p", "uscc": uscc, "kind": "device",
        "machine_id": f"{uscc}-{n}", "chain_stage": "production", "activated_on": BEGAN,
        "valid_from": BEGAN,
    }  # fmt: skip


if __name__ == "__main__":
    main()
