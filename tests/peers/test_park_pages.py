"""Park pages in a browser, as wide as a desk and as a phone: whole, and without complaint."""

import subprocess

import pytest

from connectors.pages import write_pages
from tests.connectors.pages import invented
from tests.peers.test_pages import INK, ink, render

pytestmark = pytest.mark.peers

WIDTHS = (1280, 390)
MEASURE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth;
  console.log("measured " + innerWidth);
  if (wide > innerWidth) console.error("overflow " + wide + " of " + innerWidth + " " + location);
});</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_pages(folder, invented.small(2))
    return folder


def test_park_pages_are_drawn_offline_without_complaint(chromium, folder, tmp_path):
    for page in ("index.html", "park-P01.html", "map.html"):
        (tmp_path / page).mkdir()
        picture, console = render(chromium, folder / page, tmp_path / page)
        assert console == []
        assert ink(picture) > INK


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_page_is_wider_than_its_window(chromium, folder, tmp_path, lang):
    """Each page in frames of both widths, with a measure of ours in place of its policy."""
    frames = []
    for page in sorted(folder.glob("*.html")):
        content = page.read_text("utf-8")
        policy = content[content.index('<meta http-equiv="Content-Security') :].split(">")[0] + ">"
        (tmp_path / page.name).write_text(content.replace(policy, MEASURE), "utf-8")
        frames += [
            f'<iframe width="{width}" height="800" src="{page.name}#{lang}"></iframe>'
            for width in WIDTHS
        ]
    harness = tmp_path / "harness.htm"
    harness.write_text("<!doctype html>" + "".join(frames))
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", "--timeout=30000", "--dump-dom",
            harness.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert sum("measured" in line for line in console) == len(frames), console
    assert [line for line in console if "measured" not in line] == []
