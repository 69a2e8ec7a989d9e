"""Laws of the register: one champion a day, nothing unwritten, back to the judge of before."""

import itertools
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RegisterError
from models.register_lines import lines, parsed
from models.registry import (
    Appointment,
    Asked,
    Kept,
    Looked,
    Register,
    Version,
    rollback,
)

FIRST = date(2026, 11, 1)
AT = "2026-11-20T01:10:00+00:00"
UNITS = ["M1", "M2"]


def day(n):
    return FIRST + timedelta(days=n)


def version(number, *days, unit="M1", **more):
    made = Version(
        work_unit_id=unit, machine_type="press", version=number,
        training_days=tuple(day(n) for n in days), collected_days=float(len(days)),
        training_rows=500, learned=True, path=f"models/F01/{unit}/{number}.model",
        sha256=str(number) * 64, fingerprint="f", code_version="c", reason="first", why="w",
        at=AT, habits="{}", sensors=("a",), notes=("n",), metrics={"challenger": {"power": 0.5}},
    )  # fmt: skip
    return replace(made, **more)


def appoint(number, since, unit="M1", act="promoted"):
    return Appointment(unit, number, day(since), act, "better", AT)


@st.composite
def histories(draw):
    """Entries that a factory may get: versions, appointments to any of them, and the rest."""
    made, counts = [], dict.fromkeys(UNITS, 0)
    for _ in range(draw(st.integers(1, 14))):
        unit = draw(st.sampled_from(UNITS))
        kind = draw(st.sampled_from(["version", "appointment", "kept", "asked", "looked"]))
        number = draw(st.integers(1, counts[unit])) if counts[unit] else None
        if kind == "version" or number is None:
            counts[unit] += 1
            made.append(version(counts[unit], 0, 1, unit=unit))
        elif kind == "appointment":
            made.append(appoint(number, draw(st.integers(2, 20)), unit))
        elif kind == "kept":
            made.append(Kept(unit, number, "no better", AT))
        elif kind == "asked":
            made.append(Asked(unit, "why", AT, "zhang"))
        else:
            made.append(Looked(day(draw(st.integers(0, 20))), AT, ("a note",)))
    return made


def slow_champion(entries, unit, on):
    """The twin: whoever was appointed last, of those whose day has come."""
    own = [e for e in entries if isinstance(e, Appointment) and e.work_unit_id == unit]
    begun = [e.version for e in own if e.since <= on]
    return begun[-1] if begun else None


@given(histories())
def test_every_day_has_one_champion_from_the_first_appointment_on(entries):
    register = Register().appended(entries)
    for unit in UNITS:
        terms = register.terms(unit)
        for one, after in itertools.pairwise(terms):
            assert one.until == after.since - timedelta(days=1)
            assert one.version != after.version
            assert one.since <= one.until
        assert all(term.until is None for term in terms[-1:])
        for n in range(25):
            champion = register.champion_on(unit, day(n))
            assert (champion and champion.version) == slow_champion(entries, unit, day(n))
        states = [register.state(one) for one in register.versions(unit)]
        assert states.count("champion") == bool(terms)
        assert states.count("challenger") <= 1


@given(histories(), histories())
def test_nothing_that_was_written_changes_and_all_can_be_read_again(entries, more):
    register = Register().appended(entries)
    before = list(lines(register.entries))
    later = [e for e in more if isinstance(e, Asked | Looked)]
    grown = register.appended(later)
    assert list(lines(grown.entries))[: len(before)] == before
    assert parsed(lines(grown.entries), "register") == grown
    assert register.entries == tuple(entries)


@given(histories(), st.integers(2, 20))
def test_a_rollback_leaves_the_days_before_it_to_their_judges(entries, since):
    register = Register().appended(entries)
    for unit in register.machines:
        champion = register.champion(unit)
        others = [v for v in register.versions(unit) if champion and v.version != champion.version]
        for to in others:
            entry = rollback(register, unit, to.version, day(since), why="too loud", by="li", at=AT)
            back = register.appended([entry])
            for n in range(25):
                expected = to if n >= since else register.champion_on(unit, day(n))
                assert back.champion_on(unit, day(n)) == expected


def test_without_a_version_it_is_the_champion_before_that_comes_back():
    register = Register().appended(
        [version(1, 0), appoint(1, 1), version(2, 0, 1), appoint(2, 3), version(3, 0, 1, 2)]
    )
    entry = rollback(register, "M1", None, day(9), why="too loud", by="li", at=AT)
    assert (entry.version, entry.act, entry.by, entry.since) == (1, "rolled_back", "li", day(9))
    back = register.appended([entry])
    assert [tuple(term) for term in back.terms("M1")] == [
        (1, day(1), day(2)), (2, day(3), day(8)), (1, day(9), None),
    ]  # fmt: skip
    assert [back.state(one) for one in back.versions("M1")] == ["champion", "retired", "challenger"]


def test_what_was_asked_for_is_done_once_a_newer_version_is_there():
    register = Register().appended([version(1, 0), Asked("M1", "new tool", AT, "li")])
    assert register.asked("M1").why == "new tool"
    assert register.asked("M2") is None
    assert register.appended([version(2, 1)]).asked("M1") is None
    assert register.appended([version(2, 0, reason="unreadable")]).asked("M1") is not None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (version(3, 0), "version 3 after 1"),
        (version(2), "of 0 days"),
        (appoint(4, 5), "no model version 4; versions are: 1"),
        (appoint(1, 0), "a day it learned from"),
        (Kept("M9", 1, "w", AT), "M9: has no model version 1; versions are: none"),
    ],
    ids=str,
)
def test_what_has_no_place_is_refused_in_one_line(entry, said):
    with pytest.raises(RegisterError, match=said) as caught:
        Register().appended([version(1, 0), entry])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "to", "said"),
    [
        ("M9", None, "M9: has no model; machines with models: M1"),
        ("M1", None, "version 1 had no champion before it; name one with --to"),
        ("M1", 1, "version 1 is champion already"),
        ("M1", 7, "no model version 7; versions are: 1, 2"),
        ("M1", 2, "version 2 learned from days to 2026-11-08; it can judge from 2026-11-09 on"),
    ],
    ids=str,
)
def test_a_rollback_to_nowhere_says_where_it_may_go(unit, to, said):
    register = Register().appended([version(1, 0), appoint(1, 1), version(2, 7)])
    with pytest.raises(RegisterError, match=said):
        rollback(register, unit, to, day(5), why="w", by="li", at=AT)


@pytest.mark.parametrize("broken", ["{", "[]", '{"entry": "pickle"}', '{"entry": "kept", "x": 1}'])
def test_a_line_that_is_none_is_named(broken):
    good = list(lines([version(1, 0)]))
    with pytest.raises(RegisterError, match=r"^r\.jsonl: line 2 is no entry"):
        parsed([*good, broken], "r.jsonl")
