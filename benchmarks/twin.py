"""`python -m benchmarks.twin collect ...`: our command line with the pure-Python decoder."""

from typing import Any

from connectors.opcua.decode import DataValues, Reader
from parkpulse import main

_decode = DataValues.decode


def _slowly(r: Reader, **options: Any) -> DataValues:
    return _decode(r, **{**options, "fast": False})


if __name__ == "__main__":
    DataValues.decode = _slowly  # type: ignore[method-assign]
    main()
