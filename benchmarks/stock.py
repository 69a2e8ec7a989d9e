"""`python -m benchmarks.stock URL VARIABLES INTERVAL_MS`: asyncua's own client, counting.

Its documented fast path: one subscription, all nodes in one call, a synchronous callback.
"""

import asyncio
import json
import sys
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client

PATIENCE_S: Final = 60.0
"""By default it takes its own busy second for a lost server, and disconnects."""


class Counting:
    """Asyncua's handler; it keeps nothing, which costs less than any use of a value."""

    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, node: Any, val: Any, data: Any) -> None:
        self.values += 1


async def main(url: str, variables: int, interval_ms: float) -> int:
    """Count until stdin ends."""
    handler = Counting()
    async with Client(url, timeout=PATIENCE_S, watchdog_intervall=PATIENCE_S) as client:
        subscription = await client.create_subscription(interval_ms, handler)
        nodes = [client.get_node(f"ns=2;s=v{number}") for number in range(variables)]
        await subscription.subscribe_data_change(
            nodes, queuesize=1000, sampling_interval=ua.Double(100)
        )
        await asyncio.to_thread(sys.stdin.read)
        await subscription.delete()
    return handler.values


if __name__ == "__main__":
    found = asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.write(json.dumps({"values": found}) + "\n")
