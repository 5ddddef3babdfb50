"""What the commands of `perdure store` do: log in, work, tell what came of it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

import typer

from perdure.cli import storetables
from perdure.cli.store import Access
from perdure.errors import (
    ObjectForbiddenError,
    ObjectNotFoundError,
    PerdureError,
    SettingsError,
    WrongStateError,
)
from perdure.kubernetes.client import ApiClient, connect
from perdure.kubernetes.connection import Connection
from perdure.kubernetes.histories import is_absence
from perdure.kubernetes.log.draining import LaneHolder, Unshown, drain_lanes
from perdure.kubernetes.log.parts import SLOT_SECONDS
from perdure.kubernetes.log.repairing import Repairer, settle
from perdure.kubernetes.log.replicas import Replicas
from perdure.kubernetes.log.resizing import Resizer
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.standing import in_words, standing_of
from perdure.kubernetes.log.surveying import Survey, Surveyor
from perdure.kubernetes.login import log_in
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.reading import Bodies
from perdure.ports import Clock
from perdure.runtime.clock import SystemClock

TIMED_OUT = 124
"""The exit status of `timeout`, the command."""
ENTRY_SECONDS = 60.0
"""What claims and the last entries may take, beside what statuses take."""
LANE_SECONDS = 30.0
"""What the slots of a new lane may take."""


class Desk:
    """What one command works with; made inside the loop."""

    def __init__(self, client: ApiClient, clock: Clock, namespace: str) -> None:
        self.clock = clock
        self.objects = ApiObjects(client)
        self.slots = Slots(ApiObjects(client, timeout=SLOT_SECONDS), namespace)
        self.surveyor = Surveyor(self.slots, clock)
        self.replicas = Replicas(self.objects, clock, namespace)
        self.incarnation = f"perdure-store-{socket.gethostname()[:200]}_{clock.token()}"

    def holder(self, generation: Generation) -> LaneHolder:
        return LaneHolder(self.objects, self.slots, self.clock, generation, self.incarnation)


def status(access: Access, *, is_json: bool) -> int:
    """Tell how the log stands; return the exit status."""

    async def work(desk: Desk) -> int:
        survey = await desk.surveyor.survey()
        if survey is None:
            print(storetables.absent(access.namespace, is_json=is_json))
            return 0
        holders = await desk.replicas.holders(desk.clock.now())
        bodies = Bodies(desk.objects)
        lanes = [await standing_of(lane, holders, bodies) for lane in survey.lanes]
        report = storetables.as_json if is_json else storetables.as_table
        print(report(access.namespace, survey, lanes))
        return 1 if any(lane.damage for lane in lanes) else 0

    return run("status", access, work)


def drain(access: Access, limit_seconds: float) -> int:
    """Show what stands in the log; return the exit status."""

    async def work(desk: Desk) -> int:
        await desk.replicas.refuse_beside_living()
        survey = await desk.surveyor.survey()
        if survey is None:
            print(storetables.absent(access.namespace, is_json=False))
            return 0
        _refuse_opening(survey)
        async with desk.holder(survey.generation) as holder:
            drained = await drain_lanes(holder, range(survey.generation.lanes), limit_seconds)
        print("\n".join(map(storetables.drained, drained.lanes)))
        _complain("drain", drained.unshown)
        return 0 if drained.is_complete else 1

    return run("drain", access, work, limit_seconds + ENTRY_SECONDS)


def resize(access: Access, count: int, limit_seconds: float) -> int:
    """Give the log another number of lanes; return the exit status."""

    async def work(desk: Desk) -> int:
        await desk.replicas.refuse_beside_living()
        before = await desk.surveyor.generation()
        result = await Resizer(desk.slots, desk.clock, desk.holder).resize(count, limit_seconds)
        _complain("resize", result.unshown)
        if result.unshown:
            print("perdure store resize: nothing was closed", file=sys.stderr)
            return 1
        print(storetables.resized(before, result))
        return 0

    seconds = limit_seconds + ENTRY_SECONDS + LANE_SECONDS * count
    return run("resize", access, work, seconds)


def repair(access: Access, *, is_agreed: bool) -> int:
    """Make lanes whole again; return the exit status."""

    async def work(desk: Desk) -> int:
        survey = await desk.surveyor.survey()
        if survey is None:
            print(storetables.absent(access.namespace, is_json=False))
            return 0
        _refuse_opening(survey)
        faults = [f"lane {lane.lane}: {fault}" for lane in survey.lanes for fault in lane.faults]
        for fault in faults:
            print(f"perdure store repair: {fault}", file=sys.stderr)
        if not any(lane.losses for lane in survey.lanes):
            print("nothing that could be repaired" if faults else "nothing is missing")
            return 1 if faults else 0
        _tell_losses(survey)
        if not is_agreed and not typer.confirm("Accept that, and make the lanes whole?"):
            return 1
        async with asyncio.timeout(ENTRY_SECONDS + LANE_SECONDS * survey.generation.lanes):
            await _repaired(desk, survey)
        return 1 if faults else 0

    return run("repair", access, work)


def _tell_losses(survey: Survey) -> None:
    for lane in survey.lanes:
        for loss in lane.losses:
            print(f"lane {lane.lane}: {in_words(loss)}")
    print(
        "What stood in these slots is lost, but for what statuses show, and what later entries of "
        "the lane carry.\nIts turns are decided anew: calls that they made may be made a second "
        "time, events that they\ntook are taken again if they are still there. Instances of which "
        "later turns are left become Stalled."
    )


async def _repaired(desk: Desk, survey: Survey) -> None:
    repairer = Repairer(desk.slots, desk.clock, survey.generation, desk.incarnation)
    async with desk.holder(survey.generation) as holder:
        lanes = [lane for lane in survey.lanes if lane.losses]
        for lane in lanes:
            await repairer.fill(lane)
        for lane in lanes:
            print(f"lane {lane.lane}: whole again, and {await settle(holder, lane.lane)}")


def _refuse_opening(survey: Survey) -> None:
    if survey.is_opening:
        lanes = survey.generation.lanes
        raise WrongStateError(
            f"the log is still being opened: an operator with --lanes {lanes} goes on with that, "
            f"or `perdure store resize {lanes}`"
        )


def _complain(command: str, unshown: Sequence[Unshown]) -> None:
    for one in unshown:
        print(
            f"perdure store {command}: WorkflowInstance {one.key.namespace}/{one.key.name} does "
            f"not show all of its turns: {one.why}",
            file=sys.stderr,
        )


def run(
    command: str,
    access: Access,
    work: Callable[[Desk], Awaitable[int]],
    limit_seconds: float | None = None,
) -> int:
    """Do something over a connection; return its exit status, or that of what went wrong."""
    clock = SystemClock()
    try:
        connection = log_in(clock, kubeconfig=access.kubeconfig, context=access.context)
        return asyncio.run(_connected(connection, clock, access, work, limit_seconds))
    except SettingsError as error:
        return _failed(command, str(error), 2)
    except TimeoutError:
        text = "the API server did not let it finish in time: run it again, it goes on"
        return _failed(command, text, TIMED_OUT)
    except PerdureError as error:
        return _failed(command, _kindly(error, access.namespace), 1)


async def _connected(
    connection: Connection,
    clock: Clock,
    access: Access,
    work: Callable[[Desk], Awaitable[int]],
    limit_seconds: float | None,
) -> int:
    async with connect(connection, clock) as client, asyncio.timeout(limit_seconds):
        return await work(Desk(client, clock, access.namespace))


def _failed(command: str, message: str, code: int) -> int:
    print(f"perdure store {command}: {message}", file=sys.stderr)
    return code


def _kindly(error: PerdureError, namespace: str) -> str:
    if isinstance(error, ObjectForbiddenError):
        return f'you may not do this in namespace "{namespace}": {error}'
    if isinstance(error, ObjectNotFoundError) and not is_absence(error):
        return "the API server does not know the kinds of Perdure: apply its CRDs first"
    return str(error)
