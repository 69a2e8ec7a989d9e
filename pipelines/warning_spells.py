"""From a sign by day to spells: raised when it has persisted, cleared when it has been calm."""

from collections.abc import Sequence

import polars as pl


def spells(
    days: pl.DataFrame,
    *,
    above: pl.Expr,
    below: pl.Expr,
    persist: int,
    calm: int,
    told: Sequence[pl.Expr] = (),
) -> pl.DataFrame:
    """The spells of every enterprise; a later day never changes when an earlier one was raised.

    Args:
        days: comparable days, sorted by `uscc` and `day`.
        above: whether a day shows the sign; `persist` such rows in turn raise.
        below: whether a day is calm; `calm` such rows in turn clear. Null is neither.
        persist: rows that raise.
        calm: rows that clear.
        told: what is told of the day on which a spell was raised.

    Returns:
        `uscc begun_on raised_on seen_on cleared_on` and `told`: `begun_on` is the first day since
        the sign was last calm, `seen_on` the last that showed it, `cleared_on` null while it holds.
    """
    shows, is_calm = above.fill_null(False), below.fill_null(False)
    in_turn = days.select(
        "uscc",
        "day",
        *told,
        shows=shows,
        sets=shows.cast(pl.Int8).rolling_min(persist).over("uscc") == 1,
        clears=is_calm.cast(pl.Int8).rolling_min(calm).over("uscc") == 1,
        begun_on=pl.when(is_calm).then("day").forward_fill().over("uscc") + pl.duration(days=1),
    )
    holds = pl.when("sets").then(True).when("clears").then(False).forward_fill().over("uscc")
    first = pl.col("holds") & ~pl.col("holds").shift(1, fill_value=False).over("uscc")
    numbered = (
        in_turn.with_columns(holds=holds.fill_null(False))
        .with_columns(spell=first.cum_sum().over("uscc"))
        .filter(pl.col("spell") > 0)
    )
    names = [expr.meta.output_name() for expr in told]
    lasting = numbered.filter("holds").group_by("uscc", "spell", maintain_order=True)
    over = numbered.filter(~pl.col("holds")).group_by("uscc", "spell")
    return (
        lasting.agg(
            *(pl.col(name).first() for name in names),
            begun_on=pl.min_horizontal(pl.col("begun_on").first(), pl.col("day").first()),
            raised_on=pl.col("day").first(),
            seen_on=pl.col("day").filter("shows").max(),
        )
        .join(over.agg(cleared_on=pl.col("day").min()), on=["uscc", "spell"], how="left")
        .select("uscc", "begun_on", "raised_on", "seen_on", "cleared_on", *names)
        .sort("uscc", "raised_on")
    )
