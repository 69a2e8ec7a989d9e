import os
import shutil
import struct
import subprocess
import sys
import types
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from connectors.opcua import walk
from connectors.opcua.columns import Columns
from connectors.opcua.decode import DataValues, Reader, walker_in_use
from connectors.opcua.variants import date_time
from connectors.raw import EPOCH_TICKS, ticks_of
from tests.connectors.opcua.test_decode import batch_of, every_walk

ROOT = Path(__file__).parents[3]
needs_extension = pytest.mark.skipif(not walk.is_compiled(), reason="no C compiler built the walk")


def doubles(count):
    one = b"\x01\x0b" + struct.pack("<d", 1.5)
    return Reader(struct.pack("<i", count) + one * count)


def built(folder, compiler):
    """The files that the build leaves with this compiler; it must succeed with any."""
    command = [sys.executable, "-W", "ignore", "-c", "from setuptools import setup; setup()"]
    command += ["-q", "build_ext", "--build-lib", str(folder), "--build-temp", str(folder / "temp")]
    environment = os.environ | {"CC": compiler}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    return list(folder.rglob("_walk*.so"))


def test_the_build_succeeds_without_a_compiler_and_leaves_no_walk(tmp_path):
    assert built(tmp_path, "false") == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_a_compiler_builds_the_walk_that_is_asked_for(tmp_path):
    (found,) = built(tmp_path, "cc")
    code = (
        "import importlib.util, sys;"
        "spec = importlib.util.spec_from_file_location('_walk', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module);"
        "print(module.CONTRACT)"
    )
    said = subprocess.run([sys.executable, "-c", code, found], capture_output=True, timeout=60)
    assert int(said.stdout) == walk.CONTRACT


def test_the_environment_chooses_the_walker(monkeypatch):
    monkeypatch.setenv("PARKPULSE_WALKER", "python")
    assert walker_in_use() == "python"
    assert not DataValues.decode(doubles(20)).is_compiled
    monkeypatch.delenv("PARKPULSE_WALKER")
    assert walker_in_use() == ("compiled" if walk.is_compiled() else "python")
    assert DataValues.decode(doubles(20)).is_compiled == walk.is_compiled()


@pytest.mark.parametrize("module", [None, types.SimpleNamespace(CONTRACT=walk.CONTRACT - 1)])
def test_a_walk_that_is_missing_or_old_is_done_without(monkeypatch, module):
    monkeypatch.setattr(walk, "_extension", walk.usable(module))
    monkeypatch.setenv("PARKPULSE_WALKER", "compiled")
    assert walker_in_use() == "python"
    assert DataValues.decode(doubles(20)).floats.tolist() == [1.5] * 20


@needs_extension
@pytest.mark.parametrize("place", range(13))
def test_buffers_that_are_too_small_are_refused(place):
    values, reader = Columns(20), doubles(20)
    buffers = list(walk._buffers(values))
    buffers[place] = buffers[place][:-1]
    with pytest.raises(ValueError, match="too small"):
        walk._extension.walk(reader.data, 4, 0, 20, 0, tuple(buffers))


@needs_extension
@pytest.mark.parametrize("call", [(-1, 0, 20, 0), (300, 0, 20, 0), (4, 21, 20, 0), (4, 0, 20, 9)])
def test_a_walk_outside_of_its_data_is_refused(call):
    values, reader = Columns(20), doubles(20)
    with pytest.raises(ValueError, match="outside"):
        walk._extension.walk(reader.data, *call, walk._buffers(values))


@needs_extension
@pytest.mark.parametrize(
    ("start", "size"), [(-1, 1), (0, 1), (5, -1), (5, 2**62), (2**62, 5), (10, 1)]
)
def test_pieces_outside_of_the_data_are_left_to_python(start, size):
    values = Columns(1, bytes(10))
    values.columns[:], values.types[:], values.starts[:], values.sizes[:] = 4, 12, start, size
    offsets, letters = np.zeros(2, np.int32), np.zeros(100, np.uint8)
    told = walk._extension.spell(values.data, 1, 4, walk._buffers(values), offsets, letters)
    assert told == -1


MIDNIGHTS = [
    ticks_of(datetime(year, month, day, tzinfo=UTC))
    for year in (1000, 1582, 1600, 1900, 1970, 2000, 2024, 2026, 9999)
    for month, day in ((1, 1), (2, 28), (3, 1), (12, 31))
]
LAST = ticks_of(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)) + 9_999_999


@every_walk
@pytest.mark.parametrize(
    "ticks",
    [
        sorted({MIDNIGHTS[0], *(t + d for t in MIDNIGHTS[1:] for d in (-1, 0, 1)), LAST}),
        [MIDNIGHTS[0] - 1, EPOCH_TICKS],
        [EPOCH_TICKS, LAST + 1],
        [-(2**63), 0, 2**63 - 1],
    ],
)
def test_times_are_written_alike_at_every_edge(ticks, walker):
    raw = b"".join(b"\x01\x0d" + struct.pack("<q", one) for one in ticks)
    found = DataValues.decode(Reader(struct.pack("<i", len(ticks)) + raw), walker=walker)
    assert batch_of(found).column("value_text").to_pylist() == [date_time(one) for one in ticks]
