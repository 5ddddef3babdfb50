"""What a fault can lay its hands on."""

import asyncio
from dataclasses import dataclass, field

from tests.chaos.plan import Strike
from tests.chaos.station import Station
from tests.chaos.wire import Wire
from tests.chaos.witness import Witness
from tests.cluster.cluster import Cluster
from tests.e2e.services import LedgerService


@dataclass(frozen=True, slots=True)
class Field:
    """Everything that can fail, while a run is under way.

    `service_wires` lie between each operator and the service. `control_plane` is held by whoever
    ends or starts a component of the cluster.
    """

    cluster: Cluster
    witness: Witness
    stations: list[Station]
    service: LedgerService
    service_wires: list[Wire]
    control_plane: asyncio.Lock = field(default_factory=asyncio.Lock)

    def victim(self, strike: Strike) -> Station:
        """Return the operator that a strike is meant for."""
        return self.stations[strike.victim % len(self.stations)]
