"""Commands of the anomaly detector: detect fit, detect score."""

from pathlib import Path

import click

from connectors.options import FILE, TARGET, Target
from parkpulse.common import patience, say


@click.group()
def detect() -> None:
    """The anomaly detector on any table (CSV or Parquet: one time column, numeric sensors).

    `fit` learns what is normal, `score` judges another table and draws a page of it.
    """


@detect.command("fit")
@click.option("--train", type=FILE, required=True, help="Rows of normal operation, in order.")
@click.option("--model", type=TARGET, required=True, help="Where to write the model.")
def detect_fit(train: Path, model: Path) -> None:
    """Learn what is normal from a table.

    CSV (separated by comma, semicolon or tab) or Parquet. The time column is found by itself: ISO
    8601 or numbers (seconds, ms, µs or ns); every other column is a sensor and holds numbers.
    Nulls, constants and irregular or repeated times are welcome; at least 300 known values per
    sensor are needed. What the model cannot judge, it says.
    """
    from models.table import fit_file

    with patience(f"detect: learning from {train}"):
        notes = fit_file(train, model).notes
    for note in notes:
        say(f"detect: {note}")


@detect.command("score")
@click.option("--model", type=FILE, required=True, help="A model that `detect fit` wrote.")
@click.option("--data", type=FILE, required=True, help="The table to judge, in order.")
@click.option("--out", type=TARGET, required=True, help="Scores per row, CSV or .parquet.")
@click.option("--plot", type=Target(".html"), help="A page to read: what, when, how far off.")
@click.option("--events", type=Target(".csv", ".json"), help="One row per event.")
@click.option("--lang", type=click.Choice(("zh", "en")), default="zh", show_default=True,
              help="The language that the page shows first; it holds both.")  # fmt: skip
def detect_score(
    model: Path, data: Path, out: Path, plot: Path | None, events: Path | None, lang: str
) -> None:
    """Judge a table: a score per row, the events in it, and a page that explains them.

    --out has timestamp (as in the data), score (1 is the limit), is_anomaly, event_id and
    contributors (sensor and its share of the blame).

    --events has event_id, start, end (empty while not over), is_over, rows, peak_score, signals
    (likeliest first) and contributors (seen, expected, deviation, when each began).

    --plot opens offline, in Chinese and English. The 40 most severe events are explained, all are
    listed. In CSV, lists are JSON.
    """
    from models.table import scored_table, write_scores

    _all_different(model=model, data=data, out=out, plot=plot, events=events)
    with patience(f"detect: scoring {data}"):
        scored = scored_table(model, data)
    written = [f"scores in {out}"]
    if plot or events:
        from parkpulse.judged_table import explained, write_events, write_plot

        with patience("detect: explaining the events"):
            found = explained(scored, data)
        if events:
            write_events(found, scored, events)
            written.append(f"events in {events}")
        if plot:
            write_plot(found, scored, data.name, model.name, plot, lang)
            written.append(f"page in {plot}")
    write_scores(scored, out)
    count = scored.scores["event_id"].n_unique() - scored.scores["event_id"].has_nulls()
    told = f"{count} event{'' if count == 1 else 's'}"
    click.echo(f"detect: {scored.rows.height} rows, {told}; {', '.join(written)}")


def _all_different(**files: Path | None) -> None:
    """No file is read from and written to, or written twice."""
    named: dict[Path, str] = {}
    for option, path in files.items():
        if path and (other := named.setdefault(path.resolve(), option)) != option:
            raise click.UsageError(f"--{option} and --{other} are both {path}; give two files")
