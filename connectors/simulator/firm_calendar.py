"""When a simulated firm works: its week, China's holidays and make-up days, Spring Festival."""

from datetime import date, timedelta
from functools import cache
from typing import Final

import holidays
import numpy as np

from connectors.simulator.firm_draws import Draw, Floats, Mask, between, rise, table

SATURDAY: Final = 5


@cache
def is_working_day(day: date) -> bool:
    """Whether offices work on `day`: weekends, holidays and make-up days considered."""
    return bool(holidays.country_holidays("CN", years=day.year).is_working_day(day))


@cache
def is_holiday(day: date) -> bool:
    """Whether it is a public holiday, or a day off that a make-up day pays for."""
    return day in holidays.country_holidays("CN", years=day.year)


@cache
def new_year(year: int) -> date:
    """The first day of the lunar year, Spring Festival itself."""
    found = holidays.country_holidays("CN", years=year)
    named = [day for day, name in sorted(found.items()) if "Spring Festival" in name]
    return named[0]


class Calendar:
    """A firm's days: scheduled or not, as it says and as it is, and the level they usually have.

    `scheduled` is what it does (stops of its own considered), `said` what its calendar says,
    `level` the share of a usual day that it then works.
    """

    def __init__(self, draw: Draw, days: list[date]) -> None:
        self.week = int(draw.pick(table()["firm"]["week"]))
        self.known = draw.chance(table()["firm"]["calendar_known"])
        self.level = self._weekdays(draw, days)
        national = self.week == 7 and draw.chance(table()["national_day"]["seven_day_firms_rest"])
        works = [self._works(day, national) for day in days]
        self.scheduled: Mask = np.array(works, bool)
        self.said: Mask = self.scheduled.copy()
        self.festivals: list[tuple[int, int]] = []
        through = self.week == 7 and draw.chance(table()["spring_festival"]["runs_through"])
        for year in sorted({day.year for day in days}):
            self._festival(draw, (new_year(year) - days[0]).days, through)

    def _weekdays(self, draw: Draw, days: list[date]) -> Floats:
        firm = table()["firm"]
        by_weekday = np.ones(7)
        by_weekday[0] = draw.within(firm["monday"])
        if self.week == 6:
            by_weekday[5] = draw.within(firm["saturday"])
        if self.week == 7:
            by_weekday[5:] = draw.within(firm["weekend"])
        return by_weekday[[day.weekday() for day in days]]

    def _works(self, day: date, national: bool) -> bool:
        if self.week == 5:
            return is_working_day(day)
        if self.week == 6:
            beside = [day, day - timedelta(days=1), day + timedelta(days=1)]
            is_rest = any(map(is_holiday, beside if day.weekday() == SATURDAY else [day]))
            made_up = day.weekday() > SATURDAY and is_working_day(day)
            return not is_rest and (day.weekday() <= SATURDAY or made_up)
        return not (national and day.month == 10 and day.day <= 3)

    def _festival(self, draw: Draw, first: int, through: bool) -> None:
        """The stop around New Year's Day, the days before it and those after."""
        spring, days = table()["spring_festival"], len(self.level)
        before, after = draw.days(spring["stop_before_days"]), draw.days(spring["stop_after_days"])
        down, low = draw.days(spring["wind_down_days"]), draw.within(spring["wind_down"])
        up, start = draw.days(spring["take_up_days"]), draw.within(spring["take_up"])
        in_calendar, run = draw.chance(spring["in_calendar"]), draw.within(spring["run_level"])
        stop = between(days, first - before, first + after)
        around = between(days, first - before - down, first + after + up)
        if around.start == around.stop:
            return
        self.festivals.append((around.start, around.stop - 1))
        statutory = between(days, first - 1, first + 6)
        if through:
            self.level[stop] *= run
            return
        if self.week == 7:
            self.said[statutory] = False
        self.scheduled[stop] = False
        if in_calendar:
            self.said[stop] = False
        left = np.arange(days) - (first - before - down)
        falling = 1.0 - (1.0 - low) * np.clip((left + 1) / max(down, 1), 0.0, 1.0)
        self.level *= np.where((left >= 0) & (left < down), falling, 1.0)
        self.level *= rise(days, first + after + 1, up, start)


def span(first: date, days: int) -> list[date]:
    """So many days from `first` on."""
    return [first + timedelta(days=n) for n in range(days)]
