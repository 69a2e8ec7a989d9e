"""What is carried over midnight: last raw rows, and episodes in the days they touch."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines import bronze, carry
from pipelines.days import local_day as local_day_of
from pipelines.schemas import RAW, STATE_EPISODES
from tests.pipelines import plant
from tests.pipelines.plant import BAD, DAY, UNCERTAIN, Said

H = 3600
DAYS = [DAY + timedelta(days=n) for n in range(4)]
MEASURES = ["item_state", "order_id", "parts_total", "power_kw"]
TAGS = plant.tags(MEASURES)
VALUES = st.builds(
    Said,
    st.integers(0, 96).map(lambda hour: hour * H),
    st.sampled_from(MEASURES),
    st.sampled_from([None, 1, 2, "O1"]),
    st.sampled_from([0, UNCERTAIN, BAD]),
)


def local_day(time):
    return time.astimezone(ZoneInfo("Asia/Shanghai")).date()


def slow_last(rows, day):
    """The carried rows of one day by walking: newest, newest not Bad, newest number not Bad."""
    found = []
    for measure in MEASURES[:3]:
        node = [(n, r) for n, r in enumerate(rows) if r["node_id"] == plant.node(measure)]
        until = [(n, r) for n, r in node if local_day(r["source_time"]) <= day]
        fit = [(n, r) for n, r in until if r["status_code"] < BAD]
        numbers = [(n, r) for n, r in fit if r["value_int"] is not None]
        found += dict(part[-1] for part in (until, fit, numbers) if part).items()
    return [row for _, row in sorted(found, key=lambda numbered: numbered[0])]


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=30))
def test_every_carried_node_has_its_newest_rows(said):
    """Good-then-Bad of one instant keep their order: the Bad one hides."""
    rows = bronze.compact(plant.raw(said))
    found = carry.last_values(plant.NOTHING_CARRIED, rows.lazy(), TAGS.lazy(), DAYS)
    assert found.schema == pl.Schema({**RAW, "partition_day": pl.Date()})
    for day in DAYS:
        of_day = found.filter(pl.col("partition_day") == day).select(RAW.names())
        assert of_day.rows(named=True) == slow_last(rows.rows(named=True), day)


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, max_size=30))
def test_day_after_day_carries_what_all_days_at_once_do(said):
    rows = bronze.compact(plant.raw(said))
    once = carry.last_values(plant.NOTHING_CARRIED, rows, TAGS, DAYS)
    days, before = [], plant.NOTHING_CARRIED
    for day in DAYS:
        today = rows.filter(local_day_of(pl.col("source_time")) == day)
        before = carry.last_values(before, today, TAGS, [day])
        days.append(before)
    assert pl.concat(days).equals(once)


def test_process_values_are_not_carried():
    rows = plant.raw([Said(0, "power_kw", 1.5), Said(0, "item_state", 3)])
    found = carry.last_values(plant.NOTHING_CARRIED, rows, TAGS, [DAY])
    assert found["node_id"].to_list() == [plant.node("item_state")]


def test_a_carried_row_keeps_the_clock_of_its_own_day():
    """A clock 600 s ahead: running at 23:49, stopped at 23:52 the day before yesterday's midnight.

    With its raw time the carried run would begin after the stop, and last for ever.
    """
    said = [Said(-660, m, v) for m, v in (("item_state", 3), ("operation_mode", 3))]
    said += [Said(-660, "parts_total", 1011), Said(-480, "parts_total", 1012)]
    said += [Said(-480, "item_state", 1), Said(30 * H, "order_id", "O1")]
    rows, tags, cycles = plant.ahead(plant.raw(said), 600), plant.tags(), plant.cycles(A=10.0)
    days = [DAY + timedelta(days=n) for n in range(-3, 4)]
    episodes, increments = zip(*plant.by_day(rows, tags, cycles, days), strict=True)
    steps = pl.concat(increments).filter(pl.col("cause") == "step")
    assert steps.select("to_time", "amount").rows() == [(plant.at(-480), 1)]
    of_today = dict(zip(days[2:-1], episodes, strict=True))[DAY + timedelta(days=1)]
    assert of_today["start"].is_sorted()
    assert of_today["item_state"].to_list()[-2:] == [1, 1]


def touched(start, end):
    """Days of DAYS in which an episode (hours from the first midnight) has an instant."""
    first = datetime.combine(DAY, datetime.min.time(), ZoneInfo("Asia/Shanghai"))
    begin = first + timedelta(hours=start)
    last = first + timedelta(hours=end, microseconds=-1) if end is not None else None
    return [d for d in DAYS if begin.date() <= d and (last is None or d <= last.date())]


@settings(max_examples=60, deadline=None)
@given(st.integers(-30, 120), st.one_of(st.none(), st.integers(1, 80)))
@example(0, 24)
@example(-24, 24)
@example(23, 1)
@example(24, None)
def test_an_episode_is_in_exactly_the_days_it_touches(start, hours):
    end = None if hours is None else start + hours
    row = {"start": plant.at(start * H), "end": None if end is None else plant.at(end * H)}
    episodes = pl.DataFrame([row], {name: STATE_EPISODES[name] for name in ("start", "end")})
    found = carry.touching(episodes, DAYS)
    assert found["partition_day"].to_list() == touched(start, end)
    assert found.drop("partition_day").unique().height == min(1, found.height)
