"""notify.toml: channels, who hears what by which, and never a secret.

The file names environment variables; webhooks, signing secrets and passwords lie there alone.
Whatever looks like one of them in the file is refused without being shown.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.errors import NotifyError
from connectors.notify.kinds import EMAIL, KINDS, Window

SETTINGS_FILE: Final = "notify.toml"
LANGUAGES: Final = ("zh", "en", "both")
PRIORITIES: Final = ("low", "medium", "high")
SECURITIES: Final = ("tls", "starttls", "none")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_LINK: Final = 300
"""Bytes: a digest of 4,096 has to hold the links of its factories."""

_ROBOT_KEYS: Final = {"name", "kind", "webhook_env", "secret_env", "messages", "window_s"}
_MAIL_KEYS: Final = {
    "name", "kind", "host", "port", "security", "user", "password_env", "sender", "to",
    "messages", "window_s",
}  # fmt: skip
_ROUTE_KEYS: Final = {
    "channel", "factories", "least_priority", "language", "urgent", "digest_min", "daily_at",
}  # fmt: skip
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_NAME: Final = re.compile(r"[\w-]{1,64}")
_SECRETIVE: Final = re.compile(r"(?=[^.@]*\d)[A-Za-z0-9+/=_-]{20,}")
"""Twenty letters and digits without a dot: a token, not a name."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A group robot or a mailbox; of its secrets only the variables' names."""

    name: str
    kind: str
    windows: tuple[Window, ...]
    webhook_env: str | None = None
    secret_env: str | None = None
    host: str = ""
    port: int = 0
    security: str = "tls"
    user: str | None = None
    password_env: str | None = None
    sender: str = ""
    to: tuple[str, ...] = ()

    @property
    def variables(self) -> list[str]:
        """The environment variables that it needs."""
        named = (self.webhook_env, self.secret_env, self.password_env)
        return [name for name in named if name]


@dataclass(frozen=True, slots=True)
class Route:
    """Which events of which factories go by a channel, in which language, and how often.

    `factories` empty: all. `digest_min`: a digest at every so many minutes of the local day.
    """

    name: str
    channel: str
    factories: frozenset[str] = frozenset()
    least_priority: str = "medium"
    language: str = "both"
    is_urgent_at_once: bool = True
    digest_min: int = 60
    daily_at: time = time(8)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file; `link` is where reports are read, without a slash at its end."""

    link: str
    channels: Mapping[str, Channel]
    routes: tuple[Route, ...]
    path: Path


def read_settings(path: Path) -> Settings:
    """Read and check notify.toml; NotifyError names what is wrong, and shows no value."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        remedy = "write one as docs/guides/notifications.md shows"
        raise NotifyError(path, "there is no such file", remedy) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = str(error.strerror) if isinstance(error, OSError) else f"it is no TOML ({error})"
        raise NotifyError(path, why, "give a readable TOML file") from None
    check = _Check(path)
    check.keys(content, {"link", "channel", "route"}, "the file")
    link = check.link(content.get("link"))
    channels = [_channel(check, entry) for entry in check.tables(content, "channel")]
    known = {channel.name: channel for channel in channels}
    check.once([channel.name for channel in channels], "name")
    robots = [channel.webhook_env for channel in channels if channel.webhook_env]
    check.once(robots, "webhook_env", "a robot's limits are its own: one channel, several routes")
    entries = enumerate(check.tables(content, "route"), 1)
    return Settings(link, known, tuple(_route(check, n, e, known) for n, e in entries), path)


def missing(channel: Channel, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps a channel from being used, a line each, in words that show no value."""
    empty = [name for name in channel.variables if not environ.get(name, "").strip()]
    lines = [f"{channel.name}: {name} is not set in the environment" for name in empty]
    webhook = environ.get(channel.webhook_env, "").strip() if channel.webhook_env else ""
    if webhook and not is_webhook(webhook):
        lines.append(f"{channel.name}: {channel.webhook_env} holds no https address of a webhook")
    return lines


def is_webhook(address: str) -> bool:
    """True for https with a host; http to this machine alone, where the wire is our own."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    if not address.isprintable() or " " in address or not parts.hostname or parts.username:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


class _Check:
    """Refusals of one file; none shows a value that may be a secret."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, why: str, remedy: str) -> NotifyError:
        return NotifyError(self.path, why, remedy)

    def keys(self, table: dict[str, Any], known: set[str], where: str) -> None:
        for key in table:
            if key in known:
                continue
            if f"{key}_env" in known or key in ("url", "token", "key", "secret", "password"):
                remedy = "take it out and name the environment variable that holds it (..._env)"
                raise self.refuse(f"`{key}` in {where} would be a secret", remedy)
            shown = f"`{key}`" if _NAME.fullmatch(key) and not _SECRETIVE.fullmatch(key) else "it"
            raise self.refuse(
                f"{shown} in {where} is no key known", f"use {', '.join(sorted(known))}"
            )

    def tables(self, content: dict[str, Any], key: str) -> list[dict[str, Any]]:
        entries = content.get(key)
        if not isinstance(entries, list) or not entries or not all(
            isinstance(entry, dict) for entry in entries
        ):  # fmt: skip
            raise self.refuse(f"it has no [[{key}]]", f"write one or more [[{key}]]")
        return entries

    def text(self, entry: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
        value = entry.get(key, default)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.refuse(f"`{key}` of {where} is not a text", "write it in quotes")
        if "://" in value or _SECRETIVE.fullmatch(value):
            remedy = "put it into an environment variable and name that one (..._env)"
            raise self.refuse(f"`{key}` of {where} looks like an address or a secret", remedy)
        return value

    def variable(self, entry: dict[str, Any], key: str, where: str) -> str | None:
        if key not in entry:
            return None
        value = entry[key]
        name = value if isinstance(value, str) and _VARIABLE.fullmatch(value) else ""
        if not name or (_SECRETIVE.fullmatch(name) and "_" not in name):
            why = f"`{key}` of {where} is not the name of an environment variable"
            raise self.refuse(why, f'name one in capitals, like {key} = "PARKPULSE_DING"')
        return name

    def one_of(
        self, entry: dict[str, Any], key: str, where: str, choice: tuple[str, ...], default: str
    ) -> str:
        value = entry.get(key, default)
        if value not in choice:
            raise self.refuse(f"`{key}` of {where} is not known", f"use {', '.join(choice)}")
        return str(value)

    def number(
        self, entry: dict[str, Any], key: str, where: str, least: int, most: int, default: int
    ) -> int:
        value = entry.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            why = f"`{key}` of {where} is not a whole number"
            raise self.refuse(why, f"give one from {least} to {most:,}")
        return value

    def texts(self, entry: dict[str, Any], key: str, where: str) -> list[str]:
        value = entry.get(key, [])
        if not isinstance(value, list):
            raise self.refuse(f"`{key}` of {where} is not a list", f'write {key} = ["..."]')
        return [self.text({key: one}, key, where) for one in value]

    def once(self, names: list[str], key: str, remedy: str = "give each its own") -> None:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise self.refuse(f"`{key}` {twice[0]} stands there twice", remedy)

    def link(self, value: object) -> str:
        """Where reports are read; it is in every message, so that nothing secret may be in it."""
        remedy = 'give the folder of the reports, like link = "https://reports.example/parkpulse"'
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in ("https", "http", "file"):
            raise self.refuse("`link` is no http, https or file address", remedy)
        if parts.username or parts.query or parts.fragment:
            raise self.refuse("`link` holds a user, a password or a query", remedy)
        text = str(value).rstrip("/")
        if not text.isprintable() or re.search(r"[\s()\[\]<>\"]", text):
            raise self.refuse("`link` has spaces or brackets", "write them as %20 and the like")
        if len(text.encode()) > MOST_LINK:
            raise self.refuse(f"`link` is over {MOST_LINK} bytes", "give a shorter one")
        return text


def _channel(check: _Check, entry: dict[str, Any]) -> Channel:
    name = check.text(entry, "name", "a channel")
    if not _NAME.fullmatch(name):
        raise check.refuse("`name` of a channel is no name", "use letters, digits, - and _")
    where = f"channel {name}"
    kind = check.one_of(entry, "kind", where, tuple(KINDS), "")
    check.keys(entry, _MAIL_KEYS if kind == EMAIL else _ROBOT_KEYS, where)
    windows = _windows(check, entry, where, kind)
    return (_mailbox if kind == EMAIL else _robot)(check, entry, where, name, kind, windows)


def _windows(check: _Check, entry: dict[str, Any], where: str, kind: str) -> tuple[Window, ...]:
    """The platform's windows, or the one window that the file gives (a private deployment)."""
    if not {"messages", "window_s"} & entry.keys():
        return KINDS[kind].windows
    messages = check.number(entry, "messages", where, 1, 10_000, 0)
    return (Window(messages, check.number(entry, "window_s", where, 1, 86_400, 0)),)


def _robot(
    check: _Check, entry: dict[str, Any], where: str, name: str, kind: str,
    windows: tuple[Window, ...],
) -> Channel:  # fmt: skip
    webhook, secret = (check.variable(entry, f"{key}_env", where) for key in ("webhook", "secret"))
    if webhook is None:
        why = f"{where} has no webhook_env"
        raise check.refuse(why, "name the environment variable that holds its webhook")
    if secret and not KINDS[kind].signs:
        raise check.refuse(f"{where}: a {kind} robot signs nothing", "take out `secret_env`")
    return Channel(name, kind, windows, webhook, secret)


def _mailbox(
    check: _Check, entry: dict[str, Any], where: str, name: str, kind: str,
    windows: tuple[Window, ...],
) -> Channel:  # fmt: skip
    host = check.text(entry, "host", where)
    security = check.one_of(entry, "security", where, SECURITIES, "tls")
    port = check.number(entry, "port", where, 1, 65_535, 587 if security == "starttls" else 465)
    if security == "none" and host not in LOOPBACK:
        why = f"{where}: mail in clear to another machine"
        raise check.refuse(why, 'use security = "tls" or "starttls"')
    password = check.variable(entry, "password_env", where)
    user = check.text(entry, "user", where) if "user" in entry else None
    if (user is None) != (password is None) or (password and security == "none"):
        why = f"{where}: `user` and `password_env` go together, and never in clear"
        raise check.refuse(why, "give both, with tls or starttls, or none")
    sender, to = check.text(entry, "sender", where), check.texts(entry, "to", where)
    if not to or not all(re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", one) for one in (sender, *to)):
        why = f"{where}: `sender` and `to` are not mail addresses"
        raise check.refuse(why, 'write to = ["engineer@example.cn"]')
    return Channel(
        name, kind, windows, host=host, port=port, security=security, user=user,
        password_env=password, sender=sender, to=tuple(to),
    )  # fmt: skip


def _route(
    check: _Check, number: int, entry: dict[str, Any], channels: Mapping[str, Channel]
) -> Route:
    where = f"route {number}"
    check.keys(entry, _ROUTE_KEYS, where)
    channel = check.text(entry, "channel", where)
    if channel not in channels:
        raise check.refuse(f"{where} goes by no channel of this file", "name one of its channels")
    at = check.text(entry, "daily_at", where, "08:00")
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        raise check.refuse(f"`daily_at` of {where} is no time", 'write it like "08:00"')
    return Route(
        name=f"{channel}/{number}",
        channel=channel,
        factories=frozenset(check.texts(entry, "factories", where)),
        least_priority=check.one_of(entry, "least_priority", where, PRIORITIES, "medium"),
        language=check.one_of(entry, "language", where, LANGUAGES, "both"),
        is_urgent_at_once=check.one_of(entry, "urgent", where, ("at once", "digest"), "at once")
        == "at once",
        digest_min=check.number(entry, "digest_min", where, 1, 1_440, 60),
        daily_at=time.fromisoformat(at),
    )
