"""What is known of each kind of channel, as data: rate limits, sizes, and what its answers mean.

The limits are those that the platforms publish; a message counts from when it was answered, so
that a window of the robot's own clock can never hold more than one of ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many messages in any span of `seconds`."""

    messages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of channel.

    `windows` is what we keep to, `allowed` what the platform allows; the rest is left to others
    who write to the same robot. `busy` are the answers that ask for patience, `passing` those that
    a later try may not get, `refusals` says in words what a lasting refusal means.
    """

    windows: tuple[Window, ...]
    allowed: tuple[Window, ...]
    most_bytes: int
    busy_s: float = 60.0
    signs: bool = False
    busy: frozenset[int] = frozenset()
    passing: frozenset[int] = frozenset()
    refusals: Mapping[int, str] = field(default_factory=dict)


EMAIL: Final = "email"
KINDS: Final[Mapping[str, Kind]] = {
    "dingtalk": Kind(
        windows=(Window(18, 60.0),),
        allowed=(Window(20, 60.0),),
        most_bytes=18_000,
        busy_s=600.0,
        signs=True,
        busy=frozenset({130101}),
        passing=frozenset({-1}),
        refusals={
            300005: "the token of its webhook is unknown",
            310000: "signature, keyword or address is refused; is the secret this robot's, and the"
            " machine's clock right",
        },
    ),
    "wecom": Kind(
        windows=(Window(18, 60.0),),
        allowed=(Window(20, 60.0),),
        most_bytes=4_096,
        busy=frozenset({45009, 45033}),
        passing=frozenset({-1}),
        refusals={40058: "the message is too long", 93000: "the key of its webhook is unknown"},
    ),
    "feishu": Kind(
        windows=(Window(4, 1.0), Window(90, 60.0)),
        allowed=(Window(5, 1.0), Window(100, 60.0)),
        most_bytes=18_000,
        signs=True,
        busy=frozenset({9499, 11232}),
        refusals={
            19001: "the token of its webhook is unknown",
            19021: "the signature is refused; is the secret this robot's, and the clock right",
            19022: "our address is not among those it takes",
            19024: "its keyword is not in the message; ParkPulse is in every one",
        },
    ),
    EMAIL: Kind(windows=(Window(1, 600.0),), allowed=(Window(1, 600.0),), most_bytes=60_000),
}
"""DingTalk closes a robot for ten minutes that was sent more than 20 messages in one; WeCom takes
4,096 bytes of markdown; 9499 of Feishu stands for a bad request too: both end as a dead letter."""


def free_slots(windows: Sequence[Window], counted: Iterable[datetime], now: datetime) -> int:
    """How many messages may leave now; `counted` are the ends of earlier tries."""
    times = list(counted)
    return min(
        one.messages - sum(time > now - timedelta(seconds=one.seconds) for time in times)
        for one in windows
    )


def free_from(windows: Sequence[Window], counted: Iterable[datetime], now: datetime) -> datetime:
    """When the next message may leave; `now` where one may at once."""
    times = sorted(counted, reverse=True)
    full = (
        times[one.messages - 1] + timedelta(seconds=one.seconds)
        for one in windows
        if len(times) >= one.messages
    )
    return max([now, *full])
