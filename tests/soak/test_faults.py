"""Every fault three times with the watchdogs as they are, and fifty times kill -9."""

import asyncio
import random
import time

import pytest

from tests.connectors.opcua.faults import FAULTS, play

pytestmark = pytest.mark.soak

AT_ONCE = 4
"""Several faults go side by side, in an order that chance gives."""


@pytest.mark.parametrize("turn", range(3))
def test_nothing_is_lost_in_silence(turn, tmp_path):
    seed = time.time_ns()
    names = random.Random(seed).sample(list(FAULTS), len(FAULTS))

    async def everything():
        few = asyncio.Semaphore(AT_ONCE)

        async def one(name):
            async with few:
                await play(name, tmp_path, seed=seed)

        return await asyncio.gather(*map(one, names), return_exceptions=True)

    found = zip(names, asyncio.run(everything()), strict=True)
    broken = {name: repr(error) for name, error in found if error is not None}
    assert broken == {}, f"seed {seed}, in this order: {names}"


@pytest.mark.parametrize("name", ["kill -9", "kill -9, no transfer"])
def test_fifty_kills(name, tmp_path):
    seed = time.time_ns()
    print(f"seed {seed}")
    asyncio.run(play(name, tmp_path, seed=seed, kills=50))
