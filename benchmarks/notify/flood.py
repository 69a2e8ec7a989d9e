"""A flood: 500 events in an hour, half an hour of trouble in it, by four channels; on a clock of
its own, so that two hours take seconds. The servers go by the same clock."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

import polars as pl

from benchmarks.notify.fakes import (
    Delivery,
    DingTalk,
    Fake,
    Feishu,
    Mail,
    Robot,
    WeCom,
    answer,
)  # fmt: skip
from connectors.home import Home
from connectors.notify.outbox import Message, Outbox
from connectors.notify.sending import Gone, Summary
from connectors.notify.service import tell

START = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SECRET = "SEC5f1e0d9c8b7a695847362514f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7c6d"
LEVELS = ["high"] * 5 + ["medium"] * 15 + ["low"] * 80
"""EEMUA 191's shares."""
OTHERS = "somebody else's"


class VirtualClock:
    """A clock that goes when it is told to, and a little whenever it is read."""

    def __init__(self, now: datetime = START, tick_s: float = 0.002) -> None:
        self.now, self.tick = now, timedelta(seconds=tick_s)

    def __call__(self) -> datetime:
        self.now += self.tick
        return self.now


@dataclass
class World:
    """A home, its four channels, and the servers behind them."""

    home: Home
    clock: VirtualClock
    robots: dict[str, Robot]
    mail: Mail
    environ: dict[str, str]
    told: list[tuple[datetime, Summary]] = field(default_factory=list)

    @property
    def servers(self) -> dict[str, Fake]:
        return {**self.robots, "mail": self.mail}

    def tell(self, events: pl.DataFrame) -> Summary:
        summary = tell(self.home, events, self.clock.now, clock=self.clock, environ=self.environ)
        self.told.append((self.clock.now, summary))
        return summary

    def run(self, events: pl.DataFrame, *, minutes: int, step_s: float = 30.0) -> None:
        """Tell of what has begun by then, every `step_s`, as a sensor would."""
        end = self.clock.now + timedelta(minutes=minutes)
        while self.clock.now < end:
            self.tell(events.filter(pl.col("start") <= self.clock.now))
            self.clock.now += timedelta(seconds=step_s)

    @property
    def messages(self) -> list[Message]:
        with Outbox(self.home.root, as_copy=True) as outbox:
            return outbox.all_messages()

    @property
    def gone(self) -> list[Gone]:
        return [one for _, summary in self.told for one in summary.gone]


@contextmanager
def world(root: Path, clock: VirtualClock, routes: str | None = None) -> Iterator[World]:
    """The four channels of a notify.toml, all hearing of everything."""
    with ExitStack() as stack:
        robots: dict[str, Robot] = {
            "dingtalk": stack.enter_context(DingTalk(clock, SECRET)),
            "feishu": stack.enter_context(Feishu(clock, SECRET)),
            "wecom": stack.enter_context(WeCom(clock)),
        }
        mail = stack.enter_context(Mail(clock))
        environ = {f"{name.upper()}_WEBHOOK": robot.webhook for name, robot in robots.items()}
        environ |= {f"{name.upper()}_SECRET": SECRET for name in ("dingtalk", "feishu")}
        home = Home(root).create(first_day=START.date())
        (root / "notify.toml").write_text(settings_text(mail.port, routes), encoding="utf-8")
        yield World(home, clock, robots, mail, environ)


def settings_text(mail_port: int, routes: str | None = None) -> str:
    channels = "".join(
        f'[[channel]]\nname = "{kind}"\nkind = "{kind}"\nwebhook_env = "{kind.upper()}_WEBHOOK"\n'
        + (f'secret_env = "{kind.upper()}_SECRET"\n' if kind != "wecom" else "")
        for kind in ("dingtalk", "feishu", "wecom")
    )
    mail = (
        '[[channel]]\nname = "mail"\nkind = "email"\nhost = "127.0.0.1"\n'
        f'port = {mail_port}\nsecurity = "none"\nsender = "parkpulse@example.cn"\n'
        'to = ["engineer@example.cn"]\n'
    )
    heard = "".join(
        f'[[route]]\nchannel = "{name}"\nleast_priority = "low"\n'
        for name in ("dingtalk", "feishu", "wecom", "mail")
    )
    return f'link = "https://reports.example"\n{channels}{mail}{routes or heard}'


def flood(count: int = 500, hours: float = 1.0, seed: int = 7) -> pl.DataFrame:
    """Events at random times of an hour, four of ten factories; a burst of 60 in one minute."""
    draw = Random(seed)
    starts = [draw.uniform(0, hours * 3600) for _ in range(count - 60)]
    starts += [draw.uniform(1200, 1260) for _ in range(60)]
    rows = [
        {
            "event_id": f"CNC-{number:03d}-{number:06d}",
            "factory_id": f"F{draw.randint(1, 4):02d}",
            "priority": draw.choice(LEVELS) if number < count - 60 else "high",
            "state": "new",
            "start": START + timedelta(seconds=at),
            "signals": ["spindle_current"],
            "peak_score": 12.75,
        }
        for number, at in enumerate(starts)
    ]
    return pl.DataFrame(rows).with_columns(pl.col("start").cast(pl.Datetime("us", "UTC")))


def trouble(found: World) -> None:
    """DingTalk fails from minute 10 to 30; in minute 20, when the burst comes, Feishu asks for 90 s
    of patience and somebody else writes 15 messages to the WeCom robot."""

    def fails(robot: Robot, handler: BaseHTTPRequestHandler) -> bool:
        return _while(robot, 10, 30) and answer(handler, 502, b"bad gateway")

    def asks(robot: Robot, handler: BaseHTTPRequestHandler) -> bool:
        return _while(robot, 20, 21) and answer(handler, 429, {}, {"Retry-After": "90"})

    def shared(robot: Robot, handler: BaseHTTPRequestHandler) -> bool:
        if _while(robot, 20, 21) and not any(one.id == OTHERS for one in robot.requests):
            robot.requests += [Delivery(robot.clock(), 0, "", OTHERS)] * 15
        return False

    for name, made in {"dingtalk": fails, "feishu": asks, "wecom": shared}.items():
        found.robots[name].troubles.append(made)


def _while(robot: Robot, begin: int, end: int) -> bool:
    return begin <= (robot.clock() - START) / timedelta(minutes=1) < end


def ours(server: Fake) -> list[Delivery]:
    """What was accepted of ours."""
    return [one for one in server.accepted if one.id != OTHERS]


def most_in(server: Fake, seconds: float) -> int:
    """The most messages accepted in any span of so many seconds, others' too."""
    times = sorted(one.at for one in server.accepted)
    span = timedelta(seconds=seconds)
    return max(sum(at <= other < at + span for other in times) for at in times)


def by_minute(server: Fake) -> Counter[int]:
    """Our accepted messages by minute since the start."""
    return Counter((one.at - START) // timedelta(minutes=1) for one in ours(server))


def delays_s(found: World, channel: str, events: pl.DataFrame) -> list[float]:
    """Of every high event of a channel: seconds from its begin to the answer of its message."""
    began = {(row["factory_id"], row["event_id"]): row["start"] for row in
             events.filter(pl.col("priority") == "high").iter_rows(named=True)}  # fmt: skip
    with Outbox(found.home.root, as_copy=True) as outbox:
        return [
            (sent - began[key]).total_seconds()
            for key, sent in outbox.told(channel).items()
            if key in began
        ]
