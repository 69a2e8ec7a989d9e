"""The park gateways' facts as a district, so that every figure of it can be counted of them."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import numpy as np

from connectors.simulator.district.rows import (
    NO_ROW,
    Declaration,
    DistrictFacts,
    Enterprise,
    Site,
    Terminal,
    Use,
)
from connectors.simulator.park_facts import ZONE, ParkFacts
from connectors.simulator.park_facts import Enterprise as Said

SOURCE: Final = "gateway"
MOST_VALUES: Final = 32_767
"""A matrix of evidence holds no more; that there was a value is what counts."""


def as_district(facts: ParkFacts) -> DistrictFacts:
    """The same as one version of everything, held since the evidence begins.

    A terminal is a listing on each of its platforms. `ProviderLastUse` is a record of use without
    a level; only values of Good status are evidence.
    """
    since = facts.days[0]
    return DistrictFacts(
        reference_date=facts.reference_date,
        days=facts.days,
        enterprises=tuple(_enterprise(e, since) for e in facts.enterprises),
        sites=tuple(
            Site(f"{e.uscc}-{park}", e.uscc, park, "", 0.0, 0.0, since, None, SOURCE)
            for e in facts.enterprises
            for park in e.park_ids
        ),
        terminals=tuple(_listings(facts, since)),
        declarations=tuple(
            Declaration(
                e.uscc, None, e.declared_cloud, e.declared_from, e.declared_to, None, None,
                since, None, SOURCE,
            )
            for e in facts.enterprises
        ),
        provider_use=tuple(
            Use("", None, e.uscc, None, "", e.provider_last_use.astimezone(ZONE).date(), SOURCE)
            for e in facts.enterprises
            if e.provider_last_use is not None
        ),
        listing_ids=tuple(t.terminal_id for t in facts.terminals),
        good_values=_good_values(facts),
        sent=_good_values(facts),
        calendar_of=tuple(e.uscc for e in facts.enterprises),
        operating=np.array(
            [[day not in e.resting for day in facts.days] for e in facts.enterprises], np.int8
        ),
    )  # fmt: skip


def _enterprise(said: Said, since: date) -> Enterprise:
    return Enterprise(
        said.uscc, said.name_zh, said.name_en, said.staff, said.revenue_wan, said.industry_code,
        said.register_status, said.legal_group or None, said.in_new_city, None, None, since, None,
        SOURCE,
    )  # fmt: skip


def _listings(facts: ParkFacts, since: date) -> Iterator[Terminal]:
    for t in facts.terminals:
        for platform in t.platforms:
            yield Terminal(
                t.terminal_id, platform, t.product_instance_uri, None, None, None, None, t.kind,
                None, None, t.enterprise_uscc, t.park_id, None, None, None, t.activated_on,
                t.retired_on, since, None, SOURCE,
            )  # fmt: skip


def _good_values(facts: ParkFacts) -> np.ndarray:
    place = {day: number for number, day in enumerate(facts.days)}
    found = np.full((len(facts.terminals), len(facts.days)), NO_ROW, np.int16)
    for row, terminal in zip(found, facts.terminals, strict=True):
        for day, values, status, _ in terminal.seen:
            if status >> 30 == 0:
                row[place[day]] = min(values, MOST_VALUES)
    return found
