"""Administrators at the Leases: one is deleted, or given to somebody else."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine

import aiohttp
from tests.chaos.faults.kinds import Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.cluster.api import Api, Object
from tests.cluster.errors import ApiError
from tests.cluster.identities import OPERATOR_NAMESPACE
from tests.cluster.waiting import POLL_SECONDS

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases"
_THEFTS = itertools.count(1)
NOTICED_SECONDS = 20.0  # an operator looks every 2 s; it may be cut off or paused as well


async def delete(field: Field, strike: Strike) -> None:
    """The Lease is deleted: who had it meanwhile cannot be seen, and the operator has to end."""
    await displaced(field, strike, lambda api, path: tried(api.delete(path)))


async def steal(field: Field, strike: Strike) -> None:
    """The Lease names a stranger: the operator has to end, and is started again."""
    await displaced(field, strike, given_away)


async def displaced(
    field: Field, strike: Strike, act: Callable[[Api, str], Awaitable[bool]]
) -> None:
    """Do something to a Lease for which its operator ends, and expect one end for it."""
    station = field.victim(strike)
    async with field.cluster.api() as api:
        station.pardons += 1
        pid = station.process.pid if station.process.is_running else None
        if not await act(api, f"{LEASES}/perdure-{station.identity}"):
            station.pardons -= 1
            return
        ends = time.monotonic() + NOTICED_SECONDS
        while station.pardons and time.monotonic() < ends:
            if station.process.is_running and station.process.pid != pid:
                break  # another fault has ended it first
            await asyncio.sleep(POLL_SECONDS)
        station.pardons = 0


async def given_away(api: Api, path: str) -> bool:
    """Give the Lease to a process that nobody has seen before, as each start is one."""
    patch = {"spec": {"holderIdentity": f"administrator_{next(_THEFTS):016x}"}}
    return await tried(api.patch(path, patch))


async def tried(call: Coroutine[None, None, Object]) -> bool:
    """Return whether a call succeeded; the API server may be away, or the Lease."""
    try:
        await call
    except (ApiError, aiohttp.ClientError, OSError, TimeoutError):
        return False
    return True


KINDS = {
    "lease-deleted": Kind(code="F19", span=lasting(0, 1), act=delete),
    "lease-stolen": Kind(code="F19", span=lasting(0, 1), act=steal),
}
