"""What holes in the notifications and overflows of queues lost, until history is read for it."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Lost:
    """Values of these nodes (None: of any) are missing, `since` then (None: not known)."""

    codes: list[int] | None
    since: datetime | None


class Losses:
    """`want` what is lost, `wait` for it, and read it while it is `being_read`."""

    def __init__(self) -> None:
        self._codes: set[int] | None = set()
        self._since: datetime | None = None
        self._sound_ticks = 0
        self._wanted = asyncio.Event()

    @property
    def is_any(self) -> bool:
        """Whether something is lost that history was not read for."""
        return self._wanted.is_set()

    async def wait(self) -> None:
        """Until something is lost."""
        await self._wanted.wait()

    def sound_until(self, heard_ticks: int) -> int:
        """The server's ticks before which nothing is missing, of what was heard until then."""
        return self._sound_ticks if self.is_any else heard_ticks

    def want(
        self,
        codes: Iterable[int] | None,
        heard_ticks: int,
        *,
        since: datetime | None = None,
        sound_ticks: int | None = None,
    ) -> None:
        """Have history read of these nodes (None: of all).

        All was well before `sound_ticks`; where they are not given, as far as was heard.
        """
        known = self.sound_until(heard_ticks)
        self._sound_ticks = known if sound_ticks is None else min(known, sound_ticks)
        self._add(codes, since)
        self._wanted.set()

    def _add(self, codes: Iterable[int] | None, since: datetime | None) -> None:
        self._since = min(filter(None, (self._since, since)), default=None)
        if codes is None or self._codes is None:
            self._codes = None
        else:
            self._codes.update(codes)

    @contextmanager
    def being_read(self) -> Iterator[Lost]:
        """What is lost so far; it stays so where reading fails, or more is lost meanwhile."""
        codes, self._codes = self._codes, set()
        since, self._since = self._since, None
        try:
            yield Lost(None if codes is None else sorted(codes), since)
        except BaseException:
            self._add(codes, since)
            raise
        if self._codes is not None and not self._codes:
            self._wanted.clear()
