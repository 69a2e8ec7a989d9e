"""What is really so, beside what anybody says: the ground of the ideal figures."""

import random
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.simulator.district.draft import Draft
from connectors.simulator.district.rows import Machine, Really, Terminal

LAST_DAYS: Final = 30


def hidden(draft: Draft, sent: npt.NDArray[np.int16]) -> Really:
    """Enterprises with a live device are on a cloud; machines that are heard are networked.

    What is declared of a machine's network may be a lie where nothing is heard of it; what is
    declared of control and interface is so, and where nothing is declared anything may be.
    """
    rng = random.Random(f"{draft.seed}/district/hidden")
    live = _live(draft, sent)
    levels = {uscc: set(held) for uscc, held in draft.levels.items()}
    for listing in live:
        if listing.uscc is not None and listing.kind == "device":
            levels.setdefault(listing.uscc, set()).add("C3")
    heard = {listing.machine_id for listing in live}
    networked, controlled, interface = set(), set(), set()
    for machine in draft.machines:
        luck = rng.random()
        name = machine.machine_id
        if name in heard or _is_networked(machine, luck):
            networked.add(name)
        if machine.is_controlled or (machine.is_controlled is None and luck < 0.5):
            controlled.add(name)
        level = machine.interface_level
        if (level is None and luck > 0.6) or (level is not None and level >= 2):
            interface.add(name)
    return Really(
        levels={uscc: frozenset(held) for uscc, held in levels.items() if held},
        networked=frozenset(networked),
        controlled=frozenset(controlled),
        interface=frozenset(interface),
        device=dict(draft.device),
    )


def _is_networked(machine: Machine, luck: float) -> bool:
    """Of those that are not heard: a claim is true in 85 of 100, and one denied never is."""
    if machine.is_networked is None:
        return luck < 0.4
    return machine.is_networked and luck < 0.85


def _live(draft: Draft, sent: npt.NDArray[np.int16]) -> list[Terminal]:
    """Listings in service that sent something within the last 30 days."""
    spoke = set(np.flatnonzero(sent[:, -LAST_DAYS:].max(axis=1) >= 1).tolist())
    alive = {name for number, name in enumerate(draft.habits) if number in spoke}
    return [t for t in draft.terminals if t.terminal_id in alive and _in_service(t, draft.on)]


def _in_service(listing: Terminal, on: date) -> bool:
    held = listing.valid_from <= on and (listing.valid_to is None or listing.valid_to > on)
    begun = listing.activated_on is not None and listing.activated_on <= on
    return held and begun and (listing.retired_on is None or listing.retired_on > on)
