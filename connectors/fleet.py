"""The fleet file and the files it names, checked without a network."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from connectors.conventions import read_conventions
from connectors.errors import FleetFileError
from connectors.node_text import is_node_id
from connectors.plans import read_calendar, read_cycles, read_lines, read_reasons
from connectors.tag_file import read_tags

_FILES: Final = ("calendar", "cycles", "tags", "reasons", "lines", "conventions")
_SITE_KEYS: Final = {"id", "name", "name_en", "sector", "share_oee", "server", *_FILES}
_OF_MACHINES: Final = ("tags", "reasons", "lines", "conventions", "sector", "share_oee")
SECTORS: Final = ("biopharma", "ev", "materials", "equipment", "ic", "other")
"""What a factory may be of; the tools of one of integrated circuits (ic) get SEMI figures too."""
_SERVER_KEYS: Final = {
    "url",
    "security",
    "user",
    "password_env",
    "password_file",
    "allow_clear_password",
    "user_certificate",
    "user_key",
    "publishing_interval_ms",
    "sampling_interval_ms",
    "queue_size",
    "history_overlap_s",
    "history_hours",
    "nodes",
}
MAX_HISTORY_HOURS: Final = 20 * 8_760.0
"""Twenty years: values from before 2000 are not believed anyway."""
MIN_QUEUE: Final = 100
"""A queue shorter than a few publishing intervals loses values at the first hiccup."""


POLICIES: Final = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
MODES: Final = ("Sign", "SignAndEncrypt")
DEPRECATED_POLICIES: Final = ("Basic128Rsa15", "Basic256")
"""They sign with SHA-1: the OPC Foundation withdrew them in 2017."""


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """One OPC UA server of a site, with the keys of the fleet file.

    Of a secret it knows only where it lies.
    """

    url: str
    security: str = "None"
    user: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    allow_clear_password: bool = False
    user_certificate: Path | None = None
    user_key: Path | None = None
    publishing_interval_ms: float = 500.0
    sampling_interval_ms: float = 100.0
    queue_size: int = 1000
    history_overlap_s: float = 900.0
    history_hours: float | None = None
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A factory or a park gateway: one entry of the fleet file."""

    site_id: str
    is_park: bool
    servers: tuple[ServerEntry, ...]
    calendar: Path | None = None
    cycles: Path | None = None
    tags: Path | None = None
    reasons: Path | None = None
    lines: Path | None = None
    conventions: Path | None = None
    sector: str | None = None
    share_oee: bool = False
    """Whether its OEE may stand in its enterprise's portrait, which the park reads."""

    @property
    def urls(self) -> list[str]:
        """The url of every server."""
        return [server.url for server in self.servers]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The whole fleet file; `text` is its content as read."""

    sites: tuple[Site, ...]
    path: Path | None = None
    text: str = ""


def read_fleet(path: Path) -> Fleet:
    """Read and check a fleet file and the files it names; FleetFileError names what is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = str(error.strerror if isinstance(error, OSError) else error)
        raise FleetFileError(path, why, "give a readable TOML file") from error
    _known(path, content, {"factory", "park"}, "the file")
    sites = tuple(
        _site(path, entry, is_park=key == "park")
        for key in ("factory", "park")
        for entry in _tables(path, content, key, key)
    )
    if not sites:
        raise FleetFileError(
            path, "it names no site", "add a [[factory]] with a [[factory.server]]"
        )
    _unique(path, [site.site_id for site in sites], "id")
    _unique(path, [server.url for site in sites for server in site.servers], "url")
    for site in sites:
        _check_files(site)
    return Fleet(sites, path, text)


def _check_files(site: Site) -> None:
    """Read what the site names, so that what is wrong in it is told before anything starts."""
    if site.calendar is not None:
        read_calendar(site.calendar, site.site_id)
    if site.cycles is not None:
        read_cycles(site.cycles, site.site_id)
    if site.tags is not None:
        read_tags(site.tags, site.site_id, site.urls)
    if site.reasons is not None:
        read_reasons(site.reasons, site.site_id)
    if site.lines is not None:
        read_lines(site.lines, site.site_id)
    if site.conventions is not None:
        read_conventions(site.conventions, site.site_id)


def _tables(path: Path, content: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    """The tables under a key that stand in the file as [[name]]."""
    entries = content.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FleetFileError(path, f"`{name}` is not a list of tables", f"write [[{name}]]")
    return entries


def _known(path: Path, table: dict[str, Any], keys: set[str], where: str) -> None:
    unknown = sorted(set(table) - keys)
    if unknown:
        remedy = f"use only {', '.join(sorted(keys))}"
        raise FleetFileError(path, f"unknown key `{unknown[0]}` in {where}", remedy)


def _site(path: Path, entry: dict[str, Any], *, is_park: bool) -> Site:
    kind = "park" if is_park else "factory"
    site_id = entry.get("id")
    if not isinstance(site_id, str) or not _is_name(site_id):
        remedy = 'give it an id of letters, digits, - and _, like id = "F01"'
        raise FleetFileError(path, f"a [[{kind}]] has no usable id ({site_id!r})", remedy)
    _known(path, entry, _SITE_KEYS, f"{kind} {site_id}")
    servers = tuple(
        _server(path, site_id, s) for s in _tables(path, entry, "server", f"{kind}.server")
    )
    if not servers:
        remedy = f"add a [[{kind}.server]] with its url"
        raise FleetFileError(path, f"{kind} {site_id} has no server", remedy)
    for key in _OF_MACHINES if is_park else ():
        if key in entry:
            why = f"`{key}` of park {site_id}: a park gateway has no machines"
            raise FleetFileError(path, why, "give it to a [[factory]]")
    for key in ("name", "name_en"):
        if not isinstance(entry.get(key, ""), str):
            why = f"`{key}` of {site_id} is {entry[key]!r}"
            raise FleetFileError(path, why, "write a text in quotes")
    sector = entry.get("sector")
    if sector is not None and sector not in SECTORS:
        why = f"`sector` of {site_id} is {sector!r}"
        raise FleetFileError(path, why, f"use one of {', '.join(SECTORS)}")
    shares = entry.get("share_oee", False)
    if not isinstance(shares, bool):
        why = f"`share_oee` of {site_id} is {shares!r}"
        raise FleetFileError(path, why, "write true where the enterprise permits it, else false")
    files = {key: _file(path, entry, key) for key in _FILES}
    return Site(site_id, is_park, servers, **files, sector=sector, share_oee=shares)


def _is_name(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "-_" for c in text)


def _file(path: Path, entry: dict[str, Any], key: str) -> Path | None:
    name = entry.get(key)
    if name is None:
        return None
    if not isinstance(name, str) or "\0" in name:
        why = f"`{key}` of {entry['id']} is not a file name ({name!r})"
        raise FleetFileError(path, why, 'write it like "calendar.csv"')
    return path.parent / name


_NUMBERS: Final = {
    "publishing_interval_ms": (10.0, 30_000.0),
    "sampling_interval_ms": (0.0, 3_600_000.0),
    "history_overlap_s": (0.0, 30 * 86_400.0),
    "history_hours": (0.0, MAX_HISTORY_HOURS),
    "queue_size": (MIN_QUEUE, 1_000_000),
}
"""The least and the most of each. The closing read waits two publishing intervals of its two
minutes; a node that is sampled once an hour is a meter; a queue of a million is a day at 10 Hz."""


def _server(path: Path, site_id: str, entry: dict[str, Any]) -> ServerEntry:
    where = f"a server of {site_id}"
    url = entry.get("url")
    if isinstance(url, str) and "@" in url:  # the url is logged: never show what it hides
        remedy = "take it out and give `user` and `password_env` instead"
        raise FleetFileError(path, f"the url of {where} holds a user or a password", remedy)
    if not isinstance(url, str) or not is_endpoint(url):
        remedy = 'give it a url like "opc.tcp://127.0.0.1:4840"'
        raise FleetFileError(path, f"{where} has no usable url ({url!r})", remedy)
    _known(path, entry, _SERVER_KEYS, f"{where} ({url})")
    for key in _NUMBERS.keys() & entry.keys():
        _check_number(path, key, url, entry[key])
    files = _access(path, url, entry)
    nodes = entry.get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise FleetFileError(path, f"`nodes` of {url} is not a list of NodeIds", _NODES)
    for node in nodes:
        if not is_node_id(node):
            raise FleetFileError(path, f"`nodes` of {url}: {node!r} is no NodeId", _NODES)
    return ServerEntry(**{**entry, **files, "nodes": tuple(nodes)})


_ACCESS_FILES: Final = ("password_file", "user_certificate", "user_key")


def _access(path: Path, url: str, entry: dict[str, Any]) -> dict[str, Path]:
    """Check the keys of security and identity; gives the files among them, beside the fleet file.

    The files themselves are read at every connection, so that one bad one stops no other server.
    """
    for key in ("user", "password_env", *_ACCESS_FILES):
        text = entry.get(key, "-")
        if not isinstance(text, str) or not text or "\0" in text:
            remedy = "write it in quotes, and not empty"
            raise FleetFileError(path, f"`{key}` of {url} is not a text", remedy)
    if not isinstance(entry.get("allow_clear_password", False), bool):
        why = f"`allow_clear_password` of {url} is neither true nor false"
        raise FleetFileError(path, why, "write true or false, without quotes")
    check_security(path, url, entry.get("security", "None"))
    for is_wrong, why, remedy in _contradictions(entry):
        if is_wrong:
            raise FleetFileError(path, f"{url}: {why}", remedy)
    return {key: path.parent / entry[key] for key in _ACCESS_FILES if key in entry}


def check_security(path: Path, url: str, security: object) -> None:
    """Refuse what is not "None" or one of POLICIES with one of MODES."""
    policy, _, mode = str(security).partition("/")
    if security == "None" or (policy in POLICIES and mode in MODES):
        return
    withdrawn = policy in DEPRECATED_POLICIES
    why = "is withdrawn as unsafe" if withdrawn else "is no security policy and mode"
    choice = f"{', '.join(POLICIES)} with /{' or /'.join(MODES)}"
    remedy = f'give one of {choice}, like "Basic256Sha256/SignAndEncrypt"'
    raise FleetFileError(path, f"`security` of {url}: {security!r} {why}", remedy)


def _contradictions(entry: dict[str, Any]) -> Iterator[tuple[bool, str, str]]:
    """What the keys of one server cannot mean together: whether, why, remedy."""
    has = entry.keys()
    password = has & {"password_env", "password_file"}
    certificate = has & {"user_certificate", "user_key"}
    secured = entry.get("security", "None") != "None"
    yield len(password) == 2, "two places for one password", "keep one of them"
    yield bool(password) and "user" not in has, "a password without a `user`", "give the `user`"
    yield len(certificate) == 1, "half a user certificate", "give `user_certificate` and `user_key`"
    yield (
        bool(certificate) and "user" in has,
        "`user` and `user_certificate` are two identities",
        "keep one of them",
    )
    yield (
        bool(entry.get("allow_clear_password")) and secured,
        "`allow_clear_password` means nothing where `security` is set",
        "take it out: the password is encrypted",
    )


_NODES: Final = 'give a list like ["ns=1;s=v1", "nsu=urn:m;i=7"], ns up to 65535, i below 2^32'


def _check_number(path: Path, key: str, url: str, value: object) -> None:
    """Refuse what is not a finite number in the key's range, or has parts where it is a count."""
    least, most = _NUMBERS[key]
    whole = isinstance(least, int)
    fitting = not isinstance(value, bool if not whole else bool | float)
    if not (fitting and isinstance(value, int | float) and least <= value <= most):
        kind = "whole number" if whole else "number"
        remedy = f"give a {kind}, at least {least:,.0f} and at most {most:,.0f}"
        raise FleetFileError(path, f"`{key}` of {url} is {value!r}", remedy)


def is_endpoint(url: str) -> bool:
    """True for `opc.tcp://host:port`."""
    try:
        parts = urlparse(url)
        return (
            url.isprintable()
            and parts.scheme == "opc.tcp"
            and bool(parts.hostname)
            and bool(parts.port)
        )
    except ValueError:
        return False


def _unique(path: Path, names: list[str], key: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FleetFileError(
            path, f"`{key}` {twice[0]} stands there twice", f"give each its own {key}"
        )
