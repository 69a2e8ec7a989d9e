"""`python -m benchmarks.load`: the load server as a process, told what to do on its stdin."""

import asyncio
import json
import signal
import sys

import click

from benchmarks.load.canned import TYPES
from benchmarks.load.server import LoadServer
from benchmarks.load.space import Space


@click.command()
@click.option("--port", type=int, default=0, help="[a free one]")
@click.option("--variables", type=click.IntRange(1, 200_000), default=5_000, show_default=True)
@click.option("--types", type=click.Choice(sorted(TYPES)), default="double", show_default=True)
@click.option(
    "--per-publish", type=click.IntRange(1, 100_000), default=1_000, show_default=True,
    help="Values in one notification.",
)  # fmt: skip
@click.option(
    "--history", type=click.IntRange(0, 1_000_000), default=0, show_default=True,
    help="Values of history per variable, a second apart.",
)  # fmt: skip
def main(port: int, variables: int, types: str, per_publish: int, history: int) -> None:
    """Serve canned values on 127.0.0.1 and count them.

    Says its url as a line of JSON, then answers each line on stdin with one: `go VALUES RATE` lets
    every subscription emit so many values at so many a second (0: as fast as it is asked), `state`
    gives the account. The end of stdin or SIGTERM ends it, after a last account.
    """
    space = Space(variables, TYPES[types], history)
    asyncio.run(_serve(LoadServer(space, port, per_publish)))


async def _serve(server: LoadServer) -> None:
    await server.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    _say({"url": server.url})
    told = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    listening = asyncio.create_task(_listen(server, told, stop))
    await stop.wait()
    listening.cancel()
    _say(server.state())


async def _listen(server: LoadServer, told: asyncio.StreamReader, stop: asyncio.Event) -> None:
    while line := (await told.readline()).decode().split():
        match line:
            case ["go", values, rate]:
                server.go(int(values), float(rate))
                _say({"ok": True})
            case ["state"]:
                _say(server.state())
            case _:
                _say({"error": f"{line[0]} is neither `go VALUES RATE` nor `state`"})
    stop.set()


def _say(found: dict[str, object]) -> None:
    click.echo(json.dumps(found))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
