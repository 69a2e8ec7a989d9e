"""Disclosure control: the handbook's cases, and attacks that must fail."""

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pipelines import disclosure, indicators, suppression
from pipelines.disclosure import CONFIDENTIAL, DOMINANCE, FREQUENCY, SECONDARY, Rule
from pipelines.indicators import CONTRIBUTIONS, DISTRICT_ID, KPI
from pipelines.suppression import Relation

RULE = Rule(p_percent=10)


@pytest.mark.parametrize(
    ("parts", "p_percent", "expected"),
    [
        ([50_000, 49_000, 500, 500], 3, True),  # the second firm estimates the first within 2 %
        ([50_000, 49_000, 500, 500], 2, False),
        ([52_000, 50_000, 8_000], 10, False),  # a margin of 15.4 %
        ([52_000, 50_000, 5_199], 10, True),
        ([52_000, 50_000, 5_200], 10, False),
        ([7], 10, True),
        ([5, 5], 10, True),
        ([], 10, False),
        ([0, 0, 0], 10, False),
    ],
)
def test_p_percent_rule(parts, p_percent, expected):
    assert disclosure.is_dominated(parts, p_percent) == expected


def test_the_parameter_stays_out_of_messages():
    assert "17.5" not in repr(Rule(p_percent=17.5))


def grid(values: list[list[int]]) -> tuple[dict[str, int], list[Relation]]:
    """A two-way table with margins."""
    rows, columns = len(values), len(values[0])
    cells = {f"r{i}c{j}": values[i][j] for i in range(rows) for j in range(columns)}
    cells |= {f"r{i}": sum(values[i]) for i in range(rows)}
    cells |= {f"c{j}": sum(row[j] for row in values) for j in range(columns)}
    cells["all"] = sum(map(sum, values))
    relations = [
        *(Relation(f"r{i}", tuple(f"r{i}c{j}" for j in range(columns))) for i in range(rows)),
        *(Relation(f"c{j}", tuple(f"r{i}c{j}" for i in range(rows))) for j in range(columns)),
        Relation("all", tuple(f"r{i}" for i in range(rows))),
        Relation("all", tuple(f"c{j}" for j in range(columns))),
    ]
    return cells, relations


def subtract_to_fixpoint(relations: list[Relation], hidden: set[str]) -> set[str]:
    """The attack anybody can do with a pencil."""
    found: set[str] = set()
    while True:
        news = {
            unknown[0]
            for relation in relations
            if len(unknown := [c for c in relation.coefficients if c in hidden - found]) == 1
        }
        if not news:
            return found
        found |= news


def test_the_handbooks_table():
    """Region 1: 540 (12 firms), 231 (15). Region 2: 48 (2), 125 (8): 48 needs company."""
    cells, relations = grid([[540, 231], [48, 125]])
    primary = frozenset({"r1c0"})
    assert suppression.derivable(relations, primary) == primary
    chosen = suppression.complete(
        primary, cells, lambda hidden: not suppression.exposed([cells], relations, hidden)
    )
    assert chosen == {"r0c0", "r0c1", "r1c1"}
    assert suppression.bounds(cells, relations, primary | chosen)["r1c0"] == (0, 173)


tables = st.integers(2, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(0, 50), min_size=columns, max_size=columns), min_size=2, max_size=4
    )
)


@given(tables, st.data())
@settings(max_examples=60, deadline=None)
def test_no_attack_by_subtraction_recovers_a_hidden_cell(values, data):
    cells, relations = grid(values)
    inner = sorted(c for c in cells if "c" in c[1:])
    primary = frozenset(data.draw(st.lists(st.sampled_from(inner), min_size=1, max_size=4)))
    chosen = suppression.complete(
        primary, cells, lambda hidden: not suppression.exposed([cells], relations, hidden)
    )
    hidden = set(primary | chosen)
    assert subtract_to_fixpoint(relations, hidden) == set()
    assert not suppression.exposed([cells], relations, frozenset(hidden))
    ranges = suppression.bounds(cells, relations, frozenset(hidden))
    assert all(low <= cells[c] <= high and low < high for c, (low, high) in ranges.items())


@given(tables, st.data())
@settings(max_examples=60, deadline=None)
def test_derivable_equals_the_rank_criterion(values, data):
    cells, relations = grid(values)
    hidden = sorted(set(data.draw(st.lists(st.sampled_from(sorted(cells)), max_size=10))))
    matrix = np.array([[r.coefficients.get(c, 0) for c in hidden] for r in relations], float)
    rank = np.linalg.matrix_rank(matrix) if hidden else 0
    expected = {
        c
        for i, c in enumerate(hidden)
        if np.linalg.matrix_rank(np.vstack([matrix, np.eye(len(hidden))[i]])) == rank
    }
    found = suppression.derivable(relations, frozenset(hidden))
    assert found == expected
    assert subtract_to_fixpoint(relations, set(hidden)) <= found


@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.data())
@settings(max_examples=60, deadline=None)
def test_the_choice_has_the_smallest_loss(sizes, data):
    cells = {f"p{i}": size for i, size in enumerate(sizes)}
    relations = [Relation("all", tuple(cells))]
    cells["all"] = sum(sizes)
    loss = {c: v + (1000 if c == "all" else 0) for c, v in cells.items()}
    primary = frozenset(data.draw(st.sets(st.sampled_from(sorted(cells)), min_size=1)))

    def is_safe(hidden):
        return not suppression.exposed([cells], relations, hidden)

    def cost(chosen):
        return sum(loss[c] for c in chosen)

    subsets = [
        frozenset(c for i, c in enumerate(sorted(cells)) if mask >> i & 1) - primary
        for mask in range(2 ** len(cells))
    ]
    safe = [cost(s) for s in subsets if is_safe(primary | s)]
    best = suppression.complete(primary, loss, is_safe)
    greedy = suppression._greedy(primary, loss, is_safe)
    assert cost(best) == min(safe)
    assert is_safe(primary | greedy)


def kpi_of(rows: list[tuple[str, str, float | None]], target: float | None = None) -> pl.DataFrame:
    known = {r["indicator_id"]: r for r in indicators.dictionary().iter_rows(named=True)}
    return pl.DataFrame(
        [
            {
                "indicator_id": name, "name_zh": known[name]["name_zh"],
                "name_en": known[name]["name_en"], "period": "2026-11-21", "area_id": area,
                "area_zh": area, "unit": known[name]["unit"], "value": value, "lower": value,
                "upper": value, "target": target, "comparator": known[name]["comparator"],
                "verdict": "met", "completeness": 0.98765, "status": indicators.UNCHECKED,
                "respondents": 5,
            }
            for name, area, value in rows
        ],
        schema=KPI,
    )  # fmt: skip


def shares(
    counts: dict[str, dict[str, tuple[int, int]]],
    name: str,
    outside: dict[str, tuple[int, int]] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """KPI and contributions of one indicator from park -> group -> (part, whole)."""
    district: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0), outside or {})
    for groups in counts.values():
        for group, (part, whole) in groups.items():
            district[group] = (district[group][0] + part, district[group][1] + whole)
    everywhere = {**counts, DISTRICT_ID: dict(district)}
    parts = [
        (name, area, group, part, whole)
        for area, groups in everywhere.items()
        for group, (part, whole) in groups.items()
    ]
    values = [
        (name, area, 100 * sum(p for p, _ in g.values()) / total if total else None)
        for area, g in everywhere.items()
        for total in [sum(w for _, w in g.values())]
    ]
    return kpi_of(values), pl.DataFrame(parts, schema=CONTRIBUTIONS, orient="row")


def firms(n: int, on_cloud: int, prefix: str) -> dict[str, tuple[int, int]]:
    return {f"{prefix}{i}": (int(i < on_cloud), 1) for i in range(n)}


def reasons(rows: pl.DataFrame) -> dict[str, str]:
    hidden = rows.filter(pl.col("status") == CONFIDENTIAL)
    return dict(hidden.select("area_id", "reason").iter_rows())


def test_a_small_park_takes_the_smallest_other_park_with_it():
    kpi, parts = shares(
        {"P01": firms(2, 1, "a"), "P02": firms(40, 20, "b"), "P03": firms(30, 20, "c")},
        "sme_cloud_share",
    )
    rows = disclosure.protect(kpi, parts, RULE)
    assert reasons(rows) == {"P01": FREQUENCY, "P03": SECONDARY}
    hidden = rows.filter(pl.col("status") == CONFIDENTIAL)
    assert hidden.select(disclosure.HIDDEN_COLUMNS).null_count().row(0) == (2,) * 6
    assert disclosure.audit(rows, parts).is_empty()
    assert not disclosure.audit(
        rows.with_columns(
            status=pl.when(pl.col("area_id") == "P03").then(pl.lit("p")).otherwise("status")
        ),
        parts,
    ).is_empty()


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        (1, {"P02": SECONDARY}),  # else district less parks is one firm's own figure
        (2, {"P02": SECONDARY}),
        (9, {"P02": SECONDARY}),  # a percentage of fewer than ten
        (10, {}),
    ],
)
def test_who_is_in_no_park_does_not_follow_from_the_district_less_its_parks(outside, expected):
    parks = {"P01": firms(40, 20, "a"), "P02": firms(30, 20, "b")}
    kpi, parts = shares(parks, "sme_cloud_share", firms(outside, 1, "o"))
    rows = disclosure.protect(kpi, parts, RULE)
    assert reasons(rows) == expected
    assert disclosure.audit(rows, parts).is_empty()
    assert set(rows["area_id"]) == {"P01", "P02", DISTRICT_ID}
    open_to_all = rows.with_columns(status=pl.lit("p"))
    leaks = disclosure.audit(open_to_all, parts)["area_id"].to_list()
    assert leaks == ([disclosure.OUTSIDE] if outside < 3 else [])


def test_who_is_in_two_parks_is_not_outside_any():
    parks = {"P01": firms(40, 20, "a"), "P02": firms(40, 20, "a")}
    kpi, parts = shares(parks, "sme_cloud_share")
    once = parts.with_columns(
        numerator=pl.col("numerator").clip(0, 1), denominator=pl.col("denominator").clip(0, 1)
    )
    assert reasons(disclosure.protect(kpi, once, RULE)) == {}


@pytest.mark.parametrize(
    ("completeness", "decimals", "printed"),
    [(0.29, 0, 0.29), (0.57, 0, 0.57), (0.999, 0, 0.99), (0.58, 1, 0.58), (1.0, 1, 1.0)],
)
def test_completeness_is_cut_in_decimals(completeness, decimals, printed):
    assert disclosure._cut(completeness, decimals) == printed


def test_one_legal_group_is_one_respondent():
    owned = {"P01": {"G": (3, 6), "a": (2, 6), "b": (3, 6)}, "P02": firms(40, 20, "b")}
    kpi, parts = shares(owned, "sme_cloud_share")
    assert reasons(disclosure.protect(kpi, parts, RULE)) == {}
    merged = {"P01": {"G": (5, 12), "b": (3, 6)}, "P02": firms(40, 20, "b")}
    kpi, parts = shares(merged, "sme_cloud_share")
    assert reasons(disclosure.protect(kpi, parts, RULE)) == {"P01": FREQUENCY, "P02": SECONDARY}


def test_a_percentage_of_fewer_than_ten_is_hidden():
    kpi, parts = shares(
        {"P01": firms(9, 4, "a"), "P02": firms(12, 5, "b"), "P03": firms(12, 5, "c")},
        "sme_cloud_share",
    )
    assert reasons(disclosure.protect(kpi, parts, RULE)) == {"P01": FREQUENCY, "P02": SECONDARY}


def test_a_dominant_group_hides_devices():
    parks = {
        "P01": {"big": (500, 600), "b": (10, 20), "c": (5, 9)},
        "P02": {f"x{i}": (20 + i, 40 + i) for i in range(6)},
        "P03": {f"y{i}": (20 + i, 30 + i) for i in range(6)},
    }
    kpi, parts = shares(parks, "device_cloud_rate")
    rows = disclosure.protect(kpi, parts, Rule(p_percent=15))
    assert reasons(rows)["P01"] == DOMINANCE
    assert sorted(reasons(rows)) == ["P01", "P03"]
    assert reasons(disclosure.protect(kpi, parts, Rule(p_percent=0.5))) == {}


def test_two_small_parks_whose_sum_is_small_take_a_third():
    kpi, parts = shares(
        {
            "P01": firms(1, 1, "a"), "P02": firms(1, 0, "b"),
            "P03": firms(30, 20, "c"), "P04": firms(31, 20, "d"),
        },
        "sme_cloud_share",
    )  # fmt: skip
    rows = disclosure.protect(kpi, parts, RULE)
    assert reasons(rows) == {"P01": FREQUENCY, "P02": FREQUENCY, "P03": SECONDARY}


def test_all_or_nothing_is_told_by_the_total_alone():
    """Where every hidden firm is off the cloud, one more park with a firm on it must go."""
    kpi, parts = shares(
        {"P01": firms(2, 0, "a"), "P02": firms(20, 0, "b"), "P03": firms(40, 20, "c")},
        "sme_cloud_share",
    )
    assert reasons(disclosure.protect(kpi, parts, RULE)) == {"P01": FREQUENCY, "P03": SECONDARY}


def test_what_an_earlier_vintage_shows_cannot_cover():
    kpi, parts = shares(
        {"P01": firms(2, 1, "a"), "P02": firms(40, 20, "b"), "P03": firms(30, 20, "c")},
        "sme_cloud_share",
    )
    before = pl.DataFrame(
        {"indicator_id": ["sme_cloud_share"] * 2, "area_id": ["P03", DISTRICT_ID]}
    )
    assert reasons(disclosure.protect(kpi, parts, RULE, before)) == {
        "P01": FREQUENCY,
        "P02": SECONDARY,
    }


def test_figures_of_one_family_share_a_pattern_and_programme_counts_stay():
    kpi, parts = shares(
        {
            "P01": {"a": (1, 2)},
            "P02": dict.fromkeys("bcdef", (5, 9)),
            "P03": dict.fromkeys("ghijk", (4, 9)),
        },
        "oee",
    )
    more, parts_more = shares(
        {
            "P01": {"a": (2, 2)},
            "P02": dict.fromkeys("bcdef", (6, 9)),
            "P03": dict.fromkeys("ghijk", (7, 9)),
        },
        "availability",
    )
    rows = disclosure.protect(
        pl.concat([kpi, more, kpi_of([("smart_factories", DISTRICT_ID, 2.0)])]),
        pl.concat([parts, parts_more]),
        RULE,
    )
    by = {(r["indicator_id"], r["area_id"]): r["reason"] for r in rows.iter_rows(named=True)}
    assert {a: by["oee", a] for a in ("P01", "P02", "P03")} == {
        a: by["availability", a] for a in ("P01", "P02", "P03")
    }
    assert by["smart_factories", DISTRICT_ID] is None


def test_an_unattributed_figure_fails_closed_and_an_empty_park_is_missing():
    kpi = kpi_of([("oee", "P01", 55.0), ("oee", "P02", None), ("sensing_terminals", "P02", 0.0)])
    rows = disclosure.protect(kpi, pl.DataFrame(schema=CONTRIBUTIONS), RULE)
    assert rows["status"].to_list() == ["c", "m", "p"]


def test_what_is_not_reliable_stays_without_a_number_and_says_so():
    kpi, parts = shares({"P01": firms(30, 20, "a"), "P02": firms(60, 41, "b")}, "sme_cloud_share")
    unknown = pl.col("area_id") == "P01"
    kept_out = kpi.with_columns(
        pl.when(~unknown).then(pl.col("value", "lower", "upper")),
        status=pl.when(unknown).then(pl.lit(indicators.INCOMPLETE)).otherwise("status"),
    )
    rows = disclosure.protect(kept_out, parts, RULE)
    assert dict(rows.select("area_id", "status").iter_rows())["P01"] == indicators.INCOMPLETE
    row = rows.filter(unknown).row(0, named=True)
    assert (row["value"], row["upper"], row["reason"]) == (None, None, None)
    assert row["completeness"] is not None


def test_figures_are_printed_no_finer_than_their_population_allows():
    kpi, parts = shares({"P01": firms(30, 20, "a"), "P02": firms(600, 401, "b")}, "sme_cloud_share")
    rows = disclosure.protect(kpi, parts, RULE)
    printed = dict(rows.select("area_id", "value").iter_rows())
    assert printed == {"P01": 67.0, "P02": 66.8, DISTRICT_ID: 66.8}
    assert dict(rows.select("area_id", "completeness").iter_rows())["P01"] == 0.98


group_counts = st.dictionaries(
    st.sampled_from([f"g{i}" for i in range(8)]),
    st.integers(0, 9).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))),
    min_size=1, max_size=8,
)  # fmt: skip


@given(st.lists(group_counts, min_size=1, max_size=5), st.sampled_from([5.0, 15.0, 40.0]))
@settings(max_examples=60, deadline=None)
def test_no_hidden_figure_is_exactly_known_even_to_a_linear_program(parks, p_percent):
    """The attacker solves for numerators and for the rest of each hidden cell."""
    counts = {f"P{i:02}": groups for i, groups in enumerate(parks)}
    kpi, parts = shares(counts, "device_cloud_rate")
    rows = disclosure.protect(kpi, parts, Rule(p_percent=p_percent))
    assert disclosure.audit(rows, parts).is_empty()
    hidden = reasons(rows)
    areas = [*counts, DISTRICT_ID]
    sums = {
        area: tuple(
            parts.filter(pl.col("area_id") == area)
            .select(pl.col("numerator", "denominator").sum())
            .row(0)
        )
        for area in areas
    }
    signs = np.array([[*[1.0] * len(counts), -1.0]])
    for table in ({a: n for a, (n, _) in sums.items()}, {a: d - n for a, (n, d) in sums.items()}):
        limits = [(0, None) if a in hidden else (table[a], table[a]) for a in areas]
        for place, area in enumerate(areas):
            if area not in hidden:
                continue
            aim = np.eye(len(areas))[place]
            low = linprog(aim, A_eq=signs, b_eq=[0], bounds=limits).fun
            top = linprog(-aim, A_eq=signs, b_eq=[0], bounds=limits)
            assert top.status == 3 or -top.fun - low > 1e-6
