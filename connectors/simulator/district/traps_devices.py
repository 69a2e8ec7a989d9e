"""The planted cases of terminals and machines: identity, days owed, outages, edges of service.

Letters are those of the edge rules: (b) one device on two platforms, (f) rest, (g) filled in
late, (h) our own outage, (i) retirement; `days` for the tenths and the silences.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from connectors.simulator.district.draft import Habit
from connectors.simulator.district.planter import ALWAYS, Columns, Planter
from connectors.simulator.district.rows import Terminal

CONNECTED, INTERMITTENT, STALE, DARK = "connected", "intermittent", "stale", "dark"
NEVER, UNSCHEDULED, INACTIVE = "never", "unscheduled", "inactive"
EVEN, ODD = range(0, 60, 2), range(1, 60, 2)
NO_KEYS: Final[Columns] = {"product_instance_uri": None}
SERIAL_1: Final[Columns] = {"manufacturer": "Norrby Sensing", "serial_number": "NS-1"}
SERIAL_2: Final[Columns] = {"manufacturer": "Norrby Sensing", "serial_number": "NS-2"}


def plant(planter: Planter) -> None:
    """Add them all, at an enterprise that is really on a cloud by its devices."""
    uscc = planter.firm(says="yes")
    planter.draft.levels[uscc] = {"C3"}
    _tenths(planter, uscc)
    _service(planter, uscc)
    _rest(planter)
    _outage(planter, uscc)
    _two_platforms(planter, uscc)
    _chains(planter, uscc)
    _others(planter, uscc)
    _machines(planter)


def _tenths(p: Planter, uscc: str) -> None:
    cases: dict[str, tuple[Iterable[int], str]] = {
        "24 of 30": (range(24), CONNECTED), "23 of 30": (range(23), INTERMITTENT),
        "silent for 7": (range(7, 60), INTERMITTENT), "silent for 8": (range(8, 60), STALE),
        "silent for 30": (range(30, 60), STALE), "silent for 31": (range(31, 60), DARK),
        "never": ((), NEVER),
    }  # fmt: skip
    for name, (seen, expected) in cases.items():
        p.trap("days", name, f"seen {name}, every day owed", expected, p.device(uscc, seen))


def _service(p: Planter, uscc: str) -> None:
    for name, retired, expected in (
        ("retired yesterday", 1, INACTIVE), ("retired today", 0, INACTIVE),
        ("retires tomorrow", -1, CONNECTED),
    ):  # fmt: skip
        listing = p.device(uscc, retired_on=p.back(retired))
        p.trap("i", name, "leaves both sides on the day it is retired", expected, listing)
    for name, activated, expected in (
        ("activated today", 0, CONNECTED), ("activated tomorrow", -1, INACTIVE),
    ):  # fmt: skip
        listing = p.device(uscc, activated_on=p.back(activated))
        p.trap("i", name, "in service from the day of activation on", expected, listing)
    p.trap("i", "not activated", "listed only", INACTIVE, p.device(uscc, activated_on=None))
    one = p.device(uscc, retired_on=p.back(20))
    other = p.device(
        uscc, platform="海纳", product_instance_uri=f"urn:parkpulse:sim:planted:{one}", of=one
    )
    p.trap("i", "retired on one", "one platform retired it, one did not", CONNECTED, other)


def _rest(p: Planter) -> None:
    cases = {
        "at rest": (45, range(45, 60), UNSCHEDULED), "4 days owed": (26, range(60), UNSCHEDULED),
        "5 days owed": (25, range(25, 60), CONNECTED),
        "4 of 5 owed": (25, range(26, 60), INTERMITTENT),
    }  # fmt: skip
    for name, (rest, seen, expected) in cases.items():
        uscc = p.firm(says="unknown", rest=rest)
        p.draft.levels[uscc] = {"C3"}
        listing = p.device(uscc, seen)
        p.trap("f", name, f"its owner rested for {rest} days", expected, listing)
    p.trap(
        "f", "no calendar", "an owner without a calendar has no scheduled day", UNSCHEDULED,
        p.device(p.firm(says="unknown", work_days=0)),
    )  # fmt: skip
    for days in (5, 6):
        uscc = p.firm(work_days=days)
        p.draft.levels[uscc] = {"C3"}
        listing = p.device(uscc, habit=Habit(share=1.0, at_rest=0.0))
        says = f"{days} days a week and no holiday: silent on the others"
        p.trap("f", f"{days}-day week", says, CONNECTED, listing)


def _outage(p: Planter, uscc: str) -> None:
    """P03 was not collected 3 to 16 days ago: no day of it is owed."""
    before_and_after = [*range(3), *range(17, 60)]
    p.trap(
        "h", "outage", "seen on every day that was collected", CONNECTED,
        p.device(uscc, park_id="P03"),
    )  # fmt: skip
    p.trap(
        "h", "silent in the outage", "19 days silent, 5 of them owed: not stale", INTERMITTENT,
        p.device(uscc, range(19, 60), park_id="P03"),
    )  # fmt: skip
    one = p.device(uscc, before_and_after, park_id="P03")
    other = p.device(
        uscc, before_and_after, platform="海纳", of=one,
        product_instance_uri=f"urn:parkpulse:sim:planted:{one}",
    )  # fmt: skip
    says = "listed in P01 as well, which was collected: its days are owed"
    p.trap("h", "outage of one park", says, INTERMITTENT, other)
    late = p.device(uscc, range(60))
    p.draft.late += [(late, p.back(back), p.back(back - 6)) for back in range(8, 28)]
    p.trap("g", "filled in", "twenty days came six days late: they count", CONNECTED, late)
    kept = p.device(uscc, habit=Habit(share=1.0, kept=True), park_id="P03")
    p.trap("g", "filled in by a platform", "seen on days that are not owed", CONNECTED, kept)


def _two_platforms(p: Planter, uscc: str) -> None:
    """One device, two listings that saw it on every other day each: connected together."""
    cases: dict[str, Columns] = {
        "uri": {"product_instance_uri": "urn:parkpulse:sim:planted:shared"},
        "serial": {**NO_KEYS, "manufacturer": "佘岭仪表", "serial_number": "SL-77"},
        "mac": {**NO_KEYS, "mac": "02:00:00:AA:00:01"},
        "asset": {**NO_KEYS, "asset_id": "SB-0001"},
    }
    for name, keys in cases.items():
        one = p.device(uscc, EVEN, **keys)
        other = p.device(uscc, ODD, platform="海纳", of=one, **keys)
        says = f"two platforms, one {name}: counted once, seen together"
        p.trap("b", f"same {name}", says, CONNECTED, one, other)
    neighbour = p.firm(says="unknown")
    listing = p.device(neighbour, EVEN, product_instance_uri=None, asset_id="SB-0001")
    says = "the asset id of another enterprise: another device"
    p.trap("b", "same asset elsewhere", says, INTERMITTENT, listing)
    pair = [p.device(uscc, EVEN, mac="02:00:00:AA:00:02") for _ in range(2)]
    says = "one MAC address, two ProductInstanceUris: two devices"
    p.trap("b", "stronger key differs", says, INTERMITTENT, *pair)


def _chains(p: Planter, uscc: str) -> None:
    one = p.device(uscc, range(0, 60, 3), **SERIAL_1)
    two = p.device(uscc, range(1, 60, 3), of=one, **NO_KEYS, **SERIAL_1, mac="02:00:00:AA:00:03")
    three = p.device(
        uscc, range(2, 60, 3), of=one, platform="海纳", **NO_KEYS, mac="02:00:00:AA:00:03"
    )
    p.trap(
        "b", "chain", "A and B by serial, B and C by MAC: one device", CONNECTED, one, two, three
    )
    first = p.device(uscc, **SERIAL_2)
    between = p.device(uscc, of=first, **NO_KEYS, **SERIAL_2, mac="02:00:00:AA:00:04")
    last = p.device(uscc, mac="02:00:00:AA:00:04")
    says = "its serial is one device's, its MAC another's: in no count"
    p.trap("b", "contradiction", says, "ambiguous", between)
    says = "each goes by its ProductInstanceUri"
    p.trap("b", "contradicted", says, CONNECTED, first, last)
    says = "without any key: a unit by itself"
    p.trap("b", "no key", says, CONNECTED, p.device(uscc, **NO_KEYS))


def _others(p: Planter, uscc: str) -> None:
    p.trap("b", "no owner", "every day is owed", CONNECTED, p.device(None, ALWAYS))
    gateway = p.device(uscc, kind="gateway", points=64)
    p.trap("b", "gateway", "one terminal; its 64 channels are points", CONNECTED, gateway)
    unsaid = p.device(uscc, EVEN, kind=None, network=None)
    p.device(
        uscc, ODD, platform="海纳", kind="device", network="5g", of=unsaid,
        product_instance_uri=f"urn:parkpulse:sim:planted:{unsaid}",
    )  # fmt: skip
    p.trap("b", "said by the other", "kind and network from who says them", CONNECTED, unsaid)
    sensor_only = p.firm()
    sensor = p.device(sensor_only, kind="sensor")
    p.trap("b", "sensor", "connected, but no device: its owner is not verified", CONNECTED, sensor)
    p.trap("b", "owner of a sensor", "a sensor is no device", "not", sensor_only)
    sold_to = p.firm()
    seller = p.firm(says="unknown")
    sold = p.device(seller, valid_to=p.back(12))
    p.draft.terminals.append(
        _sold(p, sold, sold_to),
    )
    p.draft.levels[sold_to] = {"C3"}
    p.trap("a", "sold device", "its owner is whose it is now", CONNECTED, sold)
    p.trap("a", "buyer of a device", "verified by what it bought", "verified", sold_to)
    p.trap("a", "seller of a device", "has none any more", "unknown", seller)


def _machines(p: Planter) -> None:
    """CA-3, CA-4 and CA-6 at one enterprise: what nobody looked at is unknown."""
    uscc = p.firm(says="yes")
    p.draft.levels[uscc] = {"C3"}
    seen = p.machine(uscc, is_networked=False, is_controlled=True)
    p.device(uscc, range(3), machine_id=seen)
    p.trap("b", "networked, denied", "declared not networked, and seen", "", seen)
    claimed = p.machine(uscc, is_networked=True, is_controlled=None, interface_level=None)
    p.trap("b", "networked, claimed", "declared networked, not seen", "", claimed)
    p.machine(uscc, is_networked=None, is_controlled=False, interface_level=1)
    p.machine(uscc, is_digital=False, is_networked=None, is_key_operation=False)
    p.machine(uscc, is_digital=None, is_key_operation=None, interface_level=3)
    p.machine(uscc, kind="control_loop", is_digital=None, is_networked=None, is_controlled=None)
    ended = p.machine(uscc, valid_to=p.on)
    p.trap("i", "machine retired today", "in no figure of machines", "", ended)
    p.trap("i", "machine retires tomorrow", "in all", "", p.machine(uscc, valid_to=p.back(-1)))


def _sold(p: Planter, terminal_id: str, uscc: str) -> Terminal:
    listing = next(t for t in p.draft.terminals if t.terminal_id == terminal_id)
    return replace(listing, uscc=uscc, valid_from=p.back(12), valid_to=None)
