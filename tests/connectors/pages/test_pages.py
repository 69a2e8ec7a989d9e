"""Pages are whole, load nothing, escape all, speak two languages, and say what they lack."""

import re
from base64 import b64encode
from dataclasses import replace
from datetime import date
from functools import cache
from hashlib import sha256
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ParkPulseError
from connectors.pages import (
    PageFrames,
    adoption_view,
    factory_view,
    list_view,
    risk_words,
    sectors,
    words,
    write_pages,
)
from connectors.pages.desk import Desk
from connectors.pages.frames import SCHEMAS
from connectors.pages.write import pages
from pipelines import evidence_cards
from pipelines.indicators import dictionary
from tests.connectors.pages import firms, invented
from tests.connectors.pages.invented import published, rendered
from tests.connectors.pages.well_formed import Page

CJK = re.compile(r"[\u3400-\u9fff]")
KEYS = {
    "uscc", "park_id", "factory_id", "indicator_id", "area_id", "project_id", "successor_uscc",
    "park_ids", "subject_kind", "subject_id", "level", "dimension", "class_id", "metric_id",
    "basis", "stage", "of", "status", "kind", "network", "severity", "declared", "discrepancy",
    "state", "phase", "verdict", "comparator", "unit", "sector", "size_class", "quarter", "figure",
    "cloud_declared", "chain_stage", "site_id", "warning_id", "chain", "service_id",
}  # fmt: skip
"""Columns that say what a row is; all other texts are whatever somebody wrote."""


def page(frames, wanted, tier="park"):
    """One page, without making those after it."""
    return next(text for name, text in pages(Desk(frames, tier)) if name == wanted)


@pytest.fixture(scope="module")
def small():
    return invented.small()


@pytest.fixture(scope="module")
def whole(small):
    """All pages of whole frames in one text."""
    return "".join(rendered(small).values())


@pytest.fixture(scope="module", params=["park", "public"])
def read(request, small):
    """Pages of a tier, read."""
    return {name: Page(text) for name, text in rendered(small, request.param).items()}


def test_every_page_is_well_formed_and_loads_nothing(read):
    assert {name: one.wrong for name, one in read.items() if one.wrong} == {}
    for one in read.values():
        assert len(one.ids) == len(set(one.ids))
        assert one.tags.count(("script", ())) == 1


def test_every_link_is_another_page_or_a_place_on_this_one(read):
    for name, one in read.items():
        for link in one.links:
            file, _, place = link.partition("#")
            assert (file or name) in read, link
            assert not place or place in read[file or name].ids


def test_the_policy_lets_a_page_run_only_what_it_was_written_with(read):
    for one in read.values():
        assert one.policy.startswith("default-src 'none';")
        for kind, text in one.raw.items():
            digest = b64encode(sha256(text.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in one.policy


def test_every_page_speaks_both_languages(read):
    quoting = set(dictionary()["definition_en"])
    for name, one in read.items():
        zh, en = " ".join(one.texts["zh"]), one.texts["en"]
        assert CJK.search(zh), name
        assert len(" ".join(en).split()) > 20, name
        assert [text for text in en if CJK.search(text) and text not in quoting] == [], name


def test_cards_say_that_no_official_criteria_are_known(read):
    zh, en = (" ".join(read["cards.html"].texts[language]) for language in ("zh", "en"))
    assert evidence_cards.UNOFFICIAL[0] in zh
    assert evidence_cards.UNOFFICIAL[1][1:] in en


def test_warnings_that_do_not_press_unfold(small):
    one = small.warnings.head(1)
    said = [(f"w{n}", "medium" if n < 2 else "low") for n in range(20)]
    told = pl.DataFrame(said, schema=["warning_id", "severity"], orient="row")
    rows = told.join(one.drop("warning_id", "severity"), how="cross").select(one.columns)
    frames = replace(small, warnings=rows)
    counts = []
    for park in invented.PARKS:
        text = page(frames, f"park-{park}.html")
        (warned,) = re.findall(r"风险预警</span>.*?</section>", text, re.DOTALL)[:1]
        shown, _, folded = warned.partition("<details>")
        counts.append((shown.count('<li class="low">'), folded.count('<li class="low">')))
        assert '<li class="medium">' not in folded
        assert shown.count('<li class="medium">') == (2 if folded else 0)
    assert (4, 14) in counts


@pytest.mark.parametrize("module", [words, risk_words, sectors])
def test_every_term_has_an_english_word(module):
    odd = ("GROUP_OF", "DISCREPANCY", "NO_DATA")
    for name, terms in vars(module).items():
        if isinstance(terms, dict) and name.isupper() and name not in odd:
            assert [pair for pair in terms.values() if CJK.search(pair[1])] == [], name


def test_the_same_frames_are_the_same_bytes(tmp_path, small):
    first = write_pages(tmp_path / "a", small)
    again = write_pages(tmp_path / "b", small)
    assert [path.name for path in first] == [path.name for path in again]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert first[0].name == "index.html"
    assert len(list((tmp_path / "a").iterdir())) == len(first)


def test_no_page_of_before_stays_beside_the_new_ones(tmp_path, small):
    foreign = tmp_path / "mine.html"
    foreign.write_text("<!doctype html><title>not ours</title>")
    write_pages(tmp_path, small)
    assert list(tmp_path.glob("enterprise-*.html"))
    written = write_pages(tmp_path, small, "public")
    assert set(tmp_path.iterdir()) == {foreign, *written}


@given(seed=st.integers(0, 2**32))
@settings(max_examples=3)
def test_the_order_of_rows_does_not_matter(seed):
    small = invented.small()
    names = (
        "warnings",
        "portraits",
        "adoption",
        "liveness",
        "sites",
        "oee_days",
        "projects",
        "funnel",
    )
    shuffled = {n: getattr(small, n).sample(fraction=1.0, shuffle=True, seed=seed) for n in names}
    assert rendered(replace(small, **shuffled)) == rendered(small)


def named(frames, text):
    """The same frames with every free text replaced; Chinese and English differ."""
    told = {}
    for name, schema in SCHEMAS.items():
        frame = getattr(frames, name)
        free = [c for c, t in schema.items() if t == pl.String and c not in KEYS]
        told[name] = frame.with_columns(
            pl.lit(text + ("b" if column.endswith("_en") else "a")).alias(column) for column in free
        )
    return replace(frames, parks={"P01": (f"{text}a", f"{text}b")}, **told)


HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></title>",
    "{{ 7*7 }}",
    "&lt;",
]


@cache
def plain_tags():
    return {n: Page(text).tags for n, text in rendered(named(invented.small(1), "x")).items()}


def is_built_the_same(text):
    hostile = rendered(named(invented.small(1), text))
    assert list(hostile) == list(plain_tags())
    for name, content in hostile.items():
        found = Page(content)
        assert found.wrong == []
        assert found.tags == plain_tags()[name]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_adds_no_element(text):
    is_built_the_same(text)


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12))
@settings(max_examples=4)
def test_whatever_a_thing_is_called_the_page_is_built_the_same(text):
    is_built_the_same(text)


def test_a_hostile_identifier_makes_no_path(tmp_path, small):
    for bad in ("../../evil", "", "C:\\x", "x" * 300):
        odd = {
            name: getattr(small, name).with_columns(uscc=pl.lit(bad))
            for name in ("portraits", "enterprises", "sites", "warnings")
        }
        folder = tmp_path / "pages"
        for path in write_pages(folder, replace(small, **odd, parks={bad: ("甲", "A")})):
            assert path.parent == folder
            assert Page(path.read_text("utf-8")).wrong == []
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]


def test_pages_without_any_frame_say_what_to_do():
    made = rendered(PageFrames(day=firms.DAY))
    for name, content in made.items():
        assert Page(content).wrong == []
        assert words.IMPORT in content or words.MATERIALIZE in content, name
    assert "enterprise-" not in "".join(made)


@pytest.mark.parametrize("name", [*SCHEMAS, "parks"])
def test_a_page_says_which_frame_it_lacks(small, whole, name):
    lacking = replace(small, **{name: {} if name == "parks" else None})
    (zh, en), command = words.NO_DATA[name]
    made = "".join(rendered(lacking).values())
    assert f"尚无{zh}" in made
    assert f"No data yet: {en}" in made
    assert command in made
    assert f"尚无{zh}" not in whole


def test_empty_frames_are_no_missing_ones(small):
    empty = {name: getattr(small, name).clear() for name in SCHEMAS}
    made = rendered(replace(small, **empty))
    assert "尚无" not in "".join(made.values())
    assert "没有未消除的预警" in made["index.html"]
    assert all(Page(content).wrong == [] for content in made.values())


def test_a_frame_of_another_schema_is_refused(small):
    with pytest.raises(ParkPulseError, match=r"PageFrames\.funnel: column units should be Int64"):
        replace(small, funnel=small.funnel.with_columns(pl.col("units").cast(pl.Float64)))
    with pytest.raises(ParkPulseError, match="no such column"):
        replace(small, funnel=small.funnel.drop("stage"))
    with pytest.raises(ParkPulseError, match="no such tier"):
        Desk(small, "everybody")


def test_the_register_may_come_with_all_its_versions(small):
    ended = small.enterprises.with_columns(
        name_zh=pl.lit("旧名有限公司"), valid_to=pl.lit(date(2024, 1, 1))
    )
    both = replace(small, enterprises=pl.concat([small.enterprises, ended]))
    assert rendered(both) == rendered(small)


# What a public page may not tell


def test_a_public_page_names_nobody():
    frames = published(invented.frames())
    made = "".join(rendered(frames, "public").values())
    secret = [f[k] for f in firms.firms() for k in ("uscc", "name_zh", "name_en")]
    secret += [
        name for row in frames.factories.to_dicts() for name in (row["name_zh"], row["name_en"])
    ]
    secret += frames.pue["data_centre_id"].to_list()
    assert [name for name in secret if name in made] == []
    assert not [name for name in rendered(frames, "public") if name.startswith("enterprise")]


def test_a_public_page_counts_no_one_or_two_firms():
    frames = published(invented.frames())
    made = rendered(frames, "public")
    services = Page(made["services.html"])
    assert services.wrong == []
    assert "&lt;3" in made["services.html"]
    assert ">2</b>" not in made["services.html"]
    assert ">2</b>" in page(frames, "services.html")


def test_a_public_page_tells_what_is_of_a_card_and_not_how_many():
    frames = published(invented.frames())
    said = pl.concat([frames.cards["evidence_zh"], frames.cards["evidence_en"]]).unique()
    assert [text for text in said if text in page(frames, "cards.html", "public")] == []
    assert any(text in page(frames, "cards.html") for text in said)


def test_what_parks_have_of_the_whole_is_told_for_the_whole_alone():
    """Nobody learns of one park by taking the others off."""
    desk = Desk(published(invented.frames()), "public")
    whole = [row["count"] for row in adoption_view.discrepancies(desk, None)]
    assert any(count.isdigit() for count in whole)
    for park in invented.PARKS:
        own = list_view.projects(desk, park)
        assert {own["total"], own["late"], *(count for *_, count in own["phases"])} == {"＊"}
        counts = {row["count"] for row in adoption_view.discrepancies(desk, park)}
        assert counts == {"＊"}
        for chain in list_view.chains(desk, park):
            assert {link["in_district"] for link in chain["links"]} == {"＊"}
        assert re.search(r"\d+ (处场所|sites)", page(desk.frames, "map.html", "public")) is None
        lead = page(desk.frames, f"park-{park}.html", "public").partition("<h2>")[0]
        assert "在口径内" not in lead


def test_projects_without_a_phase_are_a_part_of_them():
    small = invented.small()
    odd = small.project_states.with_columns(phase=pl.lit(None, pl.String)).head(1)
    rest = small.project_states.tail(-1)
    frames = published(replace(small, project_states=pl.concat([odd, rest])))
    told = list_view.projects(Desk(frames, "public"))
    counted = [int(count) for *_, count in told["phases"] if count.isdigit()]
    assert told["total"] == "＊" or len(counted) < len(told["phases"])


def test_an_oee_that_is_not_shared_is_on_no_page(small):
    alone = replace(small, factories=small.factories.with_columns(shares_oee=pl.lit(value=False)))
    for park in invented.PARKS:
        (shared, kept) = (factory_view.oee(Desk(frames), park) for frames in (small, alone))
        assert [row["name"] for row in kept["factories"]] == [
            r["name"] for r in shared["factories"]
        ]
        assert {row["value"] for row in kept["factories"]} <= {"＊"}
        assert {row["spark"] for row in kept["factories"]} <= {""}
        assert kept["area"] == shared["area"]


def test_no_unchecked_figure_is_public(small):
    value = "58.42"
    assert value in page(invented.frames(), "index.html")
    unchecked = "".join(rendered(invented.frames(), "public").values())
    assert value not in unchecked
    assert "达到目标" not in unchecked
    hidden = "".join(rendered(published(invented.frames(), "c"), "public").values())
    assert value not in hidden
    assert value in page(published(invented.frames()), "index.html", "public")


@pytest.mark.parametrize("units", [(9, 8, 5, 5), (9, 9, 2, 0), (2, 1, 1, 0)])
def test_a_public_funnel_tells_no_stage_that_one_or_two_left(units):
    small = published(invented.small())
    funnel = small.funnel.filter(pl.col("of") == "enterprises").with_columns(
        units=pl.col("place").replace_strict(dict(enumerate(units, 1)), return_dtype=pl.Int64)
    )
    made = page(replace(small, funnel=funnel), "index.html", "public")
    part = made.split("企业（家）")[-1].split("</table>")[0]
    told = [int(n) for n in re.findall(r"<b>(\d+)</b>", part)]
    assert told, part
    steps = [a - b for a, b in pairwise(told)]
    assert not {1, 2} & {*told, *steps}
