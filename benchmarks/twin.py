"""`python -m benchmarks.twin collect ...`: our command line with the pure-Python decoder."""

from collections.abc import Sequence
from functools import partial

from connectors.opcua.decode import DataValues
from parkpulse import main

_fast = DataValues.of_notifications


def _slowly(bodies: Sequence[bytes], namespaces: Sequence[str]) -> DataValues:
    return _fast(bodies, namespaces, fast=False)


if __name__ == "__main__":
    DataValues.of_notifications = _slowly  # type: ignore[method-assign, assignment]
    DataValues.decode = partial(DataValues.decode, fast=False)  # type: ignore[method-assign]
    main()
