"""The invented fleet as data: parks, factories, lines, machines and what each measures."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from connectors.simulator.conventions import Convention

FLEET_TOML: Final = Path(__file__).with_name("fleet.toml")
SONGJIANG: Final = "310117"
"""Administrative division code (GB/T 2260) that a Songjiang USCC carries."""

_ORGANISATION_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Signal:
    """A process signal: its `family` says how it goes from `idle` to `run` (both in `unit`)."""

    name: str
    family: str
    unit: str
    idle: float
    run: float


@dataclass(frozen=True, slots=True)
class Product:
    """One product on one machine type: `pri_us` is the planned run time per item in µs."""

    product_id: str
    cycle_ms: int
    items_per_cycle: int

    @property
    def pri_us(self) -> int:
        """Planned run time per item; whole µs by choice of the fleet's numbers."""
        return self.cycle_ms * 1000 // self.items_per_cycle


@dataclass(frozen=True, slots=True)
class MachineType:
    """What all machines of a type share."""

    name: str
    name_zh: str
    full_load_kw: float
    products: tuple[Product, ...]
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """One work unit; identifiers are unique in the whole fleet."""

    work_unit_id: str
    line_id: str
    workshop_id: str
    type: MachineType


@dataclass(frozen=True, slots=True)
class Sector:
    """What the machines of a sector speak: `shape` is packml, machine_tool or unified."""

    name: str
    name_zh: str
    shape: str
    unit: str
    counter_max: int
    has_rework: bool


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """Shifts as (id, local start minute, length in minutes), breaks as (offset, length) minutes."""

    shifts: tuple[tuple[str, int, int], ...]
    breaks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Factory:
    """One smart factory, which is also one legal unit and one OPC UA server."""

    factory_id: str
    park_id: str
    sector: Sector
    name_zh: str
    name_en: str
    uscc: str
    pattern: ShiftPattern
    working_days_only: bool
    maintenance: tuple[int, int, int]
    reset_policy: str
    source_clock_offset_s: int
    convention: Convention | None
    machines: tuple[Machine, ...] = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """The line ids in order."""
        return tuple(dict.fromkeys(machine.line_id for machine in self.machines))

    @property
    def legal_group(self) -> str:
        """The group the legal unit belongs to: none but itself."""
        return self.uscc


def organisation_code(body: str) -> str:
    """The nine characters of an organisation code from its first eight (GB 11714)."""
    values = (_ORGANISATION_ALPHABET.index(character) for character in body)
    total = sum(w * v for w, v in zip(_ORGANISATION_WEIGHTS, values, strict=True))
    return body + "0123456789X0"[11 - total % 11]


def uscc(body: str) -> str:
    """The 18-character unified social credit code from its first 17 (GB 32100: mod 31)."""
    total = sum(_USCC_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + _USCC_ALPHABET[-total % 31]


def minutes(clock: str) -> int:
    """Minutes after midnight of HH:MM."""
    hours, _, rest = clock.partition(":")
    return 60 * int(hours) + int(rest)


@cache
def fleet() -> tuple[Factory, ...]:
    """The ten factories of fleet.toml; independent of any seed."""
    data = _data()
    types = {name: _machine_type(name, data) for name in data["machine_type"]}
    return tuple(_factory(entry, data, types) for entry in data["factory"])


def families() -> Mapping[str, Mapping[str, float]]:
    """How the signals of a family follow their machine (weights; see fleet.toml)."""
    families: Mapping[str, Mapping[str, float]] = _data()["family"]
    return families


def unit_code(unit: str) -> str:
    """The UNECE Recommendation 20 common code of a unit; raises KeyError for an unknown one."""
    return str(_data()["unit_code"][unit])


def parks() -> Mapping[str, Mapping[str, str]]:
    """Park id to its Chinese and English name."""
    parks: Mapping[str, Mapping[str, str]] = _data()["park"]
    return parks


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(FLEET_TOML.read_text(encoding="utf-8"))


def _machine_type(name: str, data: dict[str, Any]) -> MachineType:
    entry = data["machine_type"][name]
    signals = {**data["common"], **entry["signals"]}
    return MachineType(
        name=name,
        name_zh=entry["zh"],
        full_load_kw=float(entry["full_load_kw"]),
        products=tuple(
            Product(product_id, round(cycle_s * 1000), items)
            for product_id, (cycle_s, items) in entry["products"].items()
        ),
        signals=tuple(
            Signal(signal, family, unit, float(idle), float(run))
            for signal, (family, unit, idle, run) in signals.items()
        ),
    )


def _factory(entry: dict[str, Any], data: dict[str, Any], types: dict[str, MachineType]) -> Factory:
    weekday, clock, length = entry["maintenance"]
    return Factory(
        factory_id=entry["id"],
        park_id=entry["park"],
        sector=_sector(entry["sector"], data),
        name_zh=entry["zh"],
        name_en=entry["en"],
        uscc=uscc("91" + SONGJIANG + organisation_code(entry["organisation"])),
        pattern=_pattern(data["calendar"][entry["calendar"]]),
        working_days_only=entry.get("working_days_only", False),
        maintenance=(weekday, minutes(clock), length),
        reset_policy=entry["reset_policy"],
        source_clock_offset_s=entry.get("source_clock_offset_s", 0),
        convention=Convention(**entry["convention"]) if "convention" in entry else None,
        machines=_machines(entry, types),
    )


def _sector(name: str, data: dict[str, Any]) -> Sector:
    entry = data["sector"][name]
    return Sector(
        name, entry["zh"], entry["shape"], entry["unit"], entry["counter_max"], entry["rework"]
    )


def _pattern(entry: dict[str, Any]) -> ShiftPattern:
    return ShiftPattern(
        tuple((name, minutes(at), 60 * hours) for name, (at, hours) in entry["shifts"].items()),
        tuple((offset, length) for offset, length in entry["breaks"]),
    )


def _machines(entry: dict[str, Any], types: dict[str, MachineType]) -> tuple[Machine, ...]:
    machines: list[Machine] = []
    for number, line in enumerate(entry["lines"], start=1):
        for type_name, count in line.items():
            for _ in range(count):
                unit = f"{entry['id']}-M{len(machines) + 1:02}"
                line_id = f"{entry['id']}-L{number}"
                machines.append(Machine(unit, line_id, f"{entry['id']}-W1", types[type_name]))
    return tuple(machines)
