"""Every fault once, with short watchdogs, side by side in one event loop."""

import asyncio
import time

import pytest

from connectors.opcua import link, session, subscribe
from tests.connectors.opcua.faults import FAULTS, play

SHORT = {
    "connectors.opcua.subscribe.KEEP_ALIVE_S": 1.0,
    "connectors.opcua.subscribe._GRACE_S": 2.0,
    "connectors.opcua.session.REQUEST_TIMEOUT_S": 4.0,
}
AT_ONCE = 3
"""More of them would be busy with each other on one core: the other one computes meanwhile."""


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """What came of every fault that this run asks for: None where the law held."""
    names = [
        item.callspec.params["name"]
        for item in request.session.items
        if getattr(item, "module", None) is request.module  # a doctest has none
        and "outcomes" in item.fixturenames
    ]
    seed, folder = time.time_ns(), tmp_path_factory.mktemp("faults")

    async def everything():
        few = asyncio.Semaphore(AT_ONCE)

        async def one(name):
            async with few:
                return await play(name, folder, seed=seed, patches=SHORT)

        return await asyncio.gather(*map(one, names), return_exceptions=True)

    with pytest.MonkeyPatch.context() as patched:
        for module in (subscribe, session):
            for key, value in SHORT.items():
                if key.startswith(module.__name__):
                    patched.setattr(module, key.rpartition(".")[2], value)
        patched.setattr(link, "RETRY_REFUSED_S", 1.0)
        results = asyncio.run(everything())
    return seed, dict(zip(names, results, strict=True))


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_in_silence(name, outcomes):
    seed, found = outcomes
    if isinstance(found[name], BaseException):
        print(f"seed {seed}")
        raise found[name]
