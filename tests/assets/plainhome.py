"""A home of one machine whose silver is written straight into the lake: days in milliseconds."""

from datetime import date, timedelta

import polars as pl
from plants import plant, with_fault
from shopfloor import KEY, cycles, day

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from models.planned import plan_by_unit
from pipelines import schemas
from pipelines.days import midnight

FIRST = date(2026, 11, 2)
FACTORY, UNIT, URI = "F01", "F01-M01", "urn:plain"
PER_DAY = 720
ONE = timedelta(days=1)


def plain_home(root, days, *, seed=1, faults=(), idle=(), every=1):
    """A home whose first `days` days are in the lake; nothing of them is collected yet (`cover`).

    `faults` are (sensor, first day, last day, size): steps that last; on `idle` days nothing was
    made; sensors are read at `every` n-th row alone.
    """
    home = Home(root)
    home.create(first_day=FIRST)
    with Ledger(home.root) as ledger:
        ledger.claim(FACTORY, "opc.tcp://127.0.0.1:4840", URI)
    values = plant(days * PER_DAY, seed=seed, step_s=86_400 / PER_DAY)
    for sensor, start, end, size in faults:
        values = with_fault(values, "step", sensor, start * PER_DAY, end * PER_DAY, size)
    lake = Lake(home.lake)
    for n in range(days):
        write_day(lake, n, values[n * PER_DAY : (n + 1) * PER_DAY], is_idle=n in idle, every=every)
    of_factory = Partition(factory=FACTORY)
    lake.write("tags", pl.DataFrame([tag()], schema=schemas.TAGS), of_factory)
    lake.write("cycles", cycles(), of_factory)
    lake.write("plan", pl.DataFrame(schema=schemas.PLAN), of_factory)
    return home


def write_day(lake, n, values, *, is_idle, every=1):
    """Silver of one day."""
    start = midnight(FIRST + n * ONE)
    step = timedelta(days=1) / PER_DAY
    times = pl.Series("time", [start + k * step for k in range(PER_DAY)], pl.Datetime("us", "UTC"))
    named = {name: pl.lit(value) for name, value in KEY.items()}
    part = Partition(FIRST + n * ONE, FACTORY)
    wide = values.drop("timestamp").with_columns(times, **named).gather_every(every)
    episodes, increments = day(n, start)
    if is_idle:
        episodes = episodes.with_columns(
            item_state=pl.lit(2, pl.Int64).cast(episodes["item_state"].dtype)
        )
        increments = increments.clear()
    # what day() makes may end a little later than its day
    lake.write("process_values_press", wide, part)
    lake.write("state_episodes", episodes.filter(pl.col("start") < start + ONE), part)
    lake.write("count_increments", increments.filter(pl.col("to_time") < start + ONE), part)


def tag():
    row = dict.fromkeys(schemas.TAGS) | KEY | {"machine_type": "press", "server_uri": URI}
    return row | {"measure": "temperature_c", "unit": "°C", "measure_kind": "process"}


def cover(home, days):
    """Vouch for the first `days` days."""
    with Ledger(home.root) as ledger:
        ledger.cover(URI, midnight(FIRST), midnight(FIRST + days * ONE))


def tables(home):
    """The catalogue, and the plan by work unit."""
    of_factory = Partition(factory=FACTORY)
    tags = Lake(home.lake).read("tags", of_factory)
    plan = Lake(home.lake).read("plan", of_factory)
    return tags, plan_by_unit(plan, tags, pl.DataFrame(schema=schemas.CONVENTIONS))


def enter(home, patch):
    """Makes a home the one that training and judging read and write; nothing of it is stale."""
    from assets import factory_models, judging, machine_days, repaired_models, retraining

    for module in (factory_models, judging, machine_days, repaired_models, retraining):
        patch.setattr(module, "HOME", home)
    patch.setattr(retraining, "stale", lambda *_: {})
    return home
