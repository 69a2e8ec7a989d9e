"""What is known of some servers and cannot be asked of them: quirks.toml."""

import tomllib
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Any

from connectors.opcua.pump import OUTSTANDING
from connectors.opcua.session import Build


@dataclass(frozen=True, slots=True)
class Quirk:
    """How a server wants to be spoken to; the defaults suit one that follows the standard."""

    why: str = ""
    items_per_call: int = 1 << 31
    items_per_subscription: int = 25_000
    publish_requests: int = OUTSTANDING
    transfers: bool = True


def quirk_of(build: Build) -> Quirk:
    """The first quirk whose patterns this server matches; else what the standard promises."""
    for entry in _entries():
        if _matches(entry, "manufacturer", build.manufacturer) and _matches(
            entry, "product", build.product
        ):
            known = {f.name for f in fields(Quirk)}
            return Quirk(**{key: value for key, value in entry.items() if key in known})
    return Quirk()


def _matches(entry: dict[str, Any], key: str, said: str) -> bool:
    return fnmatch(said.lower(), entry.get(key, "*").lower())


@cache
def _entries() -> list[dict[str, Any]]:
    text = files(__package__).joinpath("quirks.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["quirk"]
    return entries
