"""`parkpulse detect` on tables from elsewhere, through the real command line."""

import json
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from models import detector, table
from models.table_events import table_events
from parkpulse import cli

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
NAMES = ("Druck [bar]", "Temp_°C", 'Strom <A> & "B"')


def foreign(rows, seed, faults=()):
    """A pump in another hand's words: naive times, and a reading now and then lost."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.uniform(4, 6, rows // 40 + 1), 40)[:rows]
    columns = [load + rng.normal(0, 0.05, rows), 40 + rng.normal(0, 0.3, rows),
               2 * load + rng.normal(0, 0.1, rows)]  # fmt: skip
    for column, first, last, size in faults:
        columns[column][first:last] += size
    frame = pl.DataFrame(dict(zip(NAMES, columns, strict=True)))
    lost = pl.int_range(pl.len()) % 97 == 5
    frame = frame.with_columns(pl.when(~lost).then(pl.col(NAMES[1])).alias(NAMES[1]))
    times = [f"{START + timedelta(seconds=20 * i):%Y-%m-%d %H:%M:%S}" for i in range(rows)]
    return frame.select(pl.Series("Zeit", times), pl.all())


def write(frame, path):
    """Semicolons, a byte order mark, CRLF: as a spreadsheet saves it."""
    text = frame.write_csv(separator=";").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def run(*arguments):
    return CliRunner().invoke(cli.cli, [str(a) for a in arguments])


def refused(monkeypatch, capsys, *arguments):
    """What the real entry point says of bad input: one line, exit code 2."""
    monkeypatch.setattr(sys, "argv", ["parkpulse", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert "defect" not in said.err
    return said.err


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A folder with train.csv, data.csv and what the two commands make of them."""
    folder = tmp_path_factory.mktemp("foreign")
    write(foreign(1500, 1), folder / "train.csv")
    faults = ((0, 300, 340, 4.0), (1, 500, 560, 4.0), (0, 860, 900, -4.0))
    write(foreign(900, 2, faults), folder / "data.csv")
    learned = run("detect", "fit", "--train", folder / "train.csv", "--model", folder / "m.model")
    assert learned.exit_code == 0, learned.output
    done = run(
        "detect", "score", "--model", folder / "m.model", "--data", folder / "data.csv",
        "--out", folder / "out.csv", "--plot", folder / "page.html",
        "--events", folder / "events.csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, done.stdout


def test_one_line_says_what_was_found_and_where_it_lies(judged):
    folder, said = judged
    assert said == (
        f"detect: 900 rows, 3 events; scores in {folder}/out.csv, events in {folder}/events.csv,"
        f" page in {folder}/page.html\n"
    )


def test_the_events_file_is_what_the_scores_say(judged):
    folder, _ = judged
    scores = pl.read_csv(folder / "out.csv", infer_schema_length=None)
    events = pl.read_csv(folder / "events.csv")
    assert events.height == scores["event_id"].drop_nulls().n_unique() == 3
    for event in events.iter_rows(named=True):
        inside = scores.filter(pl.col("event_id") == event["event_id"])
        over = inside.filter(pl.col("score") > 1)
        assert event["start"] == inside["timestamp"][0]
        assert event["peak_score"] == inside["score"].max()
        assert event["is_over"] == (inside["timestamp"][-1] != scores["timestamp"][-1])
        assert event["end"] == (over["timestamp"][-1] if event["is_over"] else None)
        about = json.loads(event["contributors"])
        assert json.loads(event["signals"]) == [c["sensor"] for c in about]
        assert all(c["began"] in scores["timestamp"] for c in about)
    assert events["is_over"].to_list() == [True, True, False]
    first = [json.loads(s)[0] for s in events["signals"]]
    assert first[:2] == [NAMES[0], NAMES[1]]


def test_the_page_tells_it_in_both_languages_and_escapes_names(judged):
    page = (judged[0] / "page.html").read_text("utf-8")
    assert "<A>" not in page
    assert "Strom &lt;A&gt; &amp; &#34;B&#34;" in page
    assert "<script" not in page
    assert "http" not in page
    assert "发现 3 个事件" in page
    assert "3 events" in page
    assert "2026-03-02 06:00:00" in page  # naive times stand as the file writes them
    assert page.count("<article") == 3
    tags = Balanced()
    tags.feed(page)
    assert tags.open == []


class Balanced(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "input", "rect", "path", "polyline", "polygon")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_json_events_carry_the_same(judged):
    folder, _ = judged
    done = run(
        "detect", "score", "--model", folder / "m.model", "--data", folder / "data.csv",
        "--out", folder / "again.parquet", "--events", folder / "events.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    events = json.loads((folder / "events.json").read_text("utf-8"))
    flat = pl.read_csv(folder / "events.csv").to_dicts()
    assert [e | {"signals": json.dumps(e["signals"], ensure_ascii=False),
                 "contributors": json.dumps(e["contributors"], ensure_ascii=False)}
            for e in events] == flat  # fmt: skip
    assert pl.read_parquet(folder / "again.parquet").height == 900


def scored(folder, frame, name="data.csv"):
    """Scores a frame with the foreign model; gives the run and the page."""
    frame.write_csv(folder / name)
    done = run(
        "detect", "score", "--model", folder / "m.model", "--data", folder / name, "--out",
        folder / "o.csv", "--plot", folder / "o.html", "--events", folder / "o.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return done.stdout, (folder / "o.html").read_text("utf-8")


def test_what_was_not_judged_is_said(judged, tmp_path):
    (tmp_path / "m.model").write_bytes((judged[0] / "m.model").read_bytes())
    frame = foreign(300, 3).with_columns(
        pl.lit(1.5).alias("neu"),
        pl.lit(None, dtype=pl.Float64).alias(NAMES[1]),
        pl.when(pl.int_range(pl.len()) != 9).then("Zeit").alias("Zeit"),
    )
    frame = frame.drop(NAMES[2])
    _, page = scored(tmp_path, frame)
    assert "columns that the model does not know: neu" in page
    assert f"signals without a value in the table: {NAMES[1]}" in page
    assert "signals that the table does not have: Strom &lt;A&gt;" in page
    assert "1 rows without a time are not drawn" in page


@pytest.mark.parametrize("unit", [1, 1000])
def test_numeric_times_work_and_stand_as_they_are(tmp_path, unit):
    for name, frame in (("train", foreign(1200, 1)),
                        ("data", foreign(500, 2, ((0, 300, 340, 4.0),)))):  # fmt: skip
        numbers = pl.int_range(pl.len()) * 20 * unit + (500 if unit == 1 else 1_767_225_600_000)
        frame.with_columns(numbers.alias("Zeit")).rename({"Zeit": "time"}).write_csv(
            tmp_path / f"{name}.csv"
        )
    run("detect", "fit", "--train", tmp_path / "train.csv", "--model", tmp_path / "m.model")
    _, page = scored(tmp_path, pl.read_csv(tmp_path / "data.csv"))
    (event,) = json.loads((tmp_path / "o.json").read_text("utf-8"))
    first = 500 if unit == 1 else 1_767_225_600_000
    assert event["start"] in range(first + 6000 * unit, first + 6200 * unit)
    if unit == 1:
        assert f"{first} – {first + 499 * 20}" in page
        assert "taken as seconds" in page
    else:
        assert "2026-01-01 00:00:00 – 02:46:20 (UTC)" in page


def test_a_quiet_table_and_a_constant_one_are_pages_too(judged, tmp_path):
    (tmp_path / "m.model").write_bytes((judged[0] / "m.model").read_bytes())
    said, page = scored(tmp_path, foreign(300, 5))
    assert "300 rows, 0 events" in said
    assert "No anomaly events" in page
    said, _ = scored(tmp_path, foreign(1, 5))
    assert "1 rows, 0 events" in said


def test_repeated_and_irregular_times_nulls_and_one_sensor(tmp_path):
    rng = np.random.default_rng(3)
    steps = rng.choice([0, 1, 1, 1, 7], 1200).cumsum() * 60.0
    values = pl.Series(rng.normal(0, 1, 1200)).set(pl.Series(rng.random(1200) < 0.2), None)
    frame = pl.DataFrame({"t": pl.Series(steps), "only": values})
    frame.with_columns(time="t").drop("t").write_csv(tmp_path / "train.csv")
    assert run("detect", "fit", "--train", tmp_path / "train.csv",
               "--model", tmp_path / "m.model").exit_code == 0  # fmt: skip
    off = frame.with_columns(
        time="t", only=pl.when(pl.int_range(pl.len()) > 1100).then(9.0).otherwise("only")
    ).drop("t")
    said, page = scored(tmp_path, off)
    assert "1 event;" in said
    assert "only" in page


def test_only_the_most_severe_are_explained_and_all_are_listed(judged):
    folder, _ = judged
    found = table_events(table.scored_table(folder / "m.model", folder / "data.csv"), "data", 1)
    told = found.events.filter(pl.col("contributors").is_not_null())
    assert found.events.height == 3
    assert told["peak_score"].to_list() == [found.events["peak_score"].max()]
    assert all(found.events["signals"].list.len() > 0)
    assert found.courses["event_id"].unique().to_list() == [str(told["event_id"][0])]


def test_bad_input_is_one_line_that_names_the_culprit(judged, tmp_path, monkeypatch, capsys):
    folder, _ = judged
    model, out = folder / "m.model", tmp_path / "out.csv"

    def said(frame, **more):
        if isinstance(frame, pl.DataFrame):
            frame.write_csv(tmp_path / "bad.csv", separator=";")
        options = {"model": model, "data": tmp_path / "bad.csv", "out": out} | more
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return refused(monkeypatch, capsys, "detect", "score", *words)

    good = foreign(50, 4)
    assert "row 3 has 'läuft', not a number; correct the cell or drop the column" in said(
        good.with_columns(Status=pl.Series(["1", "2", *["läuft"] * 48]))
    )
    assert "bad.csv: times run backwards at row" in said(good.reverse())
    assert "bad.csv: holds none of the model's sensors; expected Druck [bar], " in said(
        good.rename(dict(zip(NAMES, "abc", strict=True)))
    )
    assert "bad.csv: no time column" in said(good.drop("Zeit"))
    (tmp_path / "bad.csv").write_text("Zeit;Druck [bar]\n", "utf-8")
    assert "bad.csv: no" in said(None, plot=tmp_path / "p.html")
    (tmp_path / "other.model").write_bytes(b"no model")
    assert "other.model" in said(good, model=tmp_path / "other.model")
    assert "'--out': the folder" in said(good, out=tmp_path / "nowhere" / "out.csv")
    assert "'--plot': the folder" in said(good, plot=tmp_path / "nowhere" / "p.html")
    assert "does not end in .csv or .json" in said(good, events=tmp_path / "events.txt")
    assert "does not end in .html" in said(good, plot=tmp_path / "p.png")
    assert "--out and --data are both" in said(good, out=tmp_path / "bad.csv")
    assert not out.exists()
    good.reverse().write_csv(tmp_path / "bad.csv")
    assert "bad.csv: times run backwards" in refused(
        monkeypatch, capsys, "detect", "fit", "--train", tmp_path / "bad.csv", "--model", out
    )


def test_help_suffices():
    text = run("detect", "score", "--help").output
    for word in ("--plot", "--events", "contributors", "peak_score", "opens offline"):
        assert word in text


GUIDE = Path(__file__).parents[1] / "docs/guides/detect-any-table.md"


def test_the_guides_example_is_what_the_commands_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = GUIDE.read_text("utf-8")
    sample = text.split("```csv\n")[1].split("```")[0]
    head = pl.read_csv(StringIO(sample), separator=";")
    write(foreign(1500, 1), tmp_path / "normal.csv")
    write(foreign(900, 2, ((0, 300, 340, 4.0),)), tmp_path / "today.csv")
    assert head.columns[0] == "Zeit"
    table_of_guide = pl.read_csv(StringIO(sample), separator=";")
    (tmp_path / "sample.csv").write_text(sample, "utf-8")
    frame, time = table.read_table(tmp_path / "sample.csv")
    assert (time, frame.height) == ("Zeit", table_of_guide.height)
    commands = text.split("```sh\n")[1].split("```")[0].replace("\\\n", " ").strip().splitlines()
    assert len(commands) == 2
    for line in commands:
        program, *words = line.split()
        assert program == "parkpulse"
        done = run(*words)
        assert done.exit_code == 0, done.output
    assert "900 rows, 1 event; " in done.stdout
    assert done.stdout.strip().startswith(text.split("```text\n")[1].split("```")[0].strip()[:18])
    written = {w for line in commands for w in line.split() if "." in w}
    assert written == {p.name for p in tmp_path.iterdir()} - {"sample.csv"}
    for column in [*pl.read_csv("scored.csv").columns, *pl.read_csv("events.csv").columns]:
        assert f"`{column}`" in text
    notes = detector.load("pump.model").notes
    assert all(note.split(",")[0][:40] in text for note in notes)
