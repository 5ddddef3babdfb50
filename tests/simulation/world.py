"""One simulated world: a cluster, operators, users and services, from a plan to its evidence."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import patch

import orjson
from tests.simulation.edits import is_damage
from tests.simulation.outside import Outside
from tests.simulation.plan import Plan, names_of
from tests.simulation.rest import is_at_rest, is_over
from tests.simulation.storms import Storms
from tests.simulation.users import User
from tests.simulation.workloads.actions import Action

from perdure.engine.values import JsonObject
from perdure.kubernetes import paging
from perdure.kubernetes import plan as store_plan
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.objects import ApiObjects
from perdure.lanes import ring
from perdure.language import flow
from perdure.runtime import recipes
from perdure.settings import OperatorSettings
from perdure.testing.apiserver import ApiServer, Request
from perdure.testing.simulation.calls import Ledger, SimulatedSender
from perdure.testing.simulation.clocks import SimulatedClock
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.fates import Calm, Fate, Fates, Fault, Occasion, Record, Stroke
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.meddling import Meddler
from perdure.testing.simulation.network import SimulatedTransport
from perdure.testing.simulation.operators import NAMESPACE, OperatorProgram, Reviews
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.post import Post, SeededPost
from perdure.testing.simulation.scheduler import Scheduler, SpinningError
from perdure.verification.evidence import ClientCall, Disturbance, Evidence, Violation
from perdure.verification.judge import conclude
from perdure.verification.watcher import Watcher
from perdure.verification.world import Bounds

EPOCH = datetime(2026, 3, 28, 22, 58, 30, tzinfo=UTC)
"""An hour before the clocks of some countries change: durations must not care."""
GARBAGE_SECONDS = 3.0
REST_SECONDS = 90.0
"""So long at most until everything that is not waiting has come to its end."""
PATIENCE_SECONDS = 330.0
"""More of it where something was refused for good: back-off goes up to 5 minutes."""
ROUNDS = recipes.KEPT_REVISIONS // timedelta(seconds=recipes.COLLECT_SECONDS)
"""Of the collector of revisions: for so many of them a revision is kept."""
JUDGED_SECONDS = 75.0
"""So long after the last disturbance whatever is unfinished has to say what it waits for."""

REVIEWS = Reviews()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    trace_hash: str
    violations: tuple[Violation, ...]
    strokes: tuple[Stroke, ...]
    cells: Counter[tuple[str, str]]
    evidence: Evidence
    requests: int
    seconds: float
    """Of virtual time."""


class World:
    """Builds everything that a plan names, lets it run, and judges it."""

    def __init__(
        self,
        plan: Plan,
        fates: Fates | None = None,
        post_of: Callable[[Scheduler], Post] = SeededPost,
    ) -> None:
        self.plan = plan
        self.scheduler = Scheduler(plan.seed, EPOCH)
        self.server = ApiServer(now=lambda: self.scheduler.time, uid=_Uids())
        self.post = post_of(self.scheduler)
        self.cluster = Cluster(self.server, self.scheduler, self.post)
        self.record = Record()
        self.ledger = Ledger()
        self.calls: list[ClientCall] = []
        self.meddler = Meddler(self.server, self._written, is_logged=plan.lanes is not None)
        self.outside = Outside(plan.workload)
        self.violations: list[Violation] = []
        self._fates = _Until(fates or plan.fates(), self._is_healed)
        self._watcher = Watcher(
            Bounds(
                clock_seconds=self._clock_bound,
                history_events=plan.history_events,
                slots=plan.slots,
            )
        )
        self._seen = 0
        self._set_up()
        self.operators = [self._operator(name) for name in names_of(plan.operators)]
        self.users = [self._user(name) for name in plan.workload.users]
        self.storms = Storms(self.scheduler, self.cluster, self.operators, self.record)

    def _is_healed(self) -> bool:
        return self.scheduler.now >= self.plan.heal_at

    def _clock_bound(self, identity: str) -> float:
        """Return how far an operator's clock was off so far, at most."""
        return max((h.watch.worst_seconds for h in self.operators if h.name == identity), default=0)

    # --- what there is ------------------------------------------------------------------------

    def _set_up(self) -> None:
        """Create namespaces and Services, as an administrator did long before."""
        for name in (NAMESPACE, *self.plan.workload.namespaces):
            self._create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name}})
        for number, service in enumerate(self.plan.workload.services):
            body: JsonObject = {
                "kind": "Service",
                "metadata": {"name": service.name},
                "spec": {
                    "clusterIP": f"10.0.0.{number + 1}",
                    "ports": [{"port": 80, "protocol": "TCP"}],
                },
            }
            self._create(f"/api/v1/namespaces/{service.namespace}/services", body)
        self._written()

    def _create(self, path: str, body: JsonObject) -> None:
        content = orjson.dumps({"apiVersion": "v1", **body})
        request = Request("POST", path, {}, content, "application/json", "setup")
        answer = self.server.handle(request)
        assert answer.status in (201, 409), answer.body

    def _operator(self, name: str) -> Host:
        settings = OperatorSettings(
            namespace=NAMESPACE,
            identity=name,
            http_allow=self.outside.hosts,
            lanes=self.plan.lanes,
        )
        program = OperatorProgram(
            scheduler=self.scheduler,
            settings=settings,
            transport=partial(self._transport, is_operator=True),
            sender=self._sender,
            resolver=self.outside,
            reviews=REVIEWS,
        )
        return Host(name, self.scheduler, program)

    def _transport(self, host: Host, *, is_operator: bool) -> SimulatedTransport:
        return SimulatedTransport(
            host, self.cluster, self._fates, self.record, self.meddler, is_operator=is_operator
        )

    def _sender(self, host: Host) -> SimulatedSender:
        return SimulatedSender(
            host, self.scheduler, self.post, self.outside, self.ledger, self._fates, self.record
        )

    def _user(self, name: str) -> Host:
        actions = [action for action in self.plan.workload.actions if action.user == name]
        return Host(name, self.scheduler, partial(self._act, actions), is_lasting=False)

    async def _act(self, actions: list[Action], host: Host) -> None:
        clock = SimulatedClock(self.scheduler, host.watch, host.random, lambda: 0.0)
        transport = self._transport(host, is_operator=False)
        client = ApiClient(transport, FixedToken(host.name), clock, ClientLimits())
        await User(ApiObjects(client), clock, self.calls, host.name).run(actions)

    # --- the run ------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the plan to its end, or to the first violation.

        Nothing is collected meanwhile: what a process left that died would close itself by chance.
        """
        is_collecting = gc.isenabled()
        gc.disable()
        try:
            return self._spilling()
        finally:
            if is_collecting:
                gc.enable()

    def _spilling(self) -> Outcome:
        items = self.plan.page_items
        with (
            patch.object(store_plan, "MAX_STATUS", self.plan.status_bytes),
            patch.object(flow, "MAX_HISTORY", self.plan.history_events),
            patch.object(ring, "SLOTS", self.plan.slots),
            patch.multiple(
                recipes,
                COLLECT_SECONDS=self.plan.collect_seconds,
                KEPT_REVISIONS=ROUNDS * timedelta(seconds=self.plan.collect_seconds),
            ),
            patch.multiple(paging, FIRST_ITEMS=items, FEWEST_ITEMS=items, MOST_ITEMS=items),
        ):
            return self._run()

    def _run(self) -> Outcome:
        scheduler, plan = self.scheduler, self.plan
        self.cluster.on_write = self._written
        for number, host in enumerate(self.operators):
            scheduler.at(0.3 * number, host.start)
        for host in self.users:
            scheduler.at(0.0, host.start)
        scheduler.after(GARBAGE_SECONDS, self._collect_garbage)
        self.storms.plan(plan.storms, plan.heal_at)
        ended_at = None
        try:
            if self._went_well(plan.heal_at):
                self._heal()
                self._come_to_rest()
                if not self.violations:
                    scheduler.run(self._ends_at(), self._is_broken)
                    ended_at = scheduler.time
        except SpinningError as error:
            self.violations.append(Violation(invariant="I-36", subject="", text=str(error)))
        finally:
            outcome = self._outcome(ended_at)
            for host in (*self.operators, *self.users):
                host.close()
        return outcome

    def _went_well(self, until: float) -> bool:
        self.scheduler.run(until, self._is_broken)
        return not self.violations

    def _is_broken(self) -> bool:
        return bool(self.violations)

    def _heal(self) -> None:
        self.scheduler.note("heals")
        self.storms.end()
        self.cluster.heal()
        self.meddler.undo()
        for host in self.operators:
            host.heal()

    def _come_to_rest(self) -> None:
        """Wait until nothing moves any more that need not wait."""
        limit = max(self.scheduler.now, self.plan.workload.last_at) + REST_SECONDS
        limit += PATIENCE_SECONDS
        while self.scheduler.now < limit and not self.violations:
            self.scheduler.run(self.scheduler.now + 1.0, self._is_broken)
            if all(user.is_done for user in self.users) and self._is_at_rest():
                return

    def _ends_at(self) -> float:
        """Return when to end: not before what is unfinished has had its time to go on."""
        end = self.scheduler.now + self.plan.quiet_seconds
        if all(is_over(body) for body in self.server.objects("workflowinstances")):
            return end
        return max(end, max(self.plan.heal_at, self.plan.workload.last_at) + JUDGED_SECONDS)

    def _is_at_rest(self) -> bool:
        horizon = self.scheduler.time.timestamp() + REST_SECONDS
        objects = self.server.objects
        return is_at_rest(objects("workflowinstances"), objects("workflowevents"), horizon)

    def _collect_garbage(self) -> None:
        self.server.collect_garbage()
        self.cluster.follow()
        self.scheduler.after(GARBAGE_SECONDS, self._collect_garbage)

    # --- judging ------------------------------------------------------------------------------

    def _written(self) -> None:
        """Check what was accepted since the last look."""
        writes = self.server.writes
        while self._seen < len(writes):
            self.violations += self._watcher.observe(writes[self._seen])
            self._seen += 1

    def _outcome(self, ended_at: datetime | None) -> Outcome:
        evidence = self._evidence(ended_at)
        for _ in filter(is_damage, self.calls):
            self.record.count(Fault.CORRUPTION, Point.READ_INSTANCE)
        violations = [*self.violations]
        if not violations and ended_at is not None:
            violations += conclude(self._watcher, evidence)
        for host in (*self.operators, *self.users):
            problems = host.problems + (host.loop.problems if host.loop is not None else [])
            violations += [
                Violation(invariant="I-39", subject=host.name, text=text) for text in problems
            ]
        return Outcome(
            plan=self.plan,
            trace_hash=self.scheduler.trace_hash,
            violations=tuple(violations),
            strokes=tuple(self.record.strokes),
            cells=self.record.cells,
            evidence=evidence,
            requests=sum(host.number for host in (*self.operators, *self.users)),
            seconds=self.scheduler.now,
        )

    def _evidence(self, ended_at: datetime | None) -> Evidence:
        disturbances = (*self.storms.disturbances, *self._strokes())
        return Evidence(
            writes=tuple(self.server.writes),
            effects=tuple(self.ledger.effects),
            calls=tuple(sorted([*self.calls, *self.meddler.calls], key=lambda c: c.invoked)),
            exchanges=tuple(self.cluster.exchanges),
            disturbances=disturbances,
            clocks={host.name: host.watch.worst_seconds for host in self.operators},
            healed_at=self.scheduler.at_seconds(self.plan.heal_at),
            ended_at=ended_at,
        )

    def _strokes(self) -> list[Disturbance]:
        return [
            Disturbance(
                kind=stroke.fate.fault.value,
                point=stroke.point.value,
                victim=stroke.process,
                began=self.scheduler.at_seconds(stroke.at),
                ended=self.scheduler.at_seconds(stroke.at + stroke.fate.seconds),
            )
            for stroke in self.record.strokes
        ]


class _Uids:
    """Uids that follow from the name and how often it was used: equal in equal runs."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, resource: str, namespace: str, name: str) -> str:
        place = (resource, namespace, name)
        self._counts[place] += 1
        text = "/".join((*place, str(self._counts[place])))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class _Until:
    """Fates that end when the world is healed."""

    def __init__(self, fates: Fates, is_healed: Callable[[], bool]) -> None:
        self._fates = fates
        self._is_healed = is_healed
        self._calm = Calm()

    def decide(self, occasion: Occasion) -> Fate | None:
        return (self._calm if self._is_healed() else self._fates).decide(occasion)
