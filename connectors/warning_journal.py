"""What people said of warnings: acknowledged, closed, reopened, each with who and why."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from connectors.answers import now, refuse_lengthy, speaker
from connectors.feedback import FeedbackError, Journal
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.register_store import today
from pipelines.warning_cycle import WARNING_JOURNAL, states

FOLDER: Final = "warnings"
TEXTS: Final = ("by", "warning_id", "action", "reason")

ACTIONS: Final = ("acknowledge", "close", "reopen")


def journal(home: Home) -> Journal:
    """The journal of a home's warnings."""
    return Journal(home.root, FOLDER, TEXTS)


def entries(home: Home) -> pl.DataFrame:
    """WARNING_JOURNAL of a home; torn lines are left out."""
    said = journal(home).read().entries
    return pl.DataFrame(said, schema=WARNING_JOURNAL)


def say(home: Home, warning_id: str, action: str, reason: str, by: str | None) -> Mapping[str, Any]:
    """Write one action of ACTIONS down; gives the warning and its state now (see `known`).

    FeedbackError where no warning has the id, there is no reason, nobody is known to speak, or what
    is closed is to be acknowledged.
    """
    found = known(home).filter(pl.col("warning_id") == warning_id)
    if found.is_empty():
        remedy = "`parkpulse warning list --all` names them"
        raise FeedbackError(warning_id, "is no warning of this home", remedy)
    if not reason.strip():
        raise FeedbackError(f"warning {warning_id}", "the reason is empty", "give it with --reason")
    if action == "acknowledge" and found["state"].item() == "closed":
        remedy = f"take that back with `parkpulse warning reopen {warning_id}`"
        raise FeedbackError(f"warning {warning_id}", "is closed", remedy)
    entry = {
        "time": now(home), "by": speaker(by), "warning_id": warning_id, "action": action,
        "reason": reason.strip(),
    }  # fmt: skip
    refuse_lengthy([entry])
    journal(home).append([entry])
    return known(home).row(by_predicate=pl.col("warning_id") == warning_id, named=True)


def known(home: Home) -> pl.DataFrame:
    """WARNINGS of a home with their WARNING_STATES of today; FeedbackError before any were made."""
    lake = Lake(home.lake)
    warnings, sites = (lake.read(name, Partition()) for name in ("warnings", "sites"))
    if warnings is None or sites is None:
        raise FeedbackError(home.root, "has no warnings yet", "run `parkpulse materialize`")
    told = states(warnings, entries(home), sites, today(home)).drop("uscc")
    return warnings.join(told, on="warning_id", how="inner", maintain_order="left")
