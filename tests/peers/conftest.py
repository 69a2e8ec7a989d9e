"""A peer that is not installed is said to be not run, never passed, and counted at the end."""

import shutil
from pathlib import Path

import pytest

NOT_RUN = "not run: "
PEERS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "libreoffice": ("soffice", "libreoffice"),
    "node": ("node", "nodejs"),
}
PACKAGES = {"node": "nodejs npm"}
NODE_FOLDER = Path(__file__).parent / "node"


def peer(name):
    """The program of a peer; skips the test where there is none."""
    for program in PEERS[name]:
        found = shutil.which(program)
        if found:
            return found
    pytest.skip(f"{NOT_RUN}{name} is not installed (apt-get install {PACKAGES.get(name, name)})")


@pytest.fixture
def chromium():
    return peer("chromium")


@pytest.fixture
def soffice():
    return peer("libreoffice")


@pytest.fixture
def node():
    """Node with the packages of tests/peers/node, which `make peers` installs."""
    program = peer("node")
    if not (NODE_FOLDER / "node_modules" / "node-opcua").is_dir():
        pytest.skip(f"{NOT_RUN}node-opcua is not installed (npm ci --prefix {NODE_FOLDER})")
    return program


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """The last line of a run that was to ask peers: how many it could not ask."""
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return result
    asked = [
        report
        for outcome in ("passed", "failed", "skipped")
        for report in reporter.stats.get(outcome, ())
        if report.nodeid.startswith("tests/peers/")
    ]
    skipped = [r for r in asked if r.skipped and NOT_RUN in str(r.longrepr)]
    if asked:
        ran = len({r.nodeid for r in asked}) - len(skipped)
        reporter.write_line(f"peers: {ran} run, {len(skipped)} not run")
    return result
