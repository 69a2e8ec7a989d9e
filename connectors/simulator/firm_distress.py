"""Planted distress: a decline over weeks, what it takes along, and what comes after it."""

from dataclasses import dataclass

import numpy as np

from connectors.simulator.firm_draws import Draw, Floats, between, table


@dataclass(frozen=True, slots=True)
class Distress:
    """One decline; days are places in the firm's days. Shares follow `depth` at the bottom."""

    signs: int
    begin: int
    bottom: int
    depth: float
    shape: float
    running_follows: float
    energy_follows: float
    offline: float
    alarm_times: float
    after: str
    after_begin: int
    after_days: int

    @property
    def length(self) -> int:
        """Days from its begin to its bottom."""
        return self.bottom - self.begin

    def decline(self, days: int) -> Floats:
        """Lost share of output by day: to `depth` at the bottom, then as `after` says."""
        at = np.arange(days)
        elapsed = np.clip((at - self.begin) / self.length, 0.0, 1.0)
        lost = self.depth * elapsed**self.shape
        later = np.clip((at - self.after_begin) / self.after_days, 0.0, 1.0)
        if self.after == "closes":
            return lost + (1.0 - lost) * later
        if self.after == "recovers":
            return lost - (self.depth - 0.05) * later
        return lost

    def alarms(self, days: int) -> Floats:
        """What the rate of alarms is multiplied by."""
        times = np.ones(days)
        times[between(days, self.signs, self.bottom)] = self.alarm_times
        return times


def distress(draw: Draw) -> Distress | None:
    """A firm-year's distress, or none."""
    said, time = table()["distress"], table()["time"]
    if not draw.chance(said["share"]):
        return None
    length = draw.days(said["days"])
    ahead = draw.days(said["alarm_days_before"]) if draw.chance(said["alarm_share"]) else 0
    first, judged = time["history_days"], time["judged_days"]
    last = first + judged - 1 - length - table()["score"]["grace_days"]
    begin = draw.days([first + ahead, last])
    after = draw.pick(said["after"])
    is_decoupled, is_offline = (
        draw.chance(said["decoupled_share"]),
        draw.chance(said["offline_share"]),
    )
    return Distress(
        signs=begin - ahead,
        begin=begin,
        bottom=begin + length,
        depth=draw.within(said["depth"]),
        shape=draw.log_within(said["shape"]),
        running_follows=draw.within(said["running_follows"]),
        energy_follows=draw.within(said["decoupled_follows"]) if is_decoupled else 1.0,
        offline=draw.within(said["offline"]) if is_offline else 0.0,
        alarm_times=draw.within(said["alarm_times"]) if ahead else 1.0,
        after=after,
        after_begin=begin
        + length
        + (draw.days(said["closes_after_days"]) if after == "closes" else 0),
        after_days=draw.days(said["closes_days" if after == "closes" else "recovers_days"]),
    )
