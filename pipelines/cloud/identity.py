"""Which listings of terminals are one device: docs/decisions/0035, "Identity".

Platforms list the same device under numbers of their own. Two listings are one unit when they
share the strongest key that both have, and so on along chains of listings.
"""

from typing import Final

import polars as pl

from pipelines.cloud.components import components

LISTING: Final = ["platform", "terminal_id"]

LADDER: Final = ("product_instance_uri", "serial", "mac", "asset")
"""Keys of a device, strongest first; `serial` is manufacturer and serial number, `asset` the asset
id within its enterprise."""

NOT_KEYS: Final = r"^(?:[0:\-.\s]*|[fF:\-.\s]*|(?i:n/?a|none|null|unknown|无|不详))$"
"""What people type where a device has no key: nothing, all zeros, all F, words for unknown."""


def keys() -> list[pl.Expr]:
    """The ladder of a listing as texts, null where it lacks one."""

    def key(*names: str) -> pl.Expr:
        texts = [pl.col(name).str.strip_chars() for name in names]
        said = [pl.when(~text.str.contains(NOT_KEYS)).then(text) for text in texts]
        return pl.concat_str(said, separator="\x1f")

    mac = pl.col("mac").str.to_lowercase().str.replace_all(r"[:\-.\s]", "")
    return [
        key("product_instance_uri").alias("product_instance_uri"),
        key("manufacturer", "serial_number").alias("serial"),
        pl.when(~mac.str.contains(NOT_KEYS)).then(mac).alias("mac"),
        key("uscc", "asset_id").alias("asset"),
    ]


def units(listings: pl.DataFrame) -> pl.DataFrame:
    """`platform terminal_id unit_id is_ambiguous`, one row per listing of one day's TERMINALS.

    `unit_id` is the strongest key of the device, or the listing where it has none. An ambiguous
    listing could belong to several devices and is a unit of its own.
    """
    found = listings.select(*LISTING, *keys()).with_row_index("node")
    links = _links(found)
    tangled = found.filter(pl.col("node").is_in(pl.concat([links["a"], links["b"]]).implode()))
    alone = found.join(tangled, on="node", how="anti")
    single = alone.select("node", unit_id=name(), is_ambiguous=pl.lit(value=False))
    together = _named(tangled, links)
    return (
        found.select("node", *LISTING)
        .join(pl.concat([single, together]), on="node", maintain_order="left")
        .drop("node")
    )


def name() -> pl.Expr:
    """What a device is called that no other listing tells of; needs `keys`."""
    strongest = [pl.concat_str(pl.lit(f"{kind}:"), pl.col(kind)) for kind in LADDER]
    return pl.coalesce(*strongest, _itself())


def _itself() -> pl.Expr:
    told = [pl.col(part).fill_null("") for part in LISTING]
    return pl.concat_str(pl.lit("listing:"), *told, separator="\x1f")


def _links(found: pl.DataFrame) -> pl.DataFrame:
    """Pairs of nodes (`a` < `b`) that share the strongest key that both have."""
    pairs = []
    for place, kind in enumerate(LADDER):
        shared = found.filter(pl.col(kind).is_not_null() & pl.col(kind).is_duplicated())
        both = shared.select(a="node", key=kind, **{k: pl.col(k) for k in LADDER[:place]}).join(
            shared.select(b="node", key=kind, **{k: pl.col(k) for k in LADDER[:place]}),
            on="key",
        )
        is_strongest = [
            pl.col(k).is_null() | pl.col(f"{k}_right").is_null() for k in LADDER[:place]
        ]
        pairs.append(both.filter(pl.col("a") < pl.col("b"), *is_strongest).select("a", "b"))
    return pl.concat(pairs)


def _named(tangled: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """`node unit_id is_ambiguous` of listings that are linked to others."""
    whole = tangled.join(components(links), on="node")
    strongest = pl.coalesce(
        *[
            pl.when(pl.col(kind).is_not_null().any().over("component")).then(pl.lit(place))
            for place, kind in enumerate(LADDER)
        ]
    )
    own = pl.coalesce(
        *[
            pl.when(pl.col("rung") == place).then(pl.concat_str(pl.lit(f"{kind}:"), pl.col(kind)))
            for place, kind in enumerate(LADDER)
        ]
    )
    keyed = whole.with_columns(rung=strongest).with_columns(own=own)
    said = pl.col("own").drop_nulls().n_unique().over("component")
    one = keyed.with_columns(several=said > 1, unit_id=pl.col("own").min().over("component"))
    clear = one.filter(~pl.col("several")).select(
        "node", "unit_id", is_ambiguous=pl.lit(value=False)
    )
    knots = one.filter("several")
    return clear if knots.is_empty() else pl.concat([clear, _parted(knots, links)])


def _parted(knots: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Chains that join two devices: who has the strongest key goes by it, the rest if it can."""
    keyed = knots.filter(pl.col("own").is_not_null())
    keyless = knots.filter(pl.col("own").is_null())
    weak = keyless.select("node")
    among = links.join(weak, left_on="a", right_on="node").join(weak, left_on="b", right_on="node")
    selves = weak.select(a="node", b="node")
    groups = components(pl.concat([among, selves]))
    either = pl.concat([links, links.select(a="b", b="a")])
    reached = (
        groups.join(either, left_on="node", right_on="a")
        .join(keyed.select(b="node", own="own"), on="b")
        .group_by("component")
        .agg(pl.col("own").unique())
    )
    is_clear = pl.col("own").list.len() == 1
    lone = _itself()
    placed = keyless.select("node", *LISTING).join(groups, on="node").join(reached, on="component")
    return pl.concat(
        [
            keyed.select("node", unit_id="own", is_ambiguous=pl.lit(value=False)),
            placed.select(
                "node",
                unit_id=pl.when(is_clear).then(pl.col("own").list.first()).otherwise(lone),
                is_ambiguous=~is_clear,
            ),
        ]
    )
