"""Model files by their content, and a register that is whole whenever a run dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connectors import model_files
from connectors.home import Home
from connectors.model_files import Changed, append, keep, locked, model_path, read_lines

ROOT = Path(__file__).parents[2]
DIES = """
import os, signal, sys
from connectors import home, model_files
from connectors.home import Home
from pathlib import Path
root = Home(Path(sys.argv[1]))
path = model_files.register_path(root, "F01")
with model_files.locked(path):
    kept = model_files.keep(root, path.parent / "M1", b"two", "{}", ".levels.json")
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
    model_files.append(path, model_files.read_lines(path), ["two"])
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def path(home):
    path = model_files.register_path(home, "F01")
    with locked(path):
        append(path, [], ["one"])
    return path


def test_a_file_lies_under_its_hash_and_is_found_by_it(home):
    folder = home.models / "F01" / "M1"
    kept = keep(home, folder, b"bytes", '{"a": 1}', ".levels.json")
    assert kept == keep(home, folder, b"bytes", '{"a": 1}', ".levels.json")
    found = model_path(home, kept.path, kept.sha256)
    assert (found.stem, found.read_bytes()) == (kept.sha256, b"bytes")
    assert found.with_suffix(".levels.json").read_text() == '{"a": 1}'
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"other", b"", None])
def test_another_file_in_its_place_is_refused(home, content):
    kept = keep(home, home.models / "F01" / "M1", b"bytes", "{}", ".levels.json")
    found = home.root / kept.path
    found.unlink() if content is None else found.write_bytes(content)
    with pytest.raises(Changed, match=f"{kept.sha256}.model: is (missing|not the file)"):
        model_path(home, kept.path, kept.sha256)


def test_lines_are_only_ever_added(path):
    with locked(path):
        append(path, read_lines(path), ["two", "zwei 二"])
    assert read_lines(path) == ["one", "two", "zwei 二"]
    before = path.stat()
    with locked(path):
        append(path, read_lines(path), [])
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert read_lines(path.with_name("none")) == []


@pytest.mark.parametrize("when", ["before", "within"])
def test_a_run_that_is_killed_leaves_the_register_as_it_was(home, path, when):
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(home.root), when],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert read_lines(path) == ["one"]
    with locked(path):
        append(path, read_lines(path), ["after"])
    assert read_lines(path) == ["one", "after"]


def test_two_who_write_wait_for_each_other(home, path):
    """Each reads, adds one and writes: nobody's line is lost."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom connectors.model_files import *\n"
        "p = Path(sys.argv[1])\n"
        "for n in range(20):\n"
        "    with locked(p):\n"
        "        append(p, read_lines(p), [f'{sys.argv[2]} {n}'])\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), name],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for name in ("a", "b")
    ]  # fmt: skip
    assert [one.wait(60) for one in writers] == [0, 0]
    found = read_lines(path)
    assert sorted(found[1:]) == sorted(f"{name} {n}" for name in "ab" for n in range(20))
