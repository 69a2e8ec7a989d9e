"""The whole demo at the anchors where calendars bite. Four minutes each on two cores."""

import json

import pytest

from tests.soak.walk import Walk, parkpulse

pytestmark = pytest.mark.soak

ANCHORS = {
    "a Sunday afternoon": "2026-11-22T15:30",
    "Spring Festival": "2027-02-06T09:00",
    "New Year's Eve": "2026-12-31T12:00",
    "just after midnight": "2026-11-18T00:05",
    "just before midnight": "2026-11-18T23:55",
}
LIMIT_S = 1_200
"""Five times what two free cores need."""


@pytest.mark.parametrize("anchor", ANCHORS)
def test_the_demo_holds_at(tmp_path, anchor):
    with Walk(tmp_path, "--at", ANCHORS[anchor]) as walk:
        code, took_s = walk.end(LIMIT_S)
        assert code == 0, "\n".join(walk.lines[-40:])
        assert walk.seen, "no process of the demo was ever seen"
        assert walk.left() == []
    print(f"{anchor}: {took_s:.0f} s")
    verified = parkpulse("verify", "--json", "--home", walk.home, "--truth", walk.truth)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["ok"] is True
    releases = sorted((walk.home / "releases").glob("*/*/"))
    assert releases
    for folder in releases:
        checked = parkpulse("release", "--check", folder)
        assert (checked.returncode, checked.stderr) == (0, "")
