"""The terminals that are drawn: whose, where, how they are named, and how they behave.

An enterprise that is really not on a cloud owns devices that have been silent for long, or always.
"""

import random
from dataclasses import replace
from datetime import date
from typing import Any, Final

from connectors.simulator.district import names
from connectors.simulator.district.draft import SILENT_ALWAYS, Draft, Habit, Plan
from connectors.simulator.district.identity import keys
from connectors.simulator.district.rows import Terminal

KINDS: Final = ("device", "sensor", "gateway", "meter", "camera")
NETWORKS: Final = ("ethernet", "5g", "wifi", "nb_iot", "lora", "fieldbus", None)
STAGES: Final = ("production", "operation", "business", "rnd", None)
LISTED_TWICE: Final = 0.04
CHAINED: Final = 0.005
CONTRADICTED: Final = 0.005
SILENT_ONCE: Final = 0.3
GROWTH: Final = 0.25
"""Of the terminals of those on a cloud, so many came in the last months."""


def draw(draft: Draft, count: int) -> None:
    """Add listings until there are `count` of them in all."""
    rng = random.Random(f"{draft.seed}/district/terminals")
    owners = [p for p in draft.plans.values() if p.is_industry and rng.random() < 0.55]
    weights = [4 + min(60, plan.staff // 12) for plan in owners]
    chosen = [*owners, *rng.choices(owners, weights, k=count)]
    rng.shuffle(chosen)
    number = len(draft.habits)
    for plan in chosen:
        if number >= count:
            return
        first = _listing(draft, rng, plan, number)
        habit = _habit(rng, plan, first.kind)
        _add(draft, plan, first, habit, first.terminal_id)
        number += 1
        for again in _again(rng, first, number)[: count - number]:
            half = habit if habit.silent else replace(habit, share=habit.share / 2)
            is_other = again.product_instance_uri not in (None, first.product_instance_uri)
            _add(draft, plan, again, half, again.terminal_id if is_other else first.terminal_id)
            number += 1


def _listing(draft: Draft, rng: random.Random, plan: Plan, number: int) -> Terminal:
    kind = rng.choices(KINDS, (55, 28, 6, 7, 4))[0]
    activated: date | None = draft.back(_age(rng, plan))
    fate = rng.random()
    if fate < 0.02:
        activated = draft.back(rng.randint(-3, 12))
    elif fate < 0.04:
        activated = None
    retired = draft.back(rng.randint(-20, 180)) if rng.random() < 0.04 else None
    if plan.gone is not None and rng.random() < 0.5:
        retired = plan.gone
    if retired is not None and activated is not None and retired < activated:
        retired = None  # a device that was never in service was not retired either
    is_owned = rng.random() >= 0.015
    is_machine = kind == "device" and plan.machines and is_owned and rng.random() < 0.5
    return Terminal(
        terminal_id=f"D{number:06}",
        platform=rng.choice(names.PLATFORMS),
        **_identity(rng, number),
        kind=kind,
        network=rng.choices(NETWORKS, (34, 16, 16, 12, 8, 12, 2))[0],
        chain_stage=rng.choices(STAGES, (70, 12, 8, 6, 4))[0],
        uscc=plan.uscc if is_owned else None,
        park_id=rng.choice(plan.park_ids),
        machine_id=rng.choice(plan.machines) if is_machine else None,
        points=rng.choice((8, 16, 32, 64)) if kind == "gateway" else 1,
        registered_on=None if activated is None else min(activated, draft.on),
        activated_on=activated,
        retired_on=retired,
        valid_from=draft.back(1_600),
    )


def _age(rng: random.Random, plan: Plan) -> int:
    """Days in service: an enterprise has none from before it came onto a cloud."""
    is_late = plan.is_on and rng.random() < GROWTH
    most = min(plan.since, 200 if is_late else 1_500) if plan.is_on else 1_500
    return rng.randint(min(8, most), most)


def _identity(rng: random.Random, number: int) -> dict[str, Any]:
    """Most say a ProductInstanceUri; some only a serial number, a MAC address or an asset id."""
    kind = rng.choices(("all", "uri", "serial", "mac", "asset", "none"), (30, 38, 17, 9, 5.7, 0.3))[
        0
    ]
    maker = rng.choice(names.MAKERS)
    said: dict[str, Any] = dict.fromkeys(
        ("product_instance_uri", "manufacturer", "serial_number", "mac", "asset_id")
    )
    if kind in ("all", "uri"):
        said["product_instance_uri"] = f"urn:parkpulse:sim:unit:{number:06}"
    if kind in ("all", "serial"):
        said |= {"manufacturer": maker, "serial_number": f"SN{number:07}"}
    if kind in ("all", "mac"):
        said["mac"] = names.mac(number)
    if kind in ("all", "asset"):
        said["asset_id"] = f"A{number:06}"
    return said


def _again(rng: random.Random, first: Terminal, number: int) -> list[Terminal]:
    """What other platforms list of the same device: mostly nothing, else once or in a chain."""
    fate = rng.random()
    if all(key is None for key in keys(first)):
        return []  # nobody could tell that it is the same
    others = [p for p in names.PLATFORMS if p != first.platform]
    if fate < LISTED_TWICE:
        second = replace(
            first, terminal_id=f"D{number:06}", platform=rng.choice(others),
        )  # fmt: skip
        if first.product_instance_uri is not None and first.serial_number is not None:
            keep = rng.choice(("serial", "mac", "uri"))
            second = _named_by(second, keep)
        return [second]
    if fate < LISTED_TWICE + CHAINED and first.serial_number is not None and first.mac is not None:
        second = replace(first, terminal_id=f"D{number:06}", platform=others[0])
        third = replace(first, terminal_id=f"D{number + 1:06}", platform=others[1])
        linked = replace(second, product_instance_uri=None, asset_id=None)
        return [linked, _named_by(third, "mac")]
    if 1 - fate < CONTRADICTED and first.product_instance_uri and first.serial_number:
        return _contradiction(first, number, others[0])
    return []


def _contradiction(first: Terminal, number: int, platform: str) -> list[Terminal]:
    """A listing with the serial number of one device and the MAC address of another."""
    between = _named_by(first, "serial")
    between = replace(
        between, terminal_id=f"D{number:06}", platform=platform, mac=names.mac(number)
    )
    other = replace(
        _named_by(first, "uri"),
        terminal_id=f"D{number + 1:06}",
        product_instance_uri=f"urn:parkpulse:sim:unit:{number + 1:06}",
        mac=between.mac,
    )
    return [between, other]


def _named_by(listing: Terminal, keep: str) -> Terminal:
    """The listing with one of its keys alone."""
    bare = replace(
        listing, product_instance_uri=None, manufacturer=None, serial_number=None, mac=None,
        asset_id=None,
    )  # fmt: skip
    if keep == "uri":
        return replace(bare, product_instance_uri=listing.product_instance_uri)
    if keep == "mac":
        return replace(bare, mac=listing.mac)
    return replace(bare, manufacturer=listing.manufacturer, serial_number=listing.serial_number)


def _habit(rng: random.Random, plan: Plan, kind: str | None) -> Habit:
    says_zero = rng.random() < 0.5
    if not plan.is_on and kind == "device":
        silent = rng.choices((rng.randint(45, 400), SILENT_ALWAYS), (4, 96))[0]
        return Habit(silent=silent, says_zero=says_zero)
    habit = rng.choices(("steady", "some", "fifth", "stale", "dark", "never"), (76, 8, 5, 4, 4, 3))[
        0
    ]
    if habit == "some":
        return Habit(share=rng.uniform(0.3, 0.78), says_zero=says_zero)
    if habit == "fifth":
        return Habit(share=1.0, at_rest=0.0, fifth=True, says_zero=says_zero)
    silence = {"stale": rng.randint(8, 28), "dark": rng.randint(31, 400), "never": SILENT_ALWAYS}
    return Habit(
        silent=silence.get(habit, 0),
        gap=_gap(rng) if habit == "steady" else None,
        says_zero=says_zero,
        kept=rng.random() < 0.1,
    )


def _gap(rng: random.Random) -> tuple[int, int] | None:
    """Silence of some weeks that is over: as many fell silent at any other time as lately."""
    begun = rng.randint(50, 260)
    return (begun, begun - rng.randint(10, 40)) if rng.random() < SILENT_ONCE else None


def _add(draft: Draft, plan: Plan, listing: Terminal, habit: Habit, device: str) -> None:
    """A listing, and what a move or a merger of its owner makes of it."""
    now = listing
    if plan.moved is not None and plan.moved[1] != listing.park_id:
        day, was = plan.moved
        draft.terminals.append(replace(listing, park_id=was, valid_to=day))
        now = replace(listing, valid_from=day)
    if plan.merged is not None and listing.uscc is not None and int(device[1:]) % 2:
        day, into = plan.merged
        if day > now.valid_from:
            draft.terminals.append(replace(now, valid_to=day))
            now = replace(now, valid_from=day, uscc=into, machine_id=None)
            if plan.is_on and day <= draft.on:
                draft.levels.setdefault(into, set()).add("C3")
    draft.list_(now, habit, device)
