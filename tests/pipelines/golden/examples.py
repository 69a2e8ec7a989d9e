"""The public worked examples of `oee_examples.toml`, and their table in the guide.

`python -m tests.pipelines.golden.examples` prints the table.
"""

import tomllib
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import polars as pl

from pipelines import oee
from tests.pipelines import plant
from tests.pipelines.plant import Said

FILE = tomllib.loads(Path(__file__).with_name("oee_examples.toml").read_text("utf-8"))
SINGLE = {e["id"]: e for e in FILE["example"]}
ROLL_UPS = {r["id"]: r for r in FILE["roll_up"]}
PARTS = {
    f"{name}, {part['name']}": part | {"remark": r.get("remark", "")}
    for name, r in ROLL_UPS.items() for part in r["part"]
}  # fmt: skip
EVERY = SINGLE | PARTS
NAMES = {
    "availability": "A", "effectiveness": "E", "quality_ratio": "Q", "oee": "OEE", "teep": "TEEP",
    "availability_of_known": "of known time",
}  # fmt: skip
COLUMNS = {
    **dict.fromkeys(["pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "pri_s"], pl.Float64),
    **dict.fromkeys(["pq", "gq"], pl.Int64),
}
OPTIONAL = dict.fromkeys(["calendar_s", "unknown_s"], pl.Float64)
STATES = {"apt": (3, 3), "aust": (3, 2), "adet": (1, 3), "adot": (1, 0)}
"""item_state and operation_mode of OPC 40001-1 for an element; what the plan cuts out stands."""
PLANNED = {"break": "break", "maintenance": "planned_maintenance", "not_planned": "not_planned"}


def number(value):
    return float(Fraction(value)) if isinstance(value, str) else value


def row(inputs):
    """An example's inputs as a row for `oee.indices`; stops that are not given last 0 s."""
    stops = dict.fromkeys(("aust_s", "adet_s", "adot_s"), 0)
    return dict.fromkeys(COLUMNS) | stops | {k: number(v) for k, v in inputs.items()}


def frame(*rows):
    names = {name for found in rows for name in found}
    schema = COLUMNS | {k: v for k, v in OPTIONAL.items() if k in names}
    return pl.DataFrame(list(rows), schema=schema)


def figures(found):
    """The figures of one row as a dict, with availability of the time that is known."""
    known = found["pbt_s"] - (found.get("unknown_s") or 0)
    return found | {"availability_of_known": found["apt_s"] / known if known > 0 else None}


def ours(example):
    return figures(oee.indices(frame(row(example["inputs"]))).row(0, named=True))


def rolled(roll_up):
    parts = frame(*(row(part["inputs"]) for part in roll_up["part"]))
    return figures(oee.roll_up(parts, []).row(0, named=True))


def printed(text):
    """(value, half a unit of the last digit) of a figure such as "74.79 %" or "0.7479"."""
    digits, _, percent = text.partition(" ")
    scale = 100 if percent else 1
    places = len(digits.partition(".")[2])
    return float(Fraction(digits) / scale), 0.5 * 10.0**-places / scale


def agrees(value, text):
    """Whether a value is what was printed, to the last digit printed."""
    if text == "undefined" or value is None:
        return (text == "undefined") == (value is None)
    expected, half = printed(text)
    return abs(value - expected) <= max(half, 0.5e-12) * (1 + 1e-9)


def like(value, text):
    """A value in the form of a printed figure, to four digits at most, half a unit rounded up."""
    if value is None:
        return "undefined"
    digits, _, percent = text.partition(" ")
    step = Decimal(1).scaleb(-min(len(digits.partition(".")[2]), 4))
    shown = Decimal(repr(value)) * (100 if percent else 1)
    return str(shown.quantize(step, ROUND_HALF_UP)) + (" %" if percent else "")


def spans(timeline):
    """(kind, from, to) in seconds from local midnight."""
    hours, minutes = map(int, timeline["start"].split(":"))
    start, unit_s = 3600 * hours + 60 * minutes, timeline["unit_s"]
    edges = list(accumulate((d * unit_s for _, d in timeline["spans"]), initial=start))
    return [
        (kind, a, b) for (kind, _), (a, b) in zip(timeline["spans"], pairwise(edges), strict=True)
    ]


def shift(timeline):
    """The plan of a timeline: one shift, with its breaks."""
    found = spans(timeline)
    whole = ("A", found[0][1], found[-1][2], "busy")
    return plant.plan(whole, *(("A", a, b, PLANNED[k]) for k, a, b in found if k in PLANNED))


def gaps(timeline):
    return plant.gaps(*((None, a, b) for kind, a, b in spans(timeline) if kind == "unknown"))


def said(example, unit="M1", beside="parts_bad"):
    """What a machine with this timeline says, as raw values: states, product, and two counters."""
    timeline = example["timeline"]
    found = spans(timeline)
    begin, end = found[0][1], found[-1][2]
    states = [(begin - 60, STATES["adot"]), *((a, STATES.get(k, (1, 0))) for k, a, _ in found)]
    states.append((end, STATES["adot"]))
    rows = [
        Said(at, measure, value, unit=unit)
        for at, values in states
        for measure, value in zip(("item_state", "operation_mode"), values, strict=True)
    ]
    rows += [Said(begin - 60, "order_id", "O1", unit=unit)]
    rows += [Said(begin - 60, "product_id", f"P-{unit}", unit=unit)]
    counted = readings(timeline, example.get("inputs", {}))
    return rows + [
        Said(at, measure, count, unit=unit)
        for at, total, bad in counted
        for measure, count in (
            ("parts_total", total),
            (beside, bad if beside == "parts_bad" else total - bad),
        )
    ]


def readings(timeline, inputs):
    """(second, total, bad) of the counters: as printed, or spread over the running time."""
    found = spans(timeline)
    begin, unit_s = found[0][1], timeline["unit_s"]
    if "readings" in timeline:
        return [(begin + at * unit_s, total, bad) for at, total, bad in timeline["readings"]]
    if "pq" not in inputs:
        return []
    pq, bad = inputs["pq"], inputs["pq"] - inputs["gq"]
    times = [a + (b - a) * n / 20 for k, a, b in found if k == "apt" for n in range(1, 20)]
    parts = len(times)
    spread = [(t, pq * n // parts, bad * n // parts) for n, t in enumerate(times, 1)]
    return [(begin - 30, 0, 0), *spread]


def by_shift(*examples, beside="parts_bad"):
    """`oee.by_shift` of examples that share a plan, each as a machine of its own.

    `beside` the total a machine counts bad pieces, or good ones (`parts_good`).
    """
    units = [f"M{n}" for n, _ in enumerate(examples, 1)]
    rows = [
        value for e, unit in zip(examples, units, strict=True) for value in said(e, unit, beside)
    ]
    pri = {
        f"P-{u}": number(e.get("inputs", {}).get("pri_s", 1))
        for e, u in zip(examples, units, strict=True)
    }
    timeline = examples[0]["timeline"]
    end = spans(timeline)[-1][2]
    measures = [m for m in plant.MACHINERY if not m.startswith("parts")]
    return plant.figures(
        plant.raw(rows),
        plant.tags([*measures, "parts_total", beside], units=units),
        shift(timeline),
        plant.cycles(**pri),
        plant.coverage((-3600, end + 3600)),
        gaps(timeline),
    )


def table():
    """The lines of the guide's table: an example each."""
    lines = ["| example | publisher | printed | ours | as events |", "|---|---|---|---|---|"]
    cases = [(e, [("", e, ours(e))]) for e in SINGLE.values()]
    cases += [(r, _of_roll_up(r)) for r in ROLL_UPS.values()]
    for example, shown in cases:
        theirs, own = (
            "; ".join(filter(None, cells)) for cells in zip(*map(_cells, shown), strict=True)
        )
        events = "yes" if any("timeline" in e for _, e, _ in shown) else ""
        lines.append(
            f"| [{example['title']}]({example['source']}) | {example['publisher']} "
            f"| {theirs} | {own} | {events} |"
        )
    return lines


def _of_roll_up(r):
    parts = [(f"{part['name']}: ", part, ours(part)) for part in r["part"]]
    return [*parts, ("rolled up: ", r, rolled(r))]


def _cells(case):
    """An example's figures as printed and ours; in bold what the source has otherwise."""
    what, example, found = case
    theirs, own = [], []
    for name, text in example["published"].items():
        right = example.get("corrected", {}).get(name)
        value = like(found[name], right or text)
        theirs.append(f"{NAMES[name]} {text}")
        own.append(f"**{value}**" if right else value)
    return [what + ", ".join(cell) if cell else "" for cell in (theirs, own)]


def remarks():
    """What is to be said of single examples."""
    every = [*SINGLE.values(), *ROLL_UPS.values()]
    return [f"- *{e['title']}.* {e['remark']}" for e in every if "remark" in e]


if __name__ == "__main__":
    print("\n".join([*table(), "", *remarks()]))
