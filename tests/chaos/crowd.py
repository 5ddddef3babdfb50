"""The users of a run: they start orders, raise events by both doors, and change their minds."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

from tests.chaos.cases import DEFINITION, Case, Fate, definition
from tests.chaos.users import User
from tests.cluster.api import JSON_PATCH, MERGE_PATCH, Object
from tests.cluster.errors import ApiError
from tests.e2e.history import definitions_path, events_path, instances_path
from tests.e2e.orders import EVENT, approver, is_ready, resource

from perdure.verification.evidence import Deed

SHORTEST_SUSPENSION, LONGEST_SUSPENSION = 1.0, 8.0
SUSPEND: Object = {"spec": {"suspend": True, "suspendReason": "chaos"}}
RESUME: Object = {"spec": {"suspend": False}}
TERMINATE: Object = {"spec": {"terminate": {"reason": "chaos"}}}
EDIT: Object = {"metadata": {"labels": {"edited": "yes"}, "annotations": {"note": "chaos"}}}
POLL_SECONDS = 0.1


class Crowd:
    """Starts each case at its time, unless too many are open; `begun` says how many it started."""

    def __init__(self, user: User, cases: Sequence[Case], seed: int) -> None:
        self._user, self._cases = user, cases
        self._random = Random(seed)
        self._instances = instances_path(user.namespace)
        self.begun: list[Case] = []
        self.raised = 0
        """Events, one that is sent by both doors counted once."""

    async def define(self) -> None:
        """Create the definition and wait until it is Ready."""
        path = definitions_path(self._user.namespace)
        await self._user.ask(
            Deed.DEFINE, DEFINITION, "", lambda: self._user.api.create(path, definition())
        )
        found = await self._user.read(f"{path}/{DEFINITION}")
        while not is_ready(found):
            await asyncio.sleep(POLL_SECONDS)
            found = await self._user.read(f"{path}/{DEFINITION}")

    async def run(self, seconds: float, interval: float, has_room: Callable[[], bool]) -> None:
        """Start cases for so many seconds; return when everything is done to all of them."""
        ends = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for case in self._cases:
                is_full = not has_room()
                while is_full and time.monotonic() < ends:
                    await asyncio.sleep(POLL_SECONDS)
                    is_full = not has_room()
                if time.monotonic() >= ends:
                    break
                self.begun.append(case)
                group.create_task(self._live(case, self._random.random()))
                await asyncio.sleep(interval)

    async def _live(self, case: Case, chance: float) -> None:
        if case.order.is_early:
            await self._raise(case, None, case.order.event_id)
        uid = await self._start(case)
        async with asyncio.TaskGroup() as group:
            if not case.order.is_early:
                group.create_task(self._raise_later(case, uid))
            group.create_task(self._meet(case, uid, chance))

    async def _meet(self, case: Case, uid: str, chance: float) -> None:
        """Let its fate strike."""
        if case.fate is Fate.PLAIN:
            return
        await asyncio.sleep(case.moment)
        match case.fate:
            case Fate.SUSPENDED:
                await self._patch(Deed.SUSPEND, case, uid, SUSPEND)
                length = LONGEST_SUSPENSION - SHORTEST_SUSPENSION
                await asyncio.sleep(SHORTEST_SUSPENSION + length * chance)
                await self._patch(Deed.RESUME, case, uid, RESUME)
            case Fate.TERMINATED:
                await self._patch(Deed.TERMINATE, case, uid, TERMINATE)
            case Fate.EDITED:
                await self._patch(Deed.EDIT, case, uid, EDIT)
            case Fate.DELETED:
                await self._delete(case, uid)
            case Fate.RECREATED:
                await self._delete(case, uid)
                again = await self._start(case)
                await self._raise(case, again, f"{case.order.event_id}-again")

    # --- what can be asked ----------------------------------------------------------------

    async def _start(self, case: Case) -> str:
        """Start the instance; return its uid. An answer that was lost is made up for by reading."""
        spec: Object = {
            "definitionRef": {"name": DEFINITION},
            "input": {"order": case.order.number},
        }
        body = resource("WorkflowInstance", case.name, spec)
        path = f"{self._instances}/{case.name}"

        async def request() -> Object:
            try:
                return await self._user.api.create(self._instances, body)
            except ApiError as error:
                found = await self._user.api.find(path) if error.status == 409 else None
                if found is None:
                    raise
                return found

        details = {"definition": DEFINITION, "input": spec["input"]}
        made = await self._user.ask(Deed.START, case.name, "", request, details)
        assert not isinstance(made, ApiError), f"{case.name} was refused: {made}"
        return str(made["metadata"]["uid"])

    async def _patch(self, deed: Deed, case: Case, uid: str, patch: Object) -> None:
        path = f"{self._instances}/{case.name}"
        body = {**patch, "metadata": {**patch.get("metadata", {}), "uid": uid}}
        await self._user.ask(
            deed, case.name, uid, lambda: self._user.api.patch(path, body, MERGE_PATCH)
        )

    async def _delete(self, case: Case, uid: str) -> None:
        path, options = f"{self._instances}/{case.name}", {"preconditions": {"uid": uid}}
        await self._user.ask(
            Deed.DELETE, case.name, uid, lambda: self._user.api.delete(path, options)
        )
        while True:
            found = await self._user.read(path)
            if found is None or found["metadata"]["uid"] != uid:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _raise_later(self, case: Case, uid: str) -> None:
        await asyncio.sleep(case.order.hesitation)
        await self._raise(case, uid, case.order.event_id)

    async def _raise(self, case: Case, uid: str | None, event_id: str) -> None:
        order = case.order
        by_both = order.is_doubled and uid is not None
        if order.by_object or by_both:
            await self._raise_by_object(case, uid, event_id)
        if not order.by_object or by_both:
            await self._raise_by_patch(case, uid or "", event_id)
        self.raised += 1

    async def _raise_by_patch(self, case: Case, uid: str, event_id: str) -> None:
        data: Object = {"by": approver(case.order)}
        value = {"id": event_id, "name": EVENT, "data": data}
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/spec/events/-", "value": value},
        ]
        path = f"{self._instances}/{case.name}"
        details: Object = {"id": event_id, "name": EVENT, "data": data, "door": "spec"}
        await self._user.ask(
            Deed.RAISE,
            case.name,
            uid,
            lambda: self._user.api.patch(path, operations, JSON_PATCH),
            details,
        )

    async def _raise_by_object(self, case: Case, uid: str | None, event_id: str) -> None:
        data = {"by": approver(case.order)}
        spec: Object = {"instance": case.name, "name": EVENT, "id": event_id, "data": data}
        details: Object = {"id": event_id, "name": EVENT, "data": data, "door": "object"}
        if uid is not None and case.order.names_uid:
            spec["instanceUid"] = details["instanceUid"] = uid
        name = f"{case.name}-{hashlib.sha256(event_id.encode()).hexdigest()[:10]}"
        body = resource("WorkflowEvent", name, spec)
        path = events_path(self._user.namespace)
        await self._user.ask(
            Deed.RAISE,
            case.name,
            uid or "",
            lambda: self._user.api.create(path, body),
            {**details, "object": name},
        )
