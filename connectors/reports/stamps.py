"""How the times of a stranger's table are written on a page: as the table writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from connectors.reports.figures import WIDTH, Axis

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_TICKS: Final = 9
TICKS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600,
    43_200, 86_400, 172_800, 432_000, 604_800, 1_209_600, 2_419_200, 4_838_400, 14_515_200,
    31_449_600, 157_248_000, 1_572_480_000,
)  # fmt: skip
"""Seconds between ticks: round ones of a clock, then days, weeks and more."""

DAY_S: Final = 86_400
CHARACTER: Final = 6.4
"""Pixels that a digit of a label takes."""

ROUND: Final = (1.0, 2.0, 5.0, 10.0)


def plain(value: float) -> str:
    """A number without an exponent, as tables of times hold it."""
    return f"{value:.0f}" if abs(value) >= 1e9 else f"{value:.10g}"


@dataclass(frozen=True, slots=True)
class Stamps:
    """Times on a page: in `zone`, or as plain numbers (`per_s` of them a second) counted from 0.

    `step_s` is the usual step of the table: no finer is anything written. `named` is how the page
    names the zone, "" for that of the file.
    """

    zone: tzinfo = UTC
    per_s: float | None = None
    step_s: float = 1.0
    named: str = ""

    def at(self, time: datetime) -> str:
        """One time in full."""
        if self.per_s is not None:
            return plain((time - EPOCH).total_seconds() * self.per_s)
        return f"{time.astimezone(self.zone):%Y-%m-%d} {self._clock(time)}"

    def span(self, start: datetime, end: datetime) -> str:
        """From and to; the date once where it is the same."""
        same = start.astimezone(self.zone).date() == end.astimezone(self.zone).date()
        to = self._clock(end) if same and self.per_s is None else self.at(end)
        return f"{self.at(start)} – {to}"

    def near(self, time: datetime, other: datetime) -> str:
        """A time whose date is left out where it is the other's."""
        same = time.astimezone(self.zone).date() == other.astimezone(self.zone).date()
        return self._clock(time) if same and self.per_s is None else self.at(time)

    def _clock(self, time: datetime) -> str:
        local = time.astimezone(self.zone)
        if self.step_s >= 60:
            return f"{local:%H:%M}"
        if self.step_s >= 1:
            return f"{local:%H:%M:%S}"
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


@dataclass(frozen=True, slots=True)
class StampAxis(Axis):
    """A time axis of any length, its ticks written by `stamps`."""

    stamps: Stamps

    def labels(self) -> Iterator[tuple[datetime, str]]:
        """Round times, MOST_TICKS or so; none that the edge would cut."""
        return (
            (tick, text)
            for tick, text in self._all_labels()
            if self.x(tick) + len(text) * CHARACTER / 2 <= WIDTH
        )

    def _all_labels(self) -> Iterator[tuple[datetime, str]]:
        if self.stamps.per_s is not None:
            return self._numbers(self.stamps.per_s)
        length_s = max((self.end - self.start).total_seconds(), 1.0)
        every = next((t for t in TICKS_S if length_s / t < MOST_TICKS), TICKS_S[-1])
        return ((tick, self._label(tick, every)) for tick in self._every(every))

    def _label(self, tick: datetime, every: int) -> str:
        """The clock, or the day where a day begins."""
        local = tick.astimezone(self.stamps.zone)
        if every >= 14 * DAY_S:
            return f"{local:%Y-%m-%d}"
        if every >= DAY_S or (local.hour, local.minute, local.second) == (0, 0, 0):
            return f"{local:%m-%d}"
        return f"{local:%H:%M:%S}" if every < 60 else f"{local:%H:%M}"

    def _every(self, every: int) -> Iterator[datetime]:
        local = self.start.astimezone(self.stamps.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight + -(-(local - midnight) // timedelta(seconds=every)) * timedelta(
            seconds=every
        )
        while at <= self.end:
            yield at
            at += timedelta(seconds=every)

    def _numbers(self, per_s: float) -> Iterator[tuple[datetime, str]]:
        first, last = ((t - EPOCH).total_seconds() * per_s for t in (self.start, self.end))
        # Floats of this size know no smaller steps: without it the ticks would not advance.
        rough = max((last - first) / MOST_TICKS, abs(last) * 1e-12, 1e-6 * per_s)
        power = 10.0 ** int(f"{rough:e}".split("e")[1])
        step = next(s * power for s in ROUND if s * power >= rough)
        begin = int(-(-first // step))
        for count in range(begin, begin + MOST_TICKS + 2):
            value = count * step
            if first <= value <= last:
                yield EPOCH + timedelta(seconds=value / per_s), plain(value)
