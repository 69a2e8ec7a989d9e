"""Whether an end was asked for (Ctrl-C, SIGTERM), also where Python has dropped the exception.

A handler that raises inside the callback of a weak reference raises for nobody: Python prints
"Exception ignored" and goes on. The byte that it writes for each signal it handles is not lost.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


class Ending:
    """`listen` once, in the main thread; `asked` tells from then on."""

    def __init__(self) -> None:
        self._reader: int | None = None
        self._is_asked = False

    def listen(self) -> None:
        """Keep the signals of this process from now on; one that raises for nobody is no error."""
        self._reader, writer = os.pipe()
        for end in (self._reader, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        told = sys.unraisablehook

        def but_an_end(lost: "UnraisableHookArgs") -> None:
            if not issubclass(lost.exc_type, KeyboardInterrupt):
                told(lost)

        sys.unraisablehook = but_an_end

    def asked(self) -> bool:
        """Whether an end has been asked for since; False where nobody listens."""
        try:
            while self._reader is not None and (told := os.read(self._reader, 64)):
                self._is_asked |= not ENDS.isdisjoint(told)
        except BlockingIOError:
            pass
        return self._is_asked

    def check(self) -> None:
        """Raise KeyboardInterrupt where an end has been asked for."""
        if self.asked():
            raise KeyboardInterrupt


ENDING: Final = Ending()
"""Of this process: the command line listens, long work asks."""
