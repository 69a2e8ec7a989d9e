import io
import json
import zipfile

import numpy as np
import pytest
from plants import plant

from models import detector
from models.errors import ModelFileError

MODEL = detector.fit(plant(400, seed=1))


def members(tmp_path):
    MODEL.save(tmp_path / "good")
    with np.load(tmp_path / "good", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("about"))), arrays


def refused(path):
    with pytest.raises(ModelFileError) as caught:
        detector.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def written(path, about, arrays, save=np.savez):
    with path.open("wb") as file:
        save(file, about=np.array(about if isinstance(about, str) else json.dumps(about)), **arrays)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"sensors": 5},
        {"sensors": ["one"]},
        {"spans": [0]},
        {"spans": ["4"]},
        {"contexts": ["A"]},
        {"joint": float("nan")},
        {"joint": "high"},
        {"whole": 0.0},
        {"per_s": None},
        {"days": [3]},
        {"widths": [5]},
        {"block_rows": 0},
        {"step_s": -1.0},
        {"learned": "yes"},
        {"rows_seen": None},
        {"notes": "none"},
        {"time": 3},
    ],
)
def test_a_wrong_word_about_a_model_is_refused(tmp_path, change):
    about, arrays = members(tmp_path)
    assert "not a ParkPulse model" in refused(written(tmp_path / "bad", about | change, arrays))


def test_every_key_and_every_array_is_needed(tmp_path):
    about, arrays = members(tmp_path)
    for key in about:
        less = {k: v for k, v in about.items() if k != key}
        refused(written(tmp_path / "bad", less, arrays))
    for key in arrays:
        less = {k: v for k, v in arrays.items() if k != key}
        refused(written(tmp_path / "bad", about, less))


def test_every_array_has_its_shape_and_finite_numbers(tmp_path):
    about, arrays = members(tmp_path)
    for key, array in arrays.items():
        strange = [array.ravel()[:3], np.full(array.shape, "text")]
        # NaN in shapes: a sensor that has none.
        if array.dtype == np.float64 and array.size and not key.startswith("shapes"):
            strange.append(np.full(array.shape, np.nan))
        for wrong in strange:
            assert "not a ParkPulse model" in refused(
                written(tmp_path / "bad", about, arrays | {key: wrong})
            )
    for key in ("limits", "scale", "sizes"):
        zero = arrays | {key: np.zeros_like(arrays[key])}
        assert f"wrong {key}" in refused(written(tmp_path / "bad", about, zero))


@pytest.mark.parametrize("about", ["[]", "5", "no json", "[" * 100_000, "{}", "null"])
def test_what_is_no_description_is_refused(tmp_path, about):
    refused(written(tmp_path / "bad", about, members(tmp_path)[1]))


def test_files_of_other_kinds_are_refused(tmp_path):
    bad = tmp_path / "bad"
    np.save(tmp_path / "plain.npy", np.zeros(3))
    refused(tmp_path / "plain.npy")
    about, arrays = members(tmp_path)
    assert "is packed" in refused(written(bad, about, arrays, save=np.savez_compressed))
    whole = (tmp_path / "good").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 5):
        bad.write_bytes(whole[:cut])
        refused(bad)
    locked = bytearray(whole)
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    bad.write_bytes(locked)
    refused(bad)
    bad.write_bytes(b"")
    refused(bad)
    assert "cannot be read" in refused(tmp_path)


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    header = io.BytesIO()
    promised = {"descr": "<f8", "fortran_order": False, "shape": (10**13, 50)}
    np.lib.format.write_array_header_1_0(header, promised)
    with zipfile.ZipFile(tmp_path / "bad", "w") as archive:
        archive.writestr("about.npy", header.getvalue())
    assert "promises" in refused(tmp_path / "bad")


def test_a_missing_file_reads_as_one(tmp_path):
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'}: no such file; ")
