from datetime import date

import pytest

from connectors.errors import HomeRefused
from connectors.home import MARKER, Home

DAY = date(2026, 11, 20)


def test_an_existing_home_is_left_as_it_is(tmp_path):
    home = Home(tmp_path / "home").create(first_day=DAY, now_offset_s=-60.0)
    home.create(first_day=date(2027, 1, 1))
    assert (home.first_day, home.now_offset_s) == (DAY, -60.0)


def test_replacing_empties_only_what_is_ours(tmp_path):
    home = Home(tmp_path / "home").replace(first_day=DAY)
    (home.root / "old").write_text("old")
    home.replace(first_day=date(2027, 1, 1))
    assert [path.name for path in home.root.iterdir()] == [MARKER]
    assert home.first_day == date(2027, 1, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(HomeRefused, match="was not made by ParkPulse"):
        Home(tmp_path / "mine").replace(first_day=DAY)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("maker", [{}, {"made_by": "simulate"}])
def test_a_demo_never_empties_what_was_collected(tmp_path, maker):
    home = Home(tmp_path / "home").create(first_day=DAY, **maker)
    home.segments.mkdir()
    (home.segments / "00000001-urn-a.arrow").write_bytes(b"values")
    with pytest.raises(HomeRefused, match="no demo has made; choose another --home"):
        home.replace(first_day=DAY)
    assert (home.segments / "00000001-urn-a.arrow").read_bytes() == b"values"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"{}", b"[]", b'{"first_day": "soon"}']
)
def test_a_garbled_marker_is_named_with_its_remedy(tmp_path, content):
    (tmp_path / MARKER).write_bytes(content)
    with pytest.raises(HomeRefused, match=f"{tmp_path}: no readable {MARKER}.*run `parkpulse"):
        _ = Home(tmp_path).first_day
