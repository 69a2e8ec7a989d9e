"""A full disk: it is waited for, and meanwhile values wait at the server."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from connectors.ledger import is_disk_full
from connectors.opcua.pump import Pump

log = logging.getLogger(__name__)

RETRY_S: Final = 0.25
"""Between two tries to write."""


class FullDisk:
    """`pause` when rows cannot be written, `resume` when they can; `written` waits in between."""

    def __init__(self, home: Path, pump: Pump, stop: asyncio.Event) -> None:
        self.home, self.pump, self.stop = home, pump, stop
        self.is_full = False
        self.is_closing = False
        """True while the link closes, which has an end."""
        self._waiting_for_ledger = 0

    @property
    def gives_up(self) -> bool:
        """After a stop only the closing waits for a full disk."""
        return self.stop.is_set() and not self.is_closing

    async def written(self, write: Callable[[], None]) -> None:
        """Write to the ledger, and wait for the disk as long as it takes."""
        self._waiting_for_ledger += 1
        try:
            while True:
                try:
                    return write()
                except sqlite3.OperationalError as error:
                    if not is_disk_full(error) or self.gives_up:
                        raise
                    self.pause(error)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._waiting_for_ledger -= 1

    def pause(self, error: BaseException) -> None:
        """Nothing can be written: ask the server for no more."""
        if not self.is_full:
            self.is_full = True
            self.pump.pause()
            log.warning("%s: rows cannot be written (%s); free some space, nothing is acknowledged",
                        self.home, getattr(error, "strerror", None) or error)  # fmt: skip

    def resume(self) -> None:
        """Rows were written: ask the server again, unless the ledger still waits."""
        if self.is_full and not self._waiting_for_ledger:
            self.is_full = False
            log.warning("%s: the disk takes rows again", self.home)
            self.pump.resume()
