"""The bench of adoption on a small district: ours, SQL and a day's update give the same figures."""

import pytest

from benchmarks import adoption
from benchmarks.rounds import DisagreementError

pytestmark = pytest.mark.soak


@pytest.fixture
def small(monkeypatch):
    for name, value in {"ENTERPRISES": 450, "TERMINALS": 2_000, "DAYS": 195}.items():
        monkeypatch.setattr(adoption, name, value)


def test_all_three_agree_and_a_wrong_figure_is_told(small, tmp_path):
    sheet = adoption.sheet(tmp_path)
    assert [row.unit for row in sheet.rows] == ["s"] * 3 + ["GiB"] * 3
    path = tmp_path / "sql-liveness.parquet"
    theirs = adoption.pl.read_parquet(path)
    theirs.with_columns(terminals=adoption.pl.col("terminals") + 1).write_parquet(path)
    with pytest.raises(DisagreementError, match="liveness"):
        adoption._agree("liveness", tmp_path)
