import polars as pl
import pytest

from benchmarks import features
from benchmarks.rounds import DisagreementError
from models import detector


def test_a_machine_at_1_hz_is_the_same_for_the_same_seed():
    frame = features.machine(1_300, seed=4, sensors=5)
    assert frame.shape == (1_300, 6)
    assert frame["timestamp"].diff().drop_nulls().unique().dt.total_seconds().to_list() == [1]
    assert frame.equals(features.machine(1_300, seed=4, sensors=5))
    assert not frame.equals(features.machine(1_300, seed=5, sensors=5))


def test_estimators_are_those_the_detector_lists_or_ours():
    model = detector.fit(features.machine(600, seed=1, sensors=4))
    frame = features.machine(500, seed=2, sensors=4)
    assert features.alone(model, frame) > 0

    class Listing:
        def __init__(self):
            self.rows = []

        def estimators(self, part):
            return {"one": lambda: self.rows.append(part.height), "other": lambda: None}

    listing = Listing()
    frame = features.machine(3_000, seed=2, sensors=2)
    features.alone(listing, frame)
    assert sorted(listing.rows) == [952, 1_024, 1_024, 3_000]


def test_other_figures_than_the_peers_are_refused():
    frame = features.machine(600, seed=1, sensors=3)
    right = features.window_features(frame)
    features._agree(right, frame)
    wrong = right.with_columns(pl.col("s001_max") + 0.01)
    with pytest.raises(DisagreementError, match="other figures"):
        features._agree(wrong, frame)
    with pytest.raises(DisagreementError, match="other windows"):
        features._agree(right.tail(9), frame)


def test_what_was_extrapolated_is_said(monkeypatch):
    monkeypatch.setattr(features, "TRIED", 600)
    monkeypatch.setattr(features, "PATIENCE_S", 0.0)
    monkeypatch.setattr(features, "SENSORS", 3)
    monkeypatch.setattr(features.machine, "__defaults__", (3,))
    sheet = features.fitting()
    assert [row.name for row in sheet.rows] == ["600 rows", "604,800 rows"]
    assert sheet.rows[1].figure == pytest.approx(sheet.rows[0].figure * 12 * 4_096 / 600)
    assert "in proportion to 600 rows" in sheet.said[0]
