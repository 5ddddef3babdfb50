"""A cluster is judged as it stands: by reads alone, and not for moving while it is read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.verification.logs import (
    ME,
    OPERATOR,
    Log,
    calling,
    checks_of,
    newest,
    status_of,
    waiting,
)

from perdure.engine.events import Ending, InstanceEnded, StepSucceeded
from perdure.engine.values import JsonObject
from perdure.errors import ObjectForbiddenError, ObjectNotFoundError
from perdure.ports import Resource
from perdure.verification.standing import Inspector, Report


@dataclass
class Standing:
    """Implements Objects for reading; `moving` happens after each read of a list."""

    log: Log
    forbidden: Sequence[str] = ()
    moving: list[Callable[[], object]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self.reads.append(f"get {resource.plural}")
        found = self.log.bodies.get((resource.plural, name))
        if found is None:
            raise ObjectNotFoundError(f"no {name}", status=404)
        return found

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise AssertionError("it only reads")

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise AssertionError("it only reads")

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        raise AssertionError("it only reads")

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        raise AssertionError("it only reads")

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        self.reads.append(f"list {resource.plural}")
        if resource.plural in self.forbidden:
            raise ObjectForbiddenError("you may not", status=403)
        found = [
            copy.deepcopy(b)
            for (plural, _), b in self.log.bodies.items()
            if plural == resource.plural
        ]
        if self.moving:
            self.moving.pop(0)()
        return found


INSTANCE = ("workflowinstances", "order-1")


async def report_of(standing: Standing) -> Report:
    return await Inspector(standing, standing.log.now).inspect("shop")


async def test_what_the_engine_wrote_stands_well() -> None:
    log = calling()
    for number in range(40):
        log.commit(StepSucceeded(path=f"s{number}", output="x" * (9000 if number == 7 else 900)))
    log.start("order-2")
    standing = Standing(log)
    report = await report_of(standing)
    assert report == Report(instances=2, events=42)
    assert standing.reads.count("list workflowhistories") == 1


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lambda log: newest(at="2026-01-01T11:00:00Z")(log.bodies[INSTANCE]), "forward"),
        (lambda log: status_of(log.bodies[INSTANCE]).update(phase="Failed"), "told_truly"),
        (lambda log: status_of(log.bodies[INSTANCE]).pop("history"), "told_truly"),
        (lambda log: log.bodies.pop(revision_of(log)), "pins_stand"),
        (lambda log: log.bodies[revision_of(log)].update(data={}), "true_pin"),
    ],
)
async def test_what_was_damaged_is_reported(damage: Callable[[Log], object], check: str) -> None:
    log = waiting()
    damage(log)
    report = await report_of(Standing(log))
    assert check in checks_of(report.violations)


def revision_of(log: Log) -> tuple[str, str]:
    return next(place for place in log.bodies if place[0] == "controllerrevisions")


async def test_a_payload_that_is_missing_is_reported() -> None:
    log = calling()
    log.commit(StepSucceeded(path="s", output="x" * 9000))
    (payload,) = [place for place in log.bodies if place[0] == "workflowhistories"]
    del log.bodies[payload]
    report = await report_of(Standing(log))
    assert checks_of(report.violations)[0] == "payloads_first"


async def test_an_instance_that_moves_while_it_is_read_is_read_again() -> None:
    log = waiting()
    good = log.bodies[INSTANCE]
    torn = copy.deepcopy(good)
    status_of(torn)["phase"] = "Failed"
    log.bodies[INSTANCE] = torn

    def move() -> None:
        log.bodies[INSTANCE] = {**good, "metadata": {**part_of(good), "resourceVersion": "99"}}

    assert (await report_of(Standing(log, moving=[move]))).violations == []


def part_of(body: JsonObject) -> JsonObject:
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return metadata


async def test_an_instance_that_goes_while_it_is_read_is_not_damaged() -> None:
    log = waiting()
    status_of(log.bodies[INSTANCE])["phase"] = "Failed"
    standing = Standing(log, moving=[lambda: log.bodies.pop(INSTANCE)])
    assert (await report_of(standing)).violations == []


async def test_revisions_that_may_not_be_read_are_not_taken_for_missing() -> None:
    standing = Standing(waiting(), forbidden=["controllerrevisions", "workflowevents"])
    report = await report_of(standing)
    assert report.violations == []
    assert len(report.notes) == 2


async def test_an_event_that_nobody_answers_is_reported_after_ten_minutes() -> None:
    log = waiting()
    log.send("e1")
    log.turn(events=(log.external("e1"),))
    for minutes, expected in ((9, []), (11, ["nothing_unanswered"])):
        log.now += timedelta(minutes=minutes)
        assert checks_of((await report_of(Standing(log))).violations) == expected
    log = waiting()
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    log.send("e1")
    log.later(700)
    assert checks_of((await report_of(Standing(log))).violations) == ["nothing_unanswered"]


def test_in_a_run_an_event_has_ten_minutes_after_the_last_disturbance() -> None:
    log = waiting()
    log.send("e1")
    log.turn(events=(log.external("e1"),))
    log.later(650)
    healed = log.now
    log.alive(500, ME)
    found = checks_of(log.verdict(healed_at=healed, ended_at=log.now))
    assert "nothing_unanswered" not in found
    log.alive(200, ME)
    found = checks_of(log.verdict(healed_at=healed, ended_at=log.now))
    assert "nothing_unanswered" in found
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert log.verdict(healed_at=healed, ended_at=log.now) == []
