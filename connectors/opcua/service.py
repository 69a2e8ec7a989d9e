"""`collect` as a process: one event loop, a clock, signals, progress on stderr."""

import asyncio
import gc
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.fleet import Fleet, read_fleet
from connectors.home import Home
from connectors.opcua.collector import Progress, collect
from pipelines.days import day_of

Say = Callable[[str], None]

TELL_EVERY_S: Final = 5.0
_REMEDY: Final = "start the server or correct its `url` in the fleet file"


def run(
    fleet_file: Path,
    home: Home,
    *,
    for_s: float | None,
    after_history_s: float | None,
    history_hours: float,
    history_from: datetime | None,
    at: datetime | None,
    say: Say,
) -> int:
    """Collect until SIGINT or SIGTERM, for `for_s` seconds, or `after_history_s` after the history.

    A first collection reads history from `history_from`, else `history_hours` back. `at` replays:
    received times are as if it were `at` now. Gives the exit code: 1 where the collection ended
    by itself and a server was never reached, else 0.
    """
    fleet = read_fleet(fleet_file)
    clock = _clock(at)
    begin = history_from or clock() - timedelta(hours=history_hours)
    home.create(
        first_day=day_of(begin),
        now_offset_s=(clock() - datetime.now(UTC)).total_seconds() if at else 0.0,
    )
    logging.basicConfig(format="collect: %(message)s", level=logging.WARNING)
    gc.freeze()  # the libraries' objects stay: no collection needs to look at them again
    return asyncio.run(_run(fleet, home, begin, clock, for_s, after_history_s, say))


def _clock(at: datetime | None) -> Callable[[], datetime]:
    """The time now; from `at` on where that is given."""
    if at is None:
        return lambda: datetime.now(UTC)
    start, anchor = time.monotonic(), at.astimezone(UTC)
    return lambda: anchor + timedelta(seconds=time.monotonic() - start)


async def _run(
    fleet: Fleet,
    home: Home,
    begin: datetime,
    clock: Callable[[], datetime],
    for_s: float | None,
    after_history_s: float | None,
    say: Say,
) -> int:
    """Collect; gives the exit code."""
    stop, caught_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    board = _Board(say, [entry.url for site in fleet.sites for entry in site.servers])
    helpers = [asyncio.create_task(board.tell_forever())]
    if for_s is not None:
        loop.call_later(for_s, stop.set)
    if after_history_s is not None:
        helpers.append(asyncio.create_task(_stop_after(caught_up, after_history_s, stop, say)))
    try:
        await collect(
            fleet,
            home.root,
            history_from=begin,
            clock=clock,
            stop=stop,
            on_progress=board.note,
            caught_up=caught_up,
        )
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    interrupted = for_s is None and after_history_s is None and stop.is_set()
    return 1 if board.tell_end() and not interrupted else 0


async def _stop_after(
    caught_up: asyncio.Event, seconds: float, stop: asyncio.Event, say: Say
) -> None:
    await caught_up.wait()
    say(f"collect: history is in; {seconds:.0f} s of live values follow")
    await asyncio.sleep(seconds)
    stop.set()


class _Board:
    """What every server last reported, told in one line now and then."""

    def __init__(self, say: Say, urls: Sequence[str]) -> None:
        self._say, self._urls = say, urls
        self._last: dict[str, Progress] = {}
        self._warned: set[str] = set()

    def note(self, progress: Progress) -> None:
        """Keep the newest report of a server."""
        self._last[progress.url] = progress
        if progress.state in ("reconnecting", "refused"):
            self._warned.add(progress.url)

    def tell(self) -> None:
        """One line: how many servers are in which state, how many values came."""
        states = Counter(one.state for one in self._last.values())
        values = sum(one.live + one.republished + one.history for one in self._last.values())
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        self._say(f"collect: {len(self._urls)} servers ({told}), {values:,} values")

    def tell_end(self) -> int:
        """The last line, and one for each server never reached that no warning has named so far.

        Gives the number of servers never reached: a server that was has told its URI.
        """
        known = {url for url, one in self._last.items() if one.server_uri is not None}
        unreached = [url for url in self._urls if url not in known]
        for url in unreached:
            if url not in self._warned:
                self._say(f"collect: {url}: no answer so far; {_REMEDY}")
        for url in unreached:
            if url in self._last:
                self._last[url] = replace(self._last[url], state="never reached")
        self.tell()
        return len(unreached)

    async def tell_forever(self) -> None:
        """Tell every few seconds."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self.tell()
