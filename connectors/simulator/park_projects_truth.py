"""What the invented projects, services and data centres amount to, counted by plain loops."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from connectors.simulator.park_projects import PHASES, EnergyDay, Project, Service, Use


def project_states(rows: Iterable[Project], on: date) -> dict[str, tuple[str, str | None, int]]:
    """Per project its state, the phase it is in or was last, and by how many days it is late."""
    found: dict[str, list[Project]] = {}
    for row in rows:
        found.setdefault(row.project_id, []).append(row)
    return {name: _state({row.phase: row for row in phases}, on) for name, phases in found.items()}


def _state(phases: dict[str, Project], on: date) -> tuple[str, str | None, int]:
    state, where, due = "not_begun", None, phases[PHASES[0]].planned_from
    for place, phase in enumerate(PHASES):
        row = phases[phase]
        entered = row.entered_on is not None and row.entered_on <= on
        left = row.left_on is not None and row.left_on <= on
        if left and phase == PHASES[-1]:
            return "finished", phase, 0
        if left:
            state, where, due = "between", phase, phases[PHASES[place + 1]].planned_from
        elif entered:
            state, where, due = "running", phase, row.planned_to
    return state, where, max(0, (on - due).days)


def project_findings(rows: Iterable[Project], on: date) -> set[tuple[str, str, str]]:
    """(project, phase, finding) of dates that cannot be right."""
    phases: dict[tuple[str, str], tuple[date | None, date | None]] = {}
    for row in rows:
        entered = row.entered_on if row.entered_on and row.entered_on <= on else None
        left = row.left_on if row.left_on and row.left_on <= on else None
        phases[row.project_id, row.phase] = entered, left
    found = set()
    for (project, phase), (entered, left) in phases.items():
        place = PHASES.index(phase)
        if entered is None and left is None:
            if any(any(phases[project, later]) for later in PHASES[place + 1 :]):
                found.add((project, phase, "skipped"))
            continue
        if entered is None:
            found.add((project, phase, "left_not_entered"))
        elif left is not None and left < entered:
            found.add((project, phase, "left_before_entered"))
        for earlier in reversed(PHASES[:place]):
            began, ended = phases[project, earlier]
            if began or ended:
                if entered is not None and (ended is None or ended > entered):
                    found.add((project, phase, "entered_before_left"))
                break
    return found


def service_counts(
    offered: Sequence[Service], use: Sequence[Use], on: date
) -> dict[str, tuple[bool, int, int, int, int]]:
    """Per service: is it listed, how many enterprises, unattributed uses, uses now and before.

    Services of the day's catalogue, and those used in the window that are not in it.
    """
    found = {}
    for service in offered:
        listed = service.valid_from <= on and (service.valid_to is None or on < service.valid_to)
        own = [one for one in use if one.service == service.service_id and one.day <= on]
        now = [one for one in own if (on - one.day).days <= 90]
        before = [one for one in own if 91 <= (on - one.day).days <= 181]
        if listed or now:
            found[service.service_id] = (
                listed, len({one.uscc for one in now if one.uscc}),
                sum(one.uscc is None for one in now), len(now), len(before),
            )  # fmt: skip
    return found


def pue_verdicts(days: Iterable[EnergyDay], on: date) -> dict[str, tuple[int, int, int, str]]:
    """Per data centre: days on which both meters spoke, Wh of site and of IT, and the verdict."""
    found: dict[str, list[EnergyDay]] = {}
    for one in days:
        found.setdefault(one.data_centre_id, []).append(one)
    return {name: _verdict(own, on) for name, own in found.items()}


def _verdict(own: Sequence[EnergyDay], on: date) -> tuple[int, int, int, str]:
    first = max(on - timedelta(days=364), own[0].built_on)
    site = it = spoke = 0
    for one in own:
        if first <= one.day <= on and one.facility_wh is not None and one.it_wh is not None:
            site, it, spoke = site + one.facility_wh, it + one.it_wh, spoke + 1
    if it == 0:
        return spoke, site, it, "unknown"
    if site < it:
        return spoke, site, it, "impossible"
    if own[0].built_on.year < 2021:
        return spoke, site, it, "no_target"
    if spoke < ((on - first).days + 1) * 9 / 10:
        return spoke, site, it, "unknown"
    return spoke, site, it, "met" if site * 10 <= it * (15 if own[0].is_edge else 13) else "not_met"
