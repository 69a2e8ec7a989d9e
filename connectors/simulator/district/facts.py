"""The whole district as a function of seed, day and size."""

from datetime import date
from typing import Final

from connectors.simulator.district import devices, evidence, firms, names, traps
from connectors.simulator.district.draft import Draft
from connectors.simulator.district.hidden import hidden
from connectors.simulator.district.rows import Claim, DistrictFacts, days_until

LEAST_DAYS: Final = 190
"""Two windows of use and one of terminals: as many days as a change over 90 days looks at."""


def facts(
    seed: int,
    on: date,
    *,
    enterprises: int = 1_000,
    terminals: int = 20_000,
    days: int = 200,
    with_fleet: bool = True,
) -> DistrictFacts:
    """The invented district on a reference date: `days` of evidence up to it, and the truth.

    `enterprises` and `terminals` (listings) include the planted ones, and `with_fleet` the legal
    units of the fleet's factories. Raises ValueError where
    there is no room for them (400 of each), or for `LEAST_DAYS`.
    """
    if min(enterprises, terminals) < 400 or days < LEAST_DAYS:
        raise ValueError(f"a district has at least 400 of each and {LEAST_DAYS} days")
    draft = Draft(seed, on, days_until(on, days))
    traps.plant(draft)
    firms.draw(draft, enterprises - len(draft.plans), with_fleet=with_fleet)
    devices.draw(draft, terminals)
    _outages(draft)
    _claims(draft)
    calendar_of, operating = evidence.calendar(draft)
    sent = evidence.sent(draft, calendar_of, operating)
    return DistrictFacts(
        reference_date=on,
        days=draft.days,
        enterprises=tuple(draft.enterprises),
        sites=tuple(draft.sites),
        machines=tuple(draft.machines),
        terminals=tuple(draft.terminals),
        tenants=tuple(draft.tenants),
        declarations=tuple(draft.declarations),
        provider_use=tuple(draft.provider_use),
        collector_down=tuple(draft.collector_down),
        claims=tuple(draft.claims),
        listing_ids=tuple(draft.habits),
        good_values=evidence.reported(draft, sent),
        sent=sent,
        calendar_of=calendar_of,
        operating=operating,
        late=tuple(draft.late),
        traps=tuple(draft.traps),
        really=hidden(draft, sent),
    )


def _outages(draft: Draft) -> None:
    """Our own failures: a fortnight of P03 lately, three days of P02, a day of everything."""
    draft.collector_down += [("P03", draft.back(back)) for back in range(3, 17)]
    draft.collector_down += [("P02", draft.back(back)) for back in range(60, 63)]
    draft.collector_down.append((None, draft.back(75)))


def _claims(draft: Draft) -> None:
    """What platforms boast of: more users than there are enterprises, and growing."""
    for number, platform in enumerate(names.PLATFORMS):
        draft.claims += [
            Claim(platform, draft.back(back), 100_000 * (number + 1) - 7 * back)
            for back in (180, 90, 30, 1)
        ]
