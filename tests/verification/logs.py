"""Small logs of writes, made step by step: good ones by the store's own plan, then damaged.

A `Log` is a tiny API server and an operator in one: what it writes down is what a `Watcher` reads.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from perdure.definitions import review, revision_name, spec_digest
from perdure.engine.events import Claim, Door, HistoryEvent, Revision
from perdure.engine.external import time_text
from perdure.engine.fold import replay
from perdure.engine.orchestrator import Acceptance, ExternalEvent, Facts, Orchestrator
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject, canonical, first_link, next_link
from perdure.engine.work import next_wake
from perdure.kubernetes.instances import head_of, observed_of
from perdure.kubernetes.loading import hot_tail
from perdure.kubernetes.plan import Plan, Position, plan
from perdure.kubernetes.reading import snapshot_of, without_history
from perdure.ports import Observed, Turn
from perdure.testing.replies import failed, ok
from perdure.verification.evidence import (
    Answered,
    ClientCall,
    Deed,
    Disturbance,
    Effect,
    Evidence,
    Outcome,
    Violations,
    Write,
)
from perdure.verification.judge import judge

BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMESPACE = "shop"
OPERATOR = "perdure-0"
OTHER = "perdure-1"
ME = f"{OPERATOR}_00000000000000a1"
AGAIN = f"{OPERATOR}_00000000000000a2"
YOU = f"{OTHER}_00000000000000b1"
USER = "ann"

Edit = Callable[[JsonObject], object]


def call_step(name: str = "charge", **around: Json) -> JsonObject:
    """Return a step that makes one call."""
    return {"name": name, "http": {"method": "POST", "service": "pay", "path": "/"}, **around}


@dataclass
class Log:
    """What was written so far; `now` is the one true time."""

    now: datetime = BEGINNING
    writes: list[Write] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    calls: list[ClientCall] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    bodies: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    orchestrators: dict[str, Orchestrator] = field(default_factory=dict)
    commits: int = 0

    # --- time and the plain API ---------------------------------------------------------------

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def put(
        self,
        resource: str,
        name: str,
        change: Edit,
        *,
        actor: str = USER,
        subresource: str | None = None,
        verb: str = "patch",
    ) -> JsonObject:
        """Create an object, or change it."""
        before = self.bodies.get((resource, name))
        after: JsonObject = copy.deepcopy(before) if before is not None else self._new(name)
        change(after)
        metadata = after["metadata"]
        assert isinstance(metadata, dict)
        if before is not None and before.get("spec") != after.get("spec"):
            metadata["generation"] = int(str(metadata["generation"])) + 1
        metadata["resourceVersion"] = str(len(self.writes) + 1)
        self.bodies[resource, name] = after
        self._write(resource, name, before, after, actor, subresource, verb)
        return after

    def delete(self, resource: str, name: str, *, actor: str = USER) -> None:
        before = self.bodies.pop((resource, name))
        self._write(resource, name, before, None, actor, None, "delete")

    def _new(self, name: str) -> JsonObject:
        return {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"0b7d3c1e-5a64-4f0e-9a38-{len(self.writes):012d}",
                "generation": 1,
                "creationTimestamp": time_text(self.now.replace(microsecond=0)),
            }
        }

    def _write(
        self,
        resource: str,
        name: str,
        before: JsonObject | None,
        after: JsonObject | None,
        actor: str,
        subresource: str | None,
        verb: str,
    ) -> None:
        body = after or before
        assert body is not None
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        self.writes.append(
            Write(
                revision=len(self.writes) + 1,
                at=self.now,
                actor=actor,
                verb="create" if before is None else verb,
                resource=resource,
                subresource=subresource,
                namespace=NAMESPACE,
                name=name,
                uid=str(metadata["uid"]),
                before=before,
                after=after,
            )
        )

    # --- what users and operators write -------------------------------------------------------

    def lease(self, incarnation: str = ME, *, holder: str | None = None) -> None:
        """Renew the Lease of a process start; `holder` writes another holder into it."""
        identity = incarnation.rpartition("_")[0]
        held: JsonObject = {"holderIdentity": incarnation if holder is None else holder}
        self.put("leases", f"perdure-{identity}", lambda b: b.update(spec=held), actor=identity)

    def alive(self, seconds: float, *incarnations: str) -> None:
        """Let time pass in which these processes renew their Leases every two seconds."""
        for _ in range(int(seconds / 2)):
            self.later(2)
            for incarnation in incarnations:
                self.lease(incarnation)

    def define(self, *steps: JsonObject, name: str = "order", **spec: Json) -> None:
        """Create a definition with its revision."""
        whole: JsonObject = {"steps": list(steps), **spec}
        reviewed = review(whole)
        assert reviewed.orchestrator is not None, reviewed.faults
        digest = spec_digest(whole)
        revision = revision_name(name, digest)
        self.orchestrators[name] = reviewed.orchestrator
        self.put("workflowdefinitions", name, lambda b: b.update(spec=whole))
        self.put(
            "controllerrevisions",
            revision,
            lambda b: b.update(data={"spec": whole}),
            actor=OPERATOR,
        )
        shown: JsonObject = {
            "revision": {"name": revision, "digest": digest},
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.put(
            "workflowdefinitions",
            name,
            lambda b: b.update(status=shown),
            actor=OPERATOR,
            subresource="status",
        )

    def start(self, name: str = "order-1", **spec: Json) -> str:
        """Create an instance; return its uid."""
        whole: JsonObject = {"definitionRef": {"name": "order"}, **spec}
        body = self.put("workflowinstances", name, lambda b: b.update(spec=whole))
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        uid = str(metadata["uid"])
        self.states[name] = State(uid=uid, namespace=NAMESPACE, name=name)
        return uid

    def edit(self, name: str = "order-1", **spec: Json) -> None:
        """Change the spec of an instance as its user does."""

        def change(body: JsonObject) -> None:
            before = body["spec"]
            assert isinstance(before, dict)
            body["spec"] = {**before, **spec}

        self.put("workflowinstances", name, change)

    def send(self, object_name: str, event: str = "go", data: Json = None, **spec: Json) -> None:
        """Create a WorkflowEvent for the instance."""
        whole: JsonObject = {"instance": "order-1", "name": event, "data": data, **spec}
        self.put("workflowevents", object_name, lambda b: b.update(spec=whole))

    # --- turns --------------------------------------------------------------------------------

    def turn(self, name: str = "order-1", *, by: str = ME, **facts: object) -> list[HistoryEvent]:
        """Decide and commit once, as an operator does."""
        state = self.states[name]
        orchestrator = self.orchestrators["order"]
        given = {"incarnation": by, "commit_id": f"c{self.commits + 1}", **facts}
        if not state.is_started and "acceptance" not in given:
            given["acceptance"] = self._acceptance(name)
        decided = orchestrator.advance(state, Facts(**given), self.now).events  # type: ignore[arg-type]  # fields of Facts
        if decided:
            self.commit(*decided, name=name, by=by, is_numbered=True)
        return decided

    def _acceptance(self, name: str) -> Acceptance:
        spec = self.bodies["workflowdefinitions", "order"]["spec"]
        own = self.bodies["workflowinstances", name]["spec"]
        assert isinstance(spec, dict)
        assert isinstance(own, dict)
        digest = spec_digest(spec)
        revision = Revision(name=revision_name("order", digest), digest=digest)
        return Acceptance(definition="order", revision=revision, input=own.get("input"))

    def commit(
        self,
        *events: HistoryEvent,
        name: str = "order-1",
        by: str = ME,
        edit: Edit | None = None,
        observed: Observed | None = None,
        is_numbered: bool = False,
    ) -> None:
        """Commit these events; `edit` damages the object before it is written."""
        self.commits += 1
        planned, state = self._plan(name, events, observed, is_numbered=is_numbered)
        actor = by.rpartition("_")[0]
        uid = state.uid
        for payload in planned.payloads:
            self._keep(payload.reference.ref, payload.spec(uid), actor)
        for segment in planned.segments:
            self._keep(segment.link.name, segment.spec, actor)

        def change(body: JsonObject) -> None:
            apply(body, planned.operations)
            if edit is not None:
                edit(body)

        self.put("workflowinstances", name, change, actor=actor, subresource="status")
        self.states[name] = state

    def _keep(self, name: str, spec: JsonObject, actor: str) -> None:
        self.put("workflowhistories", name, lambda b: b.update(spec=spec), actor=actor)

    def _plan(
        self,
        name: str,
        events: tuple[HistoryEvent, ...],
        observed: Observed | None,
        *,
        is_numbered: bool,
    ) -> tuple[Plan, State]:
        state, body = self.states[name], self.bodies["workflowinstances", name]
        recorder = Recorder(state, self.now)
        for event in () if is_numbered else events:
            recorder.add(event)
        numbered = events if is_numbered else tuple(recorder.events)
        head = head_of(body, state.uid)
        status = body.get("status")
        assert status is None or isinstance(status, dict)
        position = Position(
            status=without_history(status),
            is_present=head.is_present,
            length=head.length,
            digest=head.digest,
            segments=head.segments,
            newest=head.newest,
            hot=tuple(hot_tail(state.uid, head).parts[0]),
        )
        base = snapshot_of(body, None, state, observed_of(status or {}), position)
        after = replay(state, numbered)
        turn = Turn(
            base=base,
            commit_id=f"c{self.commits}",
            events=numbered,
            state=after,
            observed=observed or Observed(),
        )
        return plan(turn, self.now), after

    def until_wake(self, *, by: str = ME) -> None:
        """Let time pass until the next timer is due, and take the turn; Leases are renewed."""
        wake = next_wake(self.states["order-1"])
        assert wake is not None, "nothing comes due"
        self.now = max(self.now, wake)
        self.turn(by=by)

    def exchange(
        self, path: str = "charge", body: Json = None, *, code: int = 200, by: str = ME
    ) -> None:
        """Let a service answer the open call of a step, and commit what follows."""
        open_ = [a for a in self.states["order-1"].activities.values() if a.path == path]
        self.later(0.2)
        self.request(path, body=body, code=code, attempt=open_[0].attempt)
        self.lease(by)
        reply = ok(body) if code < 400 else failed("HttpStatus", code=code)
        self.turn(by=by, answers=(reply.to(open_[0].scheduled_id),))

    def external(self, object_name: str) -> ExternalEvent:
        """Return the fact that a WorkflowEvent object is."""
        body = self.bodies["workflowevents", object_name]
        spec, metadata = body["spec"], body["metadata"]
        assert isinstance(spec, dict)
        assert isinstance(metadata, dict)
        return ExternalEvent(
            id=str(spec.get("id") or object_name),
            name=str(spec["name"]),
            data=spec.get("data"),
            door=Door.OBJECT,
            time=datetime.fromisoformat(str(metadata["creationTimestamp"])),
        )

    @property
    def phase(self) -> str:
        """Return the phase that the instance shows."""
        status = self.bodies["workflowinstances", "order-1"]["status"]
        assert isinstance(status, dict)
        return str(status["phase"])

    # --- the other witnesses ------------------------------------------------------------------

    def request(self, path: str = "charge", *, actor: str = OPERATOR, **fields: object) -> None:
        """Let a service see one request, and answer it at once unless `code` is None."""
        code, body = fields.pop("code", 200), fields.pop("body", None)
        answer = None
        if code is not None:
            answer = Answered(at=self.now, code=code, body=body)  # type: ignore[arg-type]  # an int
        given = {
            "at": self.now,
            "actor": actor,
            "uid": self.states["order-1"].uid,
            "path": path,
            "attempt": 1,
            "key": key_of(self.states["order-1"].uid, path),
            "method": "POST",
            "target": "/",
            "answer": answer,
        }
        self.effects.append(Effect(**{**given, **fields}))  # type: ignore[arg-type]  # its fields

    def told(self, deed: Deed, outcome: Outcome = Outcome.ACKNOWLEDGED, **details: Json) -> None:
        """Note what a client was told of a call about the instance, now."""
        self.calls.append(
            ClientCall(
                invoked=self.now,
                returned=self.now,
                client=USER,
                deed=deed,
                namespace=NAMESPACE,
                name="order-1",
                uid=self.states["order-1"].uid,
                outcome=outcome,
                details=details,
            )
        )

    def disturb(self, victim: str, seconds: float = 0.0, kind: str = "F1", point: str = "") -> None:
        """Note that something was done to a process from now on."""
        ended = self.now + timedelta(seconds=seconds)
        self.disturbances.append(
            Disturbance(kind=kind, point=point, victim=victim, began=self.now, ended=ended)
        )

    def evidence(self, **fields: object) -> Evidence:
        given = {
            "writes": tuple(self.writes),
            "effects": tuple(self.effects),
            "calls": tuple(self.calls),
            "disturbances": tuple(self.disturbances),
        }
        return Evidence(**{**given, **fields})  # type: ignore[arg-type]  # its fields

    def verdict(self, **fields: object) -> Violations:
        return judge(self.evidence(**fields))


def apply(body: JsonObject, operations: list[JsonObject]) -> None:
    """Apply a JSON patch of the status."""
    for operation in operations:
        if operation["op"] == "test":
            continue
        *parents, last = str(operation["path"]).strip("/").split("/")
        target: Json = body
        for name in parents:
            assert isinstance(target, dict)
            target = target[name]
        if operation["op"] == "remove":
            assert isinstance(target, dict)
            del target[last]
        elif isinstance(target, list):
            target.append(copy.deepcopy(operation["value"]))
        else:
            assert isinstance(target, dict)
            target[last] = copy.deepcopy(operation["value"])


def status_of(body: JsonObject) -> JsonObject:
    status = body["status"]
    assert isinstance(status, dict)
    return status


def resealed(change: Callable[[list[JsonObject]], object]) -> Edit:
    """Return the edit that changes the events in a status and makes length and digest fit."""

    def edit(body: JsonObject) -> None:
        metadata, head = body["metadata"], status_of(body)["history"]
        assert isinstance(metadata, dict)
        assert isinstance(head, dict)
        events = cast("list[JsonObject]", head["events"])
        change(events)
        digest = first_link(str(metadata["uid"]))
        for event in events:
            digest = next_link(digest, canonical(event))
        head["digest"], head["length"] = digest, len(events)

    return edit


def newest(**fields: Json) -> Edit:
    """Return the edit that changes fields of the newest event."""
    return resealed(lambda events: events[-1].update(fields))


def showing(**fields: Json) -> Edit:
    """Return the edit that changes fields of the status."""
    return lambda body: status_of(body).update(fields)


def calling(**around: Json) -> Log:
    """Return the log of an instance whose one call is open, claimed by ME at BEGINNING."""
    log = Log()
    log.lease(ME)
    log.define({**call_step(), **around})
    log.start()
    log.turn()
    return log


def waiting(**around: Json) -> Log:
    """Return the log of an instance that waits for an event `go`."""
    log = Log()
    log.lease(ME)
    log.define({"name": "wait", "event": {"name": "go"}, **around})
    log.start()
    log.turn()
    return log


def key_of(uid: str, path: str) -> str:
    """Return the Idempotency-Key of a step."""
    return hashlib.sha256(f"{uid}/r0/{path}".encode()).hexdigest()


def checks_of(found: Violations) -> list[str]:
    """Return the names of the checks that spoke, each once."""
    return list(dict.fromkeys(one.text.partition(":")[0] for one in found))


def claim(incarnation: str, delivery: int = 1, claim_id: str | None = None) -> Claim:
    return Claim(
        delivery=delivery,
        incarnation=incarnation,
        claim_id=claim_id or f"claim-{incarnation}-{delivery}",
    )
