"""The scale on which an indicator is forecast, and the way back: shares never leave 0 to 100."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logit

from models.scaling import Floats

Scale = Literal["share", "count", "number"]

LEAST: Final = 0.005
"""How far a share of 0 or 100 % lies inside, where nobody says of how many units it is."""


@dataclass(frozen=True, slots=True)
class Link:
    """Logit for shares in %, log for counts, nothing for other numbers.

    `least` squeezes shares: 0 and 100 % are finite, and come back as they were.
    """

    scale: Scale
    least: float = LEAST

    def to(self, values: Floats) -> Floats:
        """From the indicator's unit."""
        if self.scale == "share":
            inside = self.least + (1.0 - 2.0 * self.least) * values / 100.0
            return np.asarray(logit(np.clip(inside, self.least, 1.0 - self.least)))
        return np.log1p(np.maximum(values, 0.0)) if self.scale == "count" else values

    def back(self, linked: Floats) -> Floats:
        """To the indicator's unit, within its bounds; increasing."""
        if self.scale == "share":
            inside = (expit(linked) - self.least) / (1.0 - 2.0 * self.least)
            return np.asarray(np.clip(inside, 0.0, 1.0) * 100.0)
        if self.scale == "count":
            return np.maximum(np.expm1(np.minimum(linked, 700.0)), 0.0)
        return linked

    def told(self, values: Floats, units: float | None) -> Floats:
        """As it would be measured: counts are whole, a share is of whole units."""
        if self.scale == "count":
            return np.round(values)
        if self.scale == "share" and units:
            return np.round(values / 100.0 * units) / units * 100.0
        return values


def link(scale: Scale, units: float | None) -> Link:
    """The link of an indicator of `units` (the denominator of a share)."""
    return Link(scale, min(0.5 / max(units, 2.0), 0.1) if units else LEAST)
