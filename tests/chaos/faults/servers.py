"""The API server and etcd: killed and started, and made to forget the past."""

import asyncio

from tests.chaos.faults.kinds import Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.cluster.components import Component

COMPACTION = "/v3/kv/compaction"


async def restart(field: Field, component: Component, seconds: float) -> None:
    async with field.control_plane:
        await asyncio.to_thread(field.cluster.kill, component)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(field.cluster.start, component)


async def apiserver(field: Field, strike: Strike) -> None:
    """SIGKILL of the API server, started again after the strike."""
    await restart(field, "apiserver", strike.seconds)


async def etcd(field: Field, strike: Strike) -> None:
    """SIGKILL of etcd, its disk intact; started again after the strike."""
    await restart(field, "etcd", strike.seconds)


async def compaction(field: Field, strike: Strike) -> None:
    """An operator hangs; meanwhile the API server forgets what it would ask for."""
    station = field.victim(strike)
    async with station.busy:
        if station.process.is_running:
            station.process.pause()
        try:
            await asyncio.sleep(strike.seconds)
            async with field.control_plane:
                await field.witness.caught_up()
                revision = field.witness.revision
                await asyncio.to_thread(
                    field.cluster.etcd, COMPACTION, {"revision": revision, "physical": True}
                )
                await asyncio.to_thread(field.cluster.restart, "apiserver")
        finally:
            if station.process.is_running:
                station.process.resume()


KINDS = {
    "apiserver": Kind(code="F11", span=lasting(0, 10), act=apiserver, is_of_world=True),
    "etcd": Kind(code="F11", span=lasting(0, 8), act=etcd, is_of_world=True),
    "compaction": Kind(code="F15", span=lasting(1, 12), act=compaction, is_of_world=True),
}
