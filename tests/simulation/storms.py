"""Carrying out what a plan says of the weather."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import orjson

from perdure.kubernetes.leases import lease_name
from perdure.testing.apiserver import Request
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.fates import Fault, Record
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.operators import NAMESPACE
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.refusals import Policy
from perdure.testing.simulation.scheduler import Due, Scheduler
from perdure.testing.simulation.weather import KINDS, ON_PURPOSE, Storm
from perdure.verification.evidence import Disturbance

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
ADMINISTRATOR = "administrator"
POINTS = {
    Fault.CLOCK: Point.TIMER,
    Fault.WATCH: Point.WATCH,
    Fault.STALE: Point.WATCH,
    Fault.USER: Point.LEASE,
}
"""Where those strike that strike at one point; the others are counted without one."""

AIMED = {"lease cut off": Point.LEASE, "policy": Point.COMMIT}
"""Where those kinds strike that strike at one point, whatever their fault does elsewhere."""


class Storms:
    """Lets storms strike and pass."""

    def __init__(
        self, scheduler: Scheduler, cluster: Cluster, operators: Sequence[Host], record: Record
    ) -> None:
        self._scheduler = scheduler
        self._cluster = cluster
        self._operators = {host.name: host for host in operators}
        self._record = record
        self._due: list[Due] = []
        self.disturbances: list[Disturbance] = []

    def plan(self, storms: Sequence[Storm], until: float) -> None:
        """Have each strike in its time, if that is before the world is healed."""
        for storm in storms:
            if storm.at < until:
                self._due.append(self._scheduler.at(storm.at, partial(self._strike, storm, until)))

    def end(self) -> None:
        """Let nothing more happen."""
        for due in self._due:
            due.call_off()

    def _strike(self, storm: Storm, until: float) -> None:
        self._scheduler.note(f"storm {storm.kind} {storm.victim} {storm.seconds}")
        seconds = min(storm.seconds, max(until - self._scheduler.now, 0.0))
        fault = KINDS.get(storm.kind) or ON_PURPOSE[storm.kind]
        point = AIMED.get(storm.kind) or POINTS.get(fault)
        if point is not None:
            self._record.count(fault, point)
        began = self._scheduler.time
        self.disturbances.append(
            Disturbance(
                kind=fault.value,
                point="" if point is None else point.value,
                victim=storm.victim if storm.victim in self._operators else "",
                began=began,
                ended=began + timedelta(seconds=seconds),
            )
        )
        self._do(storm, seconds)

    def _do(self, storm: Storm, seconds: float) -> None:
        host = self._operators.get(storm.victim)
        match storm.kind:
            case "pause" | "stall" if host is not None:
                host.pause(seconds)
            case "crash" if host is not None:
                host.crash(seconds)
            case "stop" if host is not None:
                host.stop()
            case "clock" if host is not None:
                host.watch.shift(storm.amount)
                self._after(seconds, partial(host.watch.shift, 0.0))
            case "clock stands" if host is not None:
                host.watch.stand_still()
                self._after(seconds, partial(host.watch.shift, 0.0))
            case "outage":
                self._cluster.is_down = True
                self._after(seconds, self._up)
            case "cut off":
                self._cluster.cut_off.add(storm.victim)
                self._after(seconds, partial(self._cluster.cut_off.discard, storm.victim))
            case "lease cut off":
                self._cluster.unheard.add(storm.victim)
                self._after(seconds, partial(self._cluster.unheard.discard, storm.victim))
            case "policy":
                self._cluster.policy = policy = Policy(is_lenient=storm.amount < 0.5)
                self._after(seconds, partial(self._cluster.lift, policy))
            case "lag":
                self._cluster.lags[int(storm.victim)] = seconds
                self._after(seconds, partial(self._catch_up, int(storm.victim)))
            case "compaction":
                self._compact()
            case "frontend restart":
                self._cluster.frontends[int(storm.victim)].restart()
            case "lease deleted":
                self._lease("DELETE", storm.victim, None)
            case "lease stolen":
                self._steal(storm.victim)
            case _:
                raise AssertionError(f"no storm {storm.kind!r}")

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._due.append(self._scheduler.after(seconds, act))

    def _compact(self) -> None:
        """Forget the past, in storage and in the caches."""
        server = self._cluster.server
        server.compact(server.revision)
        for frontend in self._cluster.frontends:
            frontend.forget(server.revision)

    def _up(self) -> None:
        self._cluster.is_down = False

    def _catch_up(self, number: int) -> None:
        self._cluster.lags[number] = 0.0

    def _steal(self, victim: str) -> None:
        """Give the Lease to somebody else, as a process under the same identity would."""
        change = [{"op": "replace", "path": "/spec/holderIdentity", "value": f"{victim}_stolen"}]
        self._lease("PATCH", victim, orjson.dumps(change))

    def _lease(self, method: str, victim: str, body: bytes | None) -> None:
        path = f"{LEASES}/{lease_name(victim)}"
        kind = None if body is None else "application/json-patch+json"
        self._cluster.handle(Request(method, path, {}, body, kind, ADMINISTRATOR))
