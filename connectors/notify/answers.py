"""What became of a message on the wire. Words are ours: an answer may show an address or a key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Literal, TypeAlias

DEADLINE_S: Final = 30.0
"""No channel holds the others up for longer, however slowly it answers."""

CONNECT_S, READ_S = 5.0, 10.0

Fate: TypeAlias = Literal["sent", "busy", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`busy`: not before `wait_s`; `failed`: another try may do; `refused`: none will."""

    fate: Fate
    why: str = ""
    wait_s: float = 0.0


SENT: Final = Answer("sent")


def within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """The answer of `work`, or a failure when it takes longer; whatever it raises is a failure.

    What is given up may still arrive: a message is told at least once.
    """
    answers: SimpleQueue[Answer] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except Exception as error:  # its text may hold the address: only its kind is told
            answers.put(Answer("failed", f"it could not be sent ({type(error).__name__})"))

    Thread(target=run, name="notify", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        return Answer("failed", f"no answer within {seconds:g} s")


def coded(answer: Mapping[str, Any]) -> int | None:
    """The code in a robot's answer; None where it has none."""
    for key in ("errcode", "code", "StatusCode"):
        if isinstance(answer.get(key), int):
            return int(answer[key])
    return None
