"""An end that was asked for is known, whoever swallowed the exception."""

import contextlib
import os
import signal
import sys
import weakref

import pytest

from connectors.ending import Ending


@pytest.fixture(autouse=True)
def _as_before():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    descriptor = signal.set_wakeup_fd(-1)
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    signal.set_wakeup_fd(descriptor)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_swallowed_interrupt_is_still_known(number):
    signal.signal(number, signal.default_int_handler)
    ending = Ending()
    ending.listen()
    assert not ending.asked()
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert ending.asked()
    with pytest.raises(KeyboardInterrupt):
        ending.check()


class Kept:
    """Something to refer to weakly."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_that_raises_for_nobody_is_told_by_no_traceback(error):
    told = []
    sys.unraisablehook = lambda lost: told.append(lost.exc_type)
    ending = Ending()
    ending.listen()

    def gone(_):
        if error is ValueError:
            raise ValueError
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    kept = Kept()
    reference = weakref.ref(kept, gone)
    del kept
    assert reference() is None
    assert told == ([] if error is KeyboardInterrupt else [ValueError])
    assert ending.asked() == (error is KeyboardInterrupt)


def test_another_signal_asks_for_nothing():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    ending = Ending()
    ending.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert not ending.asked()


def test_who_does_not_listen_hears_nothing():
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.kill(os.getpid(), signal.SIGTERM)
    Ending().check()
    assert not Ending().asked()
