"""Instances as the owner of their lane has them: what was committed, and what a status shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import orjson
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import NOW
from tests.kubernetes.instances import ApiServerWorld

from perdure.engine.events import HistoryEvent
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.engine.values import JsonObject
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.instances import (
    controls_of,
    created_at_of,
    generation_of,
    head_of,
    key_of,
)
from perdure.kubernetes.log.holding import basis_of
from perdure.kubernetes.log.reflection import Reflection, planned
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.payloads import Payload
from perdure.kubernetes.plan import Basis, Plan
from perdure.kubernetes.records import records_of
from perdure.kubernetes.segments import Record
from perdure.kubernetes.status import View
from perdure.ports import WORKFLOW_INSTANCES, Controls, InstanceKey, Observed
from perdure.runtime.clock import SystemClock
from perdure.testing.apiserver import ApiServer, Request

NAMESPACE = "default"


@asynccontextmanager
async def memory_world() -> AsyncIterator[ApiServerWorld]:
    """Instances in an API server in memory, with the rules of their CRD."""
    clock, numbers = SystemClock(), count(1)
    server = ApiServer(now=clock.now, uid=lambda *_: f"uid-{next(numbers)}")
    body = orjson.dumps({"metadata": {"name": NAMESPACE}})
    request = Request("POST", "/api/v1/namespaces", {}, body, "application/json", "tests")
    assert server.handle(request).status == 201
    transport, token = MemoryTransport(server), FixedToken("tests")
    async with ApiClient(transport, token, clock, ClientLimits()) as client:
        yield ApiServerWorld(client, NAMESPACE)


def seen(body: JsonObject) -> Basis:
    """Return what a patch of this status builds on."""
    return basis_of(body, head_of(body, key_of(body).uid))


@dataclass
class Owned:
    """One instance. `turns` are those that no status is known to show, by rev."""

    key: InstanceKey
    basis: Basis
    state: State
    controls: Controls
    created_at: datetime
    generation: int
    observed: Observed = field(default_factory=Observed)
    turns: dict[int, list[Record]] = field(default_factory=dict)
    payloads: list[Payload] = field(default_factory=list)
    rev: int | None = None

    @classmethod
    def of(cls, body: JsonObject) -> Owned:
        """Return an instance without history."""
        key = key_of(body)
        return cls(
            key=key,
            basis=seen(body),
            state=State(uid=key.uid, namespace=key.namespace, name=key.name),
            controls=controls_of(body),
            created_at=created_at_of(body),
            generation=generation_of(body),
        )

    def commit(self, *events: HistoryEvent, at: datetime = NOW) -> None:
        """Let a turn stand in the log."""
        recorder = Recorder(self.state, at)
        for event in events:
            recorder.add(event)
        self.rev = (self.rev or 0) + 1
        records, payloads = records_of(
            self.key.uid, recorder.events, f"c{self.rev}", self.state.last_id, self._digest
        )
        self.turns[self.rev] = records
        self.payloads += payloads
        self.state = recorder.state

    @property
    def _digest(self) -> str:
        for records in reversed(self.turns.values()):
            return records[-1].digest
        return self.basis.position.digest

    def reflection(self) -> Reflection:
        """Return what its status is to show: everything."""
        view = View(
            key=self.key,
            controls=self.controls,
            created_at=self.created_at,
            generation=self.generation,
            state=self.state,
            observed=self.observed,
            is_over=self.state.ended is not None and not self.turns,
        )
        records = [record for turn in self.turns.values() for record in turn]
        return Reflection(basis=self.basis, records=tuple(records), rev=self.rev, view=view)

    def saw(self, basis: Basis) -> None:
        """Go on from what a status shows."""
        self.basis = basis
        self.turns = {rev: turn for rev, turn in self.turns.items() if rev > (basis.rev or 0)}


@dataclass
class Pen:
    """Writes to statuses, with nothing in between: what refuses a patch is raised."""

    world: ApiServerWorld

    async def owned(self, name: str) -> Owned:
        """Create an instance, and own it."""
        return Owned.of(await self.world.body(await self.world.create(name)))

    async def show(self, owned: Owned, at: datetime = NOW) -> Plan:
        """Write its reflection, and let the owner see what became of it."""
        histories = Histories(ApiObjects(self.world.client))
        for payload in owned.payloads:
            await histories.create(
                owned.key, payload.reference.ref, payload.spec(owned.key.uid), {}
            )
        plan = planned(owned.reflection(), at)
        for segment in plan.segments:
            link = segment.link
            await histories.create(owned.key, link.name, segment.spec, segment.annotations)
        body = await ApiObjects(self.world.client).patch(
            WORKFLOW_INSTANCES,
            owned.key.namespace,
            owned.key.name,
            plan.operations,
            subresource="status",
        )
        owned.saw(seen(body))
        return plan
