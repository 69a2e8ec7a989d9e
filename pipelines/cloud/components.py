"""Connected components of a small graph, by the least label in reach."""

from typing import Final

import polars as pl

MAX_ROUNDS: Final = 10_000
"""Far more than labels need to travel along any chain that a register holds."""


def components(links: pl.DataFrame) -> pl.DataFrame:
    """`node component` of every node of `links` (`a b`); a component is named by its least node.

    Raises RuntimeError for chains longer than MAX_ROUNDS.
    """
    either = pl.concat([links.select("a", "b"), links.select(a="b", b="a")]).unique()
    labels = either.select(node="a").unique().with_columns(component=pl.col("node"))
    for _ in range(MAX_ROUNDS):
        nearest = (
            either.join(labels, left_on="b", right_on="node")
            .group_by("a")
            .agg(near=pl.col("component").min())
        )
        nearer = labels.join(nearest, left_on="node", right_on="a").select(
            "node", component=pl.min_horizontal("component", "near")
        )
        jumped = nearer.join(
            nearer.select(component="node", further="component"), on="component"
        ).select("node", component="further")
        if jumped.sort("node").equals(labels.sort("node")):
            return labels
        labels = jumped
    raise RuntimeError(f"a chain of over {MAX_ROUNDS} listings")
