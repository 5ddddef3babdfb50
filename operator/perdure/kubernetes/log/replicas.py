"""Who works with the log, by the Leases, as an administrator sees it from outside.

Safety does not hang on it: whoever claims a lane fences its owner. Source: docs/log.md#spreading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.values import JsonObject
from perdure.errors import WrongStateError
from perdure.kubernetes.leases import LABEL, Lease, holder_of, lanes_of, leases_by_name, renewed_at
from perdure.kubernetes.log.presence import TIMES
from perdure.ports import LEASES, Clock, Objects

LOOK_SECONDS = 1.0
"""Between two looks at Leases: they are renewed every 2 s."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process by its Lease. `is_living` is told from the time of its last renewal."""

    incarnation: str
    lanes: frozenset[int]
    is_living: bool


class Replicas:
    """The Leases of one namespace. Methods raise what `ports.Objects.list` does."""

    def __init__(self, objects: Objects, clock: Clock, namespace: str) -> None:
        self._objects, self._clock, self._namespace = objects, clock, namespace

    async def holders(self, now: datetime) -> list[Holder]:
        """Return all that did not end in good order, dead or alive at `now`.

        `now` should be by the API server's clock, as far as it is known.
        """
        return [
            Holder(holder_of(item), lanes_of(item), _is_fresh(item, now))
            for item in await self._items()
            if holder_of(item)
        ]

    async def refuse_beside_living(self) -> None:
        """Raise WrongStateError if a replica renews its Lease, or has begun to.

        Clocks have no say in it: where Leases have holders, they are watched for as long as it
        takes to be sure that those are dead.
        """
        first = await self._held()
        until = self._clock.monotonic() + TIMES.dead_seconds
        while first and self._clock.monotonic() < until:
            await self._clock.sleep(LOOK_SECONDS)
            for name, lease in (await self._held()).items():
                if name not in first or first[name].version != lease.version:
                    raise WrongStateError(
                        f"Lease {self._namespace}/{name} is renewed by {lease.holder}, which works "
                        f"with the log: scale the operator down to 0 replicas, wait until its pods "
                        f"have ended, and run this again"
                    )

    async def _held(self) -> Mapping[str, Lease]:
        leases = leases_by_name(await self._items())
        return {name: lease for name, lease in leases.items() if lease.holder}

    async def _items(self) -> list[JsonObject]:
        return await self._objects.list(LEASES, self._namespace, labels=f"{LABEL}=true")


def _is_fresh(item: JsonObject, now: datetime) -> bool:
    renewed = renewed_at(item)
    return renewed is not None and (now - renewed).total_seconds() < TIMES.dead_seconds
