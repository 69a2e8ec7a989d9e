"""A tag file proposed from names, types, units and what values did; a person completes it.

Confidence is high where name, type and behaviour agree (or a companion specification says it),
medium where two of them do, low where there is only a guess or nothing.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from connectors.opcua.browse import Variable
from connectors.opcua.catalogue import OPCUA, snake
from connectors.opcua.name_words import (
    ALARM,
    CODES,
    FOLDERS,
    NUMBERS,
    PROCESS,
    STATE_WORDS,
    UNITS,
    WORDS,
    Word,
)
from connectors.opcua.observe import Behaviour, Value, behaviour
from connectors.tag_file import HIGH, LOW, MEDIUM, UNDECIDED

_PART: Final = re.compile(r"[./\\|:\[\]\"]+")
_ENERGY_UNITS: Final = {"energy_kwh": "kWh", "power_kw": "kW"}
_WRAPS: Final = {
    "Byte": 255, "Int16": 32_767, "UInt16": 65_535, "Int32": 2**31 - 1, "UInt32": 2**32 - 1,
}  # fmt: skip
"""Where a counter of this type begins again, unless its program resets it earlier."""
_TIMID: Final = {HIGH: MEDIUM, MEDIUM: LOW, LOW: LOW}


@dataclass(frozen=True, slots=True)
class Guess:
    """What a variable seems to mean, how sure that is, and why."""

    measure: str
    kind: str
    confidence: str
    why: str
    unit: str | None = None
    scale: float | None = None
    value_map: str | None = None
    counter_max: int | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """One variable with everything that is evidence about it."""

    node: str
    machine: str | None
    name: str
    snake: str
    data_type: str | None
    unit: str | None
    did: Behaviour
    enumeration: Mapping[str, str]


def described(variables: Sequence[Variable], tags: pl.DataFrame) -> list[bool]:
    """Which variables are worth a row: those that do not merely describe another node.

    Units, ranges and enumerations stand below the variable they are of; the base namespace's own
    nodes are no machine's. Some servers put every browse name into that namespace.
    """
    paths = {variable.path for variable in variables}
    return [
        kind != "other"
        or not (
            variable.node_id.NamespaceIndex == 0
            or (
                variable.path[-1:] and variable.path[-1][0] == OPCUA and variable.path[:-1] in paths
            )
            or (variable.path[-1:] and variable.path[-1] in _PROPERTIES)
        )
        for variable, kind in zip(variables, tags["measure_kind"], strict=True)
    ]


_PROPERTIES: Final = {
    (OPCUA, name)
    for name in (
        "EngineeringUnits", "EURange", "InstrumentRange", "EnumStrings", "EnumValues", "TrueState",
        "FalseState", "InputArguments", "OutputArguments", "NodeVersion", "CurrentState",
    )
}  # fmt: skip


def proposed(
    variables: Sequence[Variable],
    tags: pl.DataFrame,
    seen: Mapping[str, Sequence[Value]],
    *,
    server: str | None = None,
) -> list[dict[str, Any]]:
    """Rows of a tag file (`connectors.tag_file.COLUMNS`), one per variable that is no property."""
    by_path = {variable.path: variable for variable in variables}
    known = {row["node_id"]: row for row in tags.iter_rows(named=True)}
    rows, subjects = [], []
    for variable, is_worth in zip(variables, described(variables, tags), strict=True):
        if not is_worth:
            continue
        tag = known[variable.text]
        row = {**tag, "server_uri": server, "factory_id": None}
        rows.append(row)
        if tag["measure_kind"] == "other":
            subjects.append(_subject(variable, tag, by_path, seen))
        else:
            row |= {"confidence": HIGH, "why": f"companion specification: {_where(variable)}"}
    guesses = {s.node: guess for s, guess in zip(subjects, _guesses(subjects), strict=True)}
    machines = {subject.node: subject.machine for subject in subjects}
    return [
        _filled(row, guesses[row["node_id"]], machines[row["node_id"]])
        if row["node_id"] in guesses
        else row
        for row in rows
    ]


def _filled(row: dict[str, Any], guess: Guess, machine: str | None) -> dict[str, Any]:
    work_unit = row["work_unit_id"] or machine
    return row | {
        "work_unit_id": work_unit or (UNDECIDED if guess.kind != "other" else None),
        "measure": guess.measure,
        "measure_kind": guess.kind,
        "unit": guess.unit or row["unit"],
        "scale": guess.scale,
        "counter_max": guess.counter_max,
        "value_map": guess.value_map,
        "confidence": guess.confidence,
        "why": guess.why,
    }


def _where(variable: Variable) -> str:
    return "/".join(name for _, name in variable.path[-3:])


def _subject(
    variable: Variable,
    tag: Mapping[str, Any],
    by_path: Mapping[Any, Variable],
    seen: Mapping[str, Sequence[Value]],
) -> _Subject:
    parts = _parts(variable)
    return _Subject(
        node=variable.text,
        machine=_machine(parts[:-1]),
        name=parts[-1],
        snake=snake(parts[-1]),
        data_type=tag["data_type"],
        unit=tag["unit"],
        did=behaviour(seen.get(variable.text, ()), tag["data_type"]),
        enumeration=_enumeration(variable, by_path),
    )


def _parts(variable: Variable) -> list[str]:
    """The names from the outermost folder to the variable, from browse path or NodeId text."""
    named = [name for _, name in variable.path]
    _, _, text = variable.text.rpartition(";")
    spelled = [part for part in _PART.split(text.removeprefix("s=")) if part]
    is_text = text.startswith("s=") and bool(spelled)
    if len(named) > 1 or not is_text:
        last = [part for part in _PART.split(named[-1]) if part] if named else []
        return [*named[:-1], *(last[-1:] or [text])]
    return spelled


def _machine(folders: Sequence[str]) -> str | None:
    """The innermost folder that is not just a drawer for variables."""
    return next((name for name in reversed(folders) if not FOLDERS.match(name)), None)


def _enumeration(variable: Variable, by_path: Mapping[Any, Variable]) -> dict[str, str]:
    """Names of codes, from EnumStrings or TrueState and FalseState beside the variable."""

    def told(name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        found = by_path.get((*variable.path, (OPCUA, name)))
        value = found.value.value if found is not None else None
        try:
            return json.loads(value) if isinstance(value, str) else None
        except ValueError:
            return None

    strings = told("EnumStrings")
    if isinstance(strings, list):
        return {str(code): _label(text) for code, text in enumerate(strings)}
    states = {"0": told("FalseState"), "1": told("TrueState")}
    return {code: _label(text) for code, text in states.items() if text is not None}


def _label(text: Any) -> str:  # noqa: ANN401 - a LocalizedText as JSON
    return str(text.get("Text") or "") if isinstance(text, dict) else str(text)


def _guesses(subjects: Sequence[_Subject]) -> list[Guess]:
    guesses = [_guess(subject) for subject in subjects]
    return _apart(subjects, _counters_by_sum(subjects, guesses))


def _guess(subject: _Subject) -> Guess:
    for word in WORDS:
        named = _named(word, subject)
        if named and (subject.data_type in word.types):
            return _by_name(subject, word, named)
    for measure, chinese, english, unit in PROCESS:
        hit = next((zh for zh in chinese.split() if zh in subject.name), None)
        hit = hit or _first(rf"(?:^|_)(?:{english})(?:_?[0-9]+)?(?:_|$)", subject.snake)
        if hit and subject.data_type in NUMBERS:
            return _process(subject, measure, hit, unit)
    return _by_behaviour(subject)


def _named(word: Word, subject: _Subject) -> str | None:
    zh = next((zh for zh in word.chinese if zh in subject.name), None)
    return zh or _first(word.english, subject.snake)


def _first(pattern: str | re.Pattern[str], text: str) -> str | None:
    found = re.search(pattern, text)
    return found.group().strip("_") if found else None


def _by_name(subject: _Subject, word: Word, named: str) -> Guess:
    did = subject.did
    unit, scale = _unit(subject)
    suits = did.kind in word.suits and not (did.kind == "steady" and word.kind == "counter")
    confidence = HIGH if suits and did.kind != "steady" else MEDIUM
    why = f"name `{named}`, type {subject.data_type}, {did.said}"
    if did.kind not in (*word.suits, "unseen", "steady"):
        confidence = LOW
        why += f": unlike {word.measure}"
    guess = Guess(word.measure, word.kind, confidence, why, unit)
    if word.kind == "counter":
        return replace(guess, counter_max=_WRAPS.get(subject.data_type or ""))
    if word.kind == "energy":
        return replace(guess, unit=unit or _ENERGY_UNITS[word.measure], scale=scale)
    if word.kind == "state":
        return replace(_stated(subject, guess), unit=None)
    return guess


def _stated(subject: _Subject, guess: Guess) -> Guess:
    """A state with its map: from the server's own names of codes, or left to a person."""
    if guess.measure != "item_state":
        codes = _codes(subject)
        return replace(guess, confidence=_TIMID[guess.confidence], value_map=_open(codes))
    if subject.enumeration:
        known = {code: _state_named(name) for code, name in subject.enumeration.items()}
        names = ", ".join(f"{code} {name}" for code, name in subject.enumeration.items())
        is_whole = None not in known.values()
        text = ";".join(f"{code}={state or UNDECIDED}" for code, state in known.items())
        confidence = guess.confidence if is_whole else MEDIUM
        return replace(
            guess, value_map=text, confidence=confidence, why=f"{guess.why}; its codes: {names}"
        )
    if subject.did.kind == "flag" or subject.data_type == "Boolean":
        return replace(guess, value_map="1=Executing;0=NotExecuting")
    why = f"{guess.why}; say what each code means"
    return replace(
        guess, value_map=_open(_codes(subject)), confidence=_TIMID[guess.confidence], why=why
    )


def _codes(subject: _Subject) -> list[str]:
    return list(subject.enumeration) or [str(value) for value in subject.did.values] or ["0", "1"]


def _open(codes: Sequence[str]) -> str:
    return ";".join(f"{code}={UNDECIDED}" for code in codes)


def _state_named(name: str) -> str | None:
    return next((state for state, words in STATE_WORDS if words.search(name.lower())), None)


def _process(subject: _Subject, measure: str, hit: str, usual: str | None) -> Guess:
    did, (unit, _) = subject.did, _unit(subject)
    confidence = HIGH if did.kind in ("signal", "grows") else MEDIUM
    number = _first(r"[0-9]+$", subject.snake)
    name = subject.snake if subject.snake.isascii() and subject.snake else measure
    name = f"{name}_{number}" if number and not name.endswith(number) else name
    why = f"name `{hit}`, type {subject.data_type}, {did.said}"
    if unit is None and usual is not None:
        why += f"; unit assumed to be {usual}"
    return Guess(name, "process", confidence, why, unit or usual)


def _unit(subject: _Subject) -> tuple[str | None, float | None]:
    """The unit figures are in, and the factor to it, from the server's unit or the name."""
    for text in filter(None, (subject.unit, subject.name)):
        for pattern, unit, scale in UNITS:
            if pattern.search(text.lower()):
                return unit, scale
    return subject.unit, None


def _by_behaviour(subject: _Subject) -> Guess:
    did, other = subject.did, subject.snake or "unnamed"
    said = f"the name says nothing; type {subject.data_type}, {did.said}"
    if ALARM.search(subject.snake) or ALARM.search(subject.name):
        why = f"an alarm by its name, type {subject.data_type}, {did.said}; kept, not used"
        return Guess(other, "other", MEDIUM, why)
    if did.kind == "counts" and subject.data_type in NUMBERS:
        wraps = _WRAPS.get(subject.data_type)
        why = f"{said}: a counter, of what?"
        return Guess("parts_total", "counter", LOW, why, counter_max=wraps)
    if did.kind == "codes" and subject.data_type in CODES:
        why = f"{said}: a state? say what each code means"
        return Guess("item_state", "state", LOW, why, value_map=_open(_codes(subject)))
    if did.kind in ("signal", "grows") and subject.data_type in NUMBERS:
        return Guess(other, "process", LOW, f"{said}: a process value", subject.unit)
    if did.kind == "flag" and len(did.values) > 1:
        return Guess(other, "other", LOW, f"{said}: item_state with 1=Executing;0=NotExecuting?")
    return Guess(other, "other", LOW, said)


def _counters_by_sum(subjects: Sequence[_Subject], guesses: Sequence[Guess]) -> list[Guess]:
    """Three unnamed counters of a machine, one the sum of the others: total, good, bad."""
    found = list(guesses)
    for _, rows in _by_machine(subjects):
        unnamed = [
            i for i in rows
            if guesses[i].confidence == LOW and guesses[i].measure == "parts_total"
            and subjects[i].did.kind == "counts"
        ]  # fmt: skip
        if len(unnamed) != 3 or any(guesses[i].kind == "counter" for i in set(rows) - set(unnamed)):
            continue
        total, good, bad = sorted(unnamed, key=lambda i: -_last(subjects[i]))
        if _last(subjects[total]) == _last(subjects[good]) + _last(subjects[bad]):
            for i, measure in ((total, "parts_total"), (good, "parts_good"), (bad, "parts_bad")):
                why = f"{guesses[i].why}; {subjects[total].name} = {subjects[good].name} + "
                why += subjects[bad].name
                found[i] = replace(guesses[i], measure=measure, why=why)
    return found


def _last(subject: _Subject) -> float:
    return float(subject.did.values[-1])


def _by_machine(subjects: Sequence[_Subject]) -> Iterator[tuple[str | None, list[int]]]:
    rows: dict[str | None, list[int]] = {}
    for i, subject in enumerate(subjects):
        rows.setdefault(subject.machine, []).append(i)
    yield from rows.items()


def _apart(subjects: Sequence[_Subject], guesses: Sequence[Guess]) -> list[Guess]:
    """Of several variables of a machine that seem to mean one thing none is sure to.

    Only the surest keeps it, unless they are equally sure; process values get names of their own.
    """
    found = list(guesses)
    for _, rows in _by_machine(subjects):
        counts = Counter((guesses[i].measure, guesses[i].kind) for i in rows)
        for i in rows:
            guess = guesses[i]
            if counts[guess.measure, guess.kind] < 2 or guess.kind == "other":
                continue
            if guess.kind == "process":
                name = _own_name(subjects[i])
                found[i] = replace(
                    guess, measure=f"{guess.measure}_{name}" if name else guess.measure
                )
                continue
            rivals = [j for j in rows if guesses[j].measure == guess.measure and j != i]
            best = min(_RANK[guesses[j].confidence] for j in rivals)
            if _RANK[guess.confidence] < best:
                continue
            others = ", ".join(subjects[j].name for j in rivals[:3])
            found[i] = replace(guess, confidence=LOW, why=f"{guess.why}; but so does {others}")
    return found


_RANK: Final = {HIGH: 0, MEDIUM: 1, LOW: 2}


def _own_name(subject: _Subject) -> str:
    return re.sub(r"\W+", "_", subject.node.rpartition("=")[2]).strip("_").lower()
