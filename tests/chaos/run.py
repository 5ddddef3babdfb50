"""One run: everything is started, load and faults go on, all heals, and the witnesses are heard."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cases import SERVICE, Case, plan_cases, script_service
from tests.chaos.conductor import Conductor
from tests.chaos.crowd import Crowd
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.chaos.record import Record
from tests.chaos.report import Verdict, figures_of
from tests.chaos.sightings import Sightings
from tests.chaos.station import Station
from tests.chaos.users import User
from tests.chaos.verdict import SETTLE_SECONDS, judge
from tests.chaos.wire import Wire
from tests.chaos.witness import Witness
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.e2e.history import dumps_of
from tests.e2e.operators import LOGS
from tests.e2e.services import LedgerService
from tests.e2e.trial import now

PROGRESS_SECONDS = 10.0
POLL_SECONDS = 0.1
READY_SECONDS = 60.0
QUIET_SECONDS = 62.0
"""From the heal to the end: the oracle expects all ends after 60 s."""
FEWEST_QUIET_SECONDS = 10.0
"""From the last end on: what should rest is watched that long."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`interval` seconds lie between two orders, `most_open` are open at once at most."""

    seconds: float
    seed: int
    operators: int
    interval: float
    most_open: int
    strikes: Sequence[Strike]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that runs."""

    field: Field
    sightings: Sightings
    crowd: Crowd
    user: User
    conductor: Conductor
    addresses: dict[str, str]
    journal: Path
    tasks: list["asyncio.Task[None]"]

    @property
    def stations(self) -> list[Station]:
        return self.field.stations

    def progress(self) -> str:
        """Return one line that shows life."""
        seen, kinds = self.field.witness.progress, self.conductor.begun
        requests = sum(station.exchange.requests for station in self.stations)
        conflicts = sum(station.exchange.conflicts for station in self.stations)
        return (
            f"instances {seen.finished} ended, {seen.open} open; faults {sum(kinds.values())} of "
            f"{len(kinds)} kinds; {requests} requests to the API server, "
            f"{conflicts} conflicts; {seen.writes.total()} writes"
        )


async def run(cluster: Cluster, namespace: str, options: Options, report: Report) -> Verdict:
    """Run it all on a cluster that is up; return what came of it."""
    cases = plan_cases(int(options.seconds / options.interval) + 1, options.seed)
    async with staged(cluster, namespace, cases, options, report) as scene:
        await scene.crowd.define()
        report(f"{len(scene.stations)} operators are ready")
        await disturbed(scene, options)
        healed_at = now()
        settled_at = await settle(scene, report)
        await quiet(scene, healed_at)
        record = await heard(scene, cluster, namespace, healed_at, settled_at)
    report(f"judging {scene.field.witness.progress.writes.total()} writes")
    file = LOGS / namespace / "histories.jsonl"
    judgement, violations = await asyncio.to_thread(judge, record, file)
    return Verdict(figures_of(record, judgement), violations)


@asynccontextmanager
async def staged(
    cluster: Cluster, namespace: str, cases: Sequence[Case], options: Options, report: Report
) -> AsyncIterator[Scene]:
    """Start witness, service, proxies and operators."""
    sightings, journal = Sightings(), LOGS / namespace / "writes.jsonl"
    async with AsyncExitStack() as stack:
        service = stack.enter_context(LedgerService("chaos"))
        script_service(service)
        witness = await stack.enter_async_context(Witness(cluster, journal))
        stations, wires, addresses = [], [], {}
        for number in range(1, options.operators + 1):
            address, identity = f"127.0.1.{number}", f"chaos-{number}"
            addresses[address] = identity
            wire = await stack.enter_async_context(Wire(service.port, address))
            services = {SERVICE: f"http://127.0.0.1:{wire.port}"}
            seed = options.seed * 1000 + number
            station = Station(cluster, identity, namespace, services, sightings, seed)
            stations.append(await stack.enter_async_context(station))
            wires.append(wire)
        await asyncio.gather(*(station.start() for station in stations))
        field = Field(cluster, witness, stations, service, wires)
        user = User(await stack.enter_async_context(cluster.api("user")), namespace)
        scene = Scene(
            field=field,
            sightings=sightings,
            crowd=Crowd(user, cases, options.seed),
            user=user,
            conductor=Conductor(field, report),
            addresses=addresses,
            journal=journal,
            tasks=[asyncio.create_task(station.supervise()) for station in stations],
        )
        scene.tasks.append(asyncio.create_task(tell(scene, report)))
        try:
            yield scene
        finally:
            for task in scene.tasks:
                task.cancel()
            await asyncio.gather(*scene.tasks, return_exceptions=True)


async def tell(scene: Scene, report: Report) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        report(scene.progress())
        if scene.field.witness.task.done():
            scene.field.witness.task.result()


async def disturbed(scene: Scene, options: Options) -> None:
    """Let load and faults go on until both have come to their end."""
    seen = scene.field.witness.progress
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.conductor.run(options.strikes))
        group.create_task(
            scene.crowd.run(
                options.seconds, options.interval, lambda: seen.open < options.most_open
            )
        )


async def settle(scene: Scene, report: Report) -> float | None:
    """Wait until every instance has ended; return when that was, None if it takes too long."""
    report(f"healed; {scene.progress()}")
    ends = time.monotonic() + SETTLE_SECONDS
    for station in scene.stations:
        async with station.busy:
            if not station.process.is_running:
                station.process.spawn()
        await station.ready(READY_SECONDS)
    while scene.field.witness.progress.open:
        if time.monotonic() > ends:
            return None
        await asyncio.sleep(POLL_SECONDS)
    report(f"settled; {scene.progress()}")
    return now()


async def quiet(scene: Scene, healed_at: float) -> None:
    """Disturb nothing for a while."""
    await asyncio.sleep(max(FEWEST_QUIET_SECONDS, healed_at + QUIET_SECONDS - now()))
    for task in scene.tasks:
        if task.done():
            raise ClusterError(f"a part of the harness ended: {task}")


async def heard(
    scene: Scene, cluster: Cluster, namespace: str, healed_at: float, settled_at: float | None
) -> Record:
    """Collect what all witnesses know."""
    ended_at = now()
    await scene.field.witness.caught_up()
    async with cluster.api() as api:
        dumps = await dumps_of(api, namespace)
    return Record(
        journal=scene.journal,
        sightings=scene.sightings,
        requests=await asyncio.to_thread(scene.field.service.requests),
        addresses=scene.addresses,
        calls=scene.user.calls,
        cases=scene.crowd.begun,
        done=scene.conductor.done,
        clocks={station.identity: station.clock for station in scene.stations},
        deaths=[death for station in scene.stations for death in station.deaths],
        dumps=dumps,
        tricks=sum((s.exchange.befallen for s in scene.stations), Counter()),
        repeats=sum((s.exchange.repeats for s in scene.stations), Counter()),
        conflicts=sum(station.exchange.conflicts for station in scene.stations),
        healed_at=healed_at,
        settled_at=settled_at,
        ended_at=ended_at,
    )
