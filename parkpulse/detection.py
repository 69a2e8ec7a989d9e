"""Commands of the anomaly detector: detect fit, detect score."""

from pathlib import Path

import click

from connectors.options import FILE
from parkpulse.common import patience, say


@click.group()
def detect() -> None:
    """The anomaly detector on any table (CSV or Parquet: one time column, numeric sensors)."""


@detect.command("fit")
@click.option("--train", type=FILE, required=True, help="Rows of normal operation.")
@click.option("--model", type=FILE, required=True, help="Where to write the model.")
def detect_fit(train: Path, model: Path) -> None:
    """Learn what is normal."""
    from models.table import fit_file

    with patience(f"detect: learning from {train}"):
        notes = fit_file(train, model).notes
    for note in notes:
        say(f"detect: {note}")


@detect.command("score")
@click.option("--model", type=FILE, required=True)
@click.option("--data", type=FILE, required=True)
@click.option("--out", type=FILE, required=True)
def detect_score(model: Path, data: Path, out: Path) -> None:
    """Score every row; out has timestamp, score, is_anomaly, event_id, contributors."""
    from models.table import score_file

    with patience(f"detect: scoring {data}"):
        score_file(model, data, out)
