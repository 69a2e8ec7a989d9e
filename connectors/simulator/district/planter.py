"""How a planted case is written down: an enterprise that is plain in all but what the case is.

Plain is small, of sector C36, in P01, at work seven days a week, and says that it is on no cloud.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any, Final

from connectors.simulator.district import names
from connectors.simulator.district.draft import Draft, Habit, Plan
from connectors.simulator.district.firms import ACTIVE, site_id
from connectors.simulator.district.rows import (
    Declaration,
    Enterprise,
    Machine,
    Site,
    Tenant,
    Terminal,
    Trap,
    Use,
)
from connectors.simulator.district.words import SERVICES

FIRST_CODE: Final = 900_000
"""Numbers of planted enterprises begin here, beyond all that are drawn."""
LONG_AGO: Final = 1_000
ALWAYS: Final = range(60)

Columns = dict[str, Any]
Version = tuple[date, Columns]


class Planter:
    """Adds planted enterprises, listings, machines and words to a draft."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.on = draft.on

    def back(self, days: int) -> date:
        """The day so many days before the reference date."""
        return self.draft.back(days)

    def firm(
        self,
        *changes: Version,
        says: str | None = "no",
        parks: tuple[str | None, ...] = ("P01",),
        work_days: int = 7,
        rest: int = 0,
        **first: Any,  # noqa: ANN401 (columns of any type)
    ) -> str:
        """An enterprise and its sites; `says` is its declaration, None for no row. Its code."""
        number = FIRST_CODE + len(self.draft.plans)
        name_zh, name_en = names.names(random.Random(f"{self.draft.seed}/{number}"), number)
        row = Enterprise(
            uscc=names.code(self.draft.seed, number),
            name_zh=name_zh,
            name_en=name_en,
            staff=50,
            revenue_wan=900.0,
            industry_code="C3612",
            register_status=ACTIVE,
            legal_group=None,
            in_new_city=True,
            successor_uscc=None,
            self_score=50.0,
            valid_from=self.back(LONG_AGO),
        )
        row = replace(row, **first)
        self.draft.enter(row, *changes)
        for place, park in enumerate(parks, start=1):
            self.site(row.uscc, park, number=place)
        self.draft.plans[row.uscc] = Plan(
            row.uscc, parks, False, row.staff or 0, row.valid_from, work_days, rest, is_on=False
        )
        if says is not None:
            self.says(row.uscc, says)
        return row.uscc

    def site(
        self, uscc: str, park: str | None, number: int = 1, begun: int = LONG_AGO, ended: int = -1
    ) -> None:
        """A site, `begun` and `ended` so many days ago (-1: it still is)."""
        rng = random.Random(f"{self.draft.seed}/{uscc}/{number}")
        longitude, latitude = names.place(rng, park)
        self.draft.sites.append(
            Site(
                site_id(uscc, number), uscc, park, f"{number}号厂区", longitude, latitude,
                self.back(begun), None if ended < 0 else self.back(ended),
            )
        )  # fmt: skip

    def says(
        self,
        uscc: str,
        cloud: str,
        *,
        level: str | None = None,
        since: int | None = None,
        until: int | None = None,
        valid_to: int | None = None,
        valid_from: int = LONG_AGO,
        confirmed: int = 40,
    ) -> None:
        """A declaration; `since`, `until`, `confirmed` and the validity in days ago."""
        self.draft.declarations.append(
            Declaration(
                uscc, level, cloud, self._ago(since), self._ago(until), self.back(confirmed),
                "self_report", self.back(valid_from), self._ago(valid_to),
            )
        )  # fmt: skip

    def _ago(self, days: int | None) -> date | None:
        return None if days is None else self.back(days)

    def use(
        self,
        uscc: str | None,
        back: int,
        level: str | None = "C2",
        *,
        tenant: str | None = None,
        service: str | None = None,
        really: str | None = None,
    ) -> None:
        """A provider's record, and that `really` (by default `uscc`) is on a cloud."""
        name = service or SERVICES[level or "C2"]
        row = Use("云间", tenant, uscc, level, name, self.back(back))
        self.draft.provider_use.append(row)
        if (really or uscc) is not None and 0 <= back <= 90:
            self.draft.levels.setdefault(really or uscc or "", set()).add(level or "C2")

    def tenant(
        self, name: str, uscc: str | None, group: str | None = None, **validity: int
    ) -> None:
        """An account on 云间; `begun` and `ended` in days ago."""
        ended = validity.get("ended")
        self.draft.tenants.append(
            Tenant(
                name, "云间", uscc, group, self.back(validity.get("begun", LONG_AGO)),
                None if ended is None else self.back(ended),
            )
        )  # fmt: skip

    def device(
        self,
        uscc: str | None,
        seen: Iterable[int] = ALWAYS,
        *,
        of: str | None = None,
        habit: Habit | None = None,
        **changes: Any,  # noqa: ANN401 (columns of any type)
    ) -> str:
        """A listing seen so many days ago, of its own ProductInstanceUri; its terminal id.

        `of` is the listing whose real device it is.
        """
        terminal_id = f"X{len(self.draft.habits) + 1:05}"
        row = Terminal(
            terminal_id=terminal_id,
            platform="云间",
            product_instance_uri=f"urn:parkpulse:sim:planted:{terminal_id}",
            manufacturer=None,
            serial_number=None,
            mac=None,
            asset_id=None,
            kind="device",
            network="ethernet",
            chain_stage="production",
            uscc=uscc,
            park_id="P01",
            machine_id=None,
            points=1,
            registered_on=self.back(LONG_AGO),
            activated_on=self.back(LONG_AGO),
            retired_on=None,
            valid_from=self.back(LONG_AGO),
        )
        row = replace(row, **changes)
        exact = Habit(on=frozenset(map(self.back, seen)))
        self.draft.list_(row, habit or exact, of)
        return terminal_id

    def machine(self, uscc: str, **changes: Any) -> str:  # noqa: ANN401 (columns of any type)
        """A digital machine of a key operation at the first site; its id."""
        machine_id = f"MX{len(self.draft.machines) + 1:04}"
        row = Machine(
            machine_id, uscc, site_id(uscc, 1), "machine", True, False, True, True, 2,
            self.back(LONG_AGO),
        )  # fmt: skip
        self.draft.machines.append(replace(row, **changes))
        return machine_id

    def trap(self, letter: str, name: str, says: str, expected: str, *subjects: str) -> None:
        """Write down what was planted."""
        self.draft.traps.append(Trap(letter, name, says, subjects, expected))
