"""What enterprises say of themselves, what providers saw of them, and what is really so.

Half and more are really on a cloud. Evidence of use never lies; declarations do. Whoever denies or
has let its declaration expire, and is on a cloud all the same, has been seen by a provider: so the
real share lies between the lower bound of verified and the upper one of declared_or_verified.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from connectors.simulator.district import names
from connectors.simulator.district.draft import Draft, Plan
from connectors.simulator.district.rows import Declaration, Tenant, Use

SERVICES: Final = {"C1": "cloud_server", "C2": "erp_online", "C3": "device_twin", "C4": "mes_app"}
DOCUMENTS: Final = ("contract", "voucher", "invoice", "self_report")


def say(draft: Draft, rng: random.Random, plan: Plan) -> None:
    """What it says and what providers saw; `levels` becomes what is really so."""
    levels: set[str] = set()
    if plan.is_on:
        levels = {c for c in SERVICES if rng.random() < 0.4} or {"C2"}
    said = _said(rng, plan)
    is_seen = plan.is_on and rng.random() < 0.55
    if plan.is_on and said in ("no", "expired", "future"):
        is_seen = True
    draft.declarations += _declarations(draft, rng, plan, said, levels)
    recorded = _use(draft, rng, plan, levels) if is_seen else set()
    if not is_seen and rng.random() < 0.03:
        _old_use(draft, rng, plan)
    draft.levels[plan.uscc] = (levels - {"C4"}) | (recorded & {"C4"})


def _said(rng: random.Random, plan: Plan) -> str:
    kinds = ("yes", "undated", "unknown", "none", "no", "expired", "future")
    honest, lying = (56, 4, 14, 8, 10, 6, 2), (20, 3, 14, 15, 36, 9, 3)
    return rng.choices(kinds, honest if plan.is_on else lying)[0]


def _declarations(
    draft: Draft, rng: random.Random, plan: Plan, said: str, levels: set[str]
) -> Iterator[Declaration]:
    if said == "none":
        return
    held = rng.randint(100, 900)
    begun: date | None = draft.back(held)
    until = draft.back(rng.randint(-400, 90)) if rng.random() < 0.4 else None
    if said == "expired":
        until = draft.back(rng.randint(91, held))
    if said == "future":
        begun, until = draft.on + timedelta(days=rng.randint(1, 60)), None
    if said in ("no", "unknown"):
        begun, until = None, None
    if said == "undated":
        begun = None
    told: list[str | None] = [None]
    if said not in ("no", "unknown") and rng.random() < 0.8:
        claimed = sorted({*rng.sample(list(SERVICES), rng.choice((1, 1, 2))), *levels})
        told = [*claimed[: rng.choice((1, 2, 4))]]
    for level in told:
        yield Declaration(
            uscc=plan.uscc,
            level=level,
            declared_cloud="yes" if said in ("yes", "undated", "expired", "future") else said,
            declared_from=begun,
            declared_to=until,
            declared_on=draft.back(rng.choice((20, 60, 200, 500, 900))),
            document=rng.choice(DOCUMENTS),
            valid_from=plan.begun,
        )


def _use(draft: Draft, rng: random.Random, plan: Plan, levels: set[str]) -> set[str]:
    """Rows of use since it came, by the enterprise's own account; the levels that they show."""
    platform = rng.choice(names.PLATFORMS)
    tenant = f"T-{plan.uscc[8:]}"
    draft.tenants.append(Tenant(tenant, platform, plan.uscc, None, draft.back(4_000)))
    recorded = rng.sample(sorted(levels), rng.randint(1, len(levels)))
    is_named = rng.random() < 0.6
    for level in recorded:
        bare = level != "C4" and rng.random() < 0.04
        draft.provider_use += [
            Use(
                platform=platform,
                tenant_id=tenant,
                uscc=plan.uscc if is_named else None,
                level=None if bare else level,
                service=SERVICES[level],
                day=draft.back(back),
            )
            for back in _times(rng, min(plan.since, len(draft.days) - 1))
        ]
    return set(recorded)


def _times(rng: random.Random, since: int) -> Iterator[int]:
    """How many days ago something was used, from lately to `since`: never 90 days without."""
    back = rng.randint(0, min(60, since))
    while back <= since:
        yield back
        back += rng.randint(5, 75)


def _old_use(draft: Draft, rng: random.Random, plan: Plan) -> None:
    """Use that ended before the window."""
    day = draft.back(rng.randint(91, max(92, len(draft.days) - 1)))
    draft.provider_use.append(Use("海纳", None, plan.uscc, "C2", SERVICES["C2"], day))
