"""What it costs to begin: importing our arithmetic, importing DuckDB, in new processes."""

import subprocess
import sys
from pathlib import Path

from benchmarks.rounds import Contender, Measurement

TIMED = "import time; a = time.perf_counter(); import {}; print(time.perf_counter() - a)"


def measurement(folder: Path) -> Measurement:
    """Seconds of the import statement alone; starting Python is not in them."""
    return Measurement(
        "import",
        [
            Contender("import pipelines.oee", lambda: _import("pipelines.oee"), True),
            Contender("import duckdb", lambda: _import("duckdb"), True),
            Contender("import polars", lambda: _import("polars"), True),
        ],
        "nothing to compare",
    )


def _import(module: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(module)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
