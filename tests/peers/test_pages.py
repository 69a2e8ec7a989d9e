"""What a reader's browser makes of our pages, with no network: something, without complaint."""

import subprocess

import pytest

from tests.connectors import test_release
from tests.connectors.reports import test_report
from tests.peers.png import pixels

pytestmark = pytest.mark.peers

SIZE = (1000, 800)
INK = 0.005
"""A page of text covers several per cent; an empty one nothing."""


def render(chromium, page, folder):
    """Draw a page in a new profile without any name resolution; pixels and console lines."""
    picture = folder / "page.png"
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={SIZE[0]},{SIZE[1]}",
            "--hide-scrollbars", "--timeout=20000", f"--screenshot={picture}", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert picture.exists(), done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return pixels(picture.read_bytes()), console


def ink(picture):
    """Share of pixels that differ from the commonest colour."""
    colours = picture.reshape(-1, 3).astype("u4") @ [65536, 256, 1]
    return 1 - max((colours == one).mean() for one in set(colours[::997].tolist()))


def test_the_release_page_is_drawn_offline(chromium, tmp_path):
    folder = test_release.write(tmp_path / "releases")
    picture, console = render(chromium, folder / "index.html", tmp_path)
    assert console == []
    assert ink(picture) > INK
    assert picture.std() > 5


def test_the_anomaly_report_is_drawn_offline(chromium, tmp_path):
    events = [test_report.event("M1"), test_report.event("M2", "low", 5.0)]
    path, _ = test_report.write(tmp_path, events)
    picture, console = render(chromium, path, tmp_path)
    assert console == []
    assert ink(picture) > INK
    assert picture.std() > 5


def test_an_empty_page_and_a_complaint_would_be_seen(chromium, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><img src="http://elsewhere.example/a.png" hidden>'
        "<script>console.error('complaint'); nowhere()</script>"
    )
    picture, console = render(chromium, page, tmp_path)
    assert ink(picture) == 0
    assert any("complaint" in line for line in console), console
    assert any("nowhere" in line for line in console), console
