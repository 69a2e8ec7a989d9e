"""Which listings are one device, beside a slow twin that follows every pair."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cloud import identity
from pipelines.park_schemas import TERMINALS

KEYS = ("product_instance_uri", "serial_number", "mac", "asset_id")
few = st.sampled_from([None, None, "1", "2"])
listing = st.fixed_dictionaries(
    {"product_instance_uri": few, "serial_number": few, "mac": few, "asset_id": few}
)

Keys = tuple[str | None, ...]


def slow_units(keys: list[Keys]) -> list[tuple[str | None, bool]]:
    """The device of each listing by its strongest key (null: by itself), and whether it could be
    several; by walking from listing to listing."""

    def linked(a: Keys, b: Keys) -> bool:
        for one, other in zip(a, b, strict=True):
            if one is not None and other is not None:
                return one == other
        return False

    def reach(start: int, through: set[int]) -> set[int]:
        found, border = {start}, [start]
        while border:
            here = border.pop()
            for there in through - found:
                if linked(keys[here], keys[there]):
                    found.add(there)
                    border.append(there)
        return found

    every = set(range(len(keys)))
    answers: list[tuple[str | None, bool]] = []
    for place, own in enumerate(keys):
        group = reach(place, every)
        rungs = [r for r in range(4) if any(keys[p][r] is not None for p in group)]
        if not rungs:
            answers.append((None, False))
            continue
        rung = rungs[0]
        if own[rung] is not None:
            answers.append((f"{rung}:{own[rung]}", False))
            continue
        keyless = {p for p in group if keys[p][rung] is None}
        around = reach(place, keyless)
        could = {
            keys[p][rung] for p in group - keyless if any(linked(keys[p], keys[q]) for q in around)
        }
        several = len(could) > 1
        answers.append((None if several else f"{rung}:{could.pop()}", several))
    return answers


@given(st.lists(listing, min_size=1, max_size=7))
def test_as_the_slow_twin_says(listings: list[dict[str, str | None]]) -> None:
    rows = [
        {"platform": "p", "terminal_id": str(n), "uscc": "u", "manufacturer": "m", **one}
        for n, one in enumerate(listings)
    ]
    found = identity.units(pl.DataFrame(rows, schema=TERMINALS))
    assert found["terminal_id"].to_list() == [str(n) for n in range(len(rows))]
    slow = slow_units([tuple(one[name] for name in KEYS) for one in listings])
    assert found["is_ambiguous"].to_list() == [several for _, several in slow]
    ours = found["unit_id"].to_list()
    for a in range(len(rows)):
        for b in range(a):
            same = slow[a][0] is not None and slow[a] == slow[b]
            assert (ours[a] == ours[b]) == same, (a, b)


@given(st.lists(listing, min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_in_whatever_order(listings: list[dict[str, str | None]], random) -> None:
    rows = [
        {"platform": "p", "terminal_id": str(n), "uscc": "u", "manufacturer": "m", **one}
        for n, one in enumerate(listings)
    ]
    shuffled = random.sample(rows, len(rows))
    first, second = (
        identity.units(pl.DataFrame(some, schema=TERMINALS)).sort("terminal_id")
        for some in (rows, shuffled)
    )
    assert first.equals(second)
