"""External events: once per id, as sent, in order, one wait each, deleted after the commit."""

from __future__ import annotations

from tests.verification.logs import OPERATOR, USER, Edit, Log, checks_of, waiting

from perdure.engine.events import (
    Door,
    Ending,
    EventAwaited,
    EventReceived,
    EventRefused,
    EventsMatched,
    InstanceEnded,
)
from perdure.engine.values import Json

OBJECTS = "workflowevents"


def received(event_id: str = "e1", data: Json = None, door: Door = Door.OBJECT) -> EventReceived:
    return EventReceived(event_id=event_id, name="go", door=door, data=data)


def taken() -> Log:
    """Return the log of a wait that an event object has ended by events 3 and 4 of a history."""
    log = Log()
    log.lease()
    log.define({"name": "one", "event": {"name": "go"}}, {"name": "two", "event": {"name": "go"}})
    log.start()
    log.turn()
    log.send("e1", data={"n": 1})
    log.later(1)
    log.turn(events=(log.external("e1"),))
    return log


def test_an_event_that_is_taken_and_then_deleted_breaks_nothing() -> None:
    log = taken()
    log.delete(OBJECTS, "e1", actor=OPERATOR)
    assert log.verdict() == []


def test_an_event_id_that_enters_twice_is_reported() -> None:
    log = taken()
    log.commit(received(data={"n": 1}))
    assert checks_of(log.verdict()) == ["once_per_id"]


def test_an_event_that_nobody_sent_is_reported() -> None:
    log = waiting()
    log.commit(received())
    assert checks_of(log.verdict()) == ["as_sent"]


def test_an_event_with_another_name_or_other_data_than_sent_is_reported() -> None:
    for sent in ({"event": "stop"}, {"data": {"n": 2}}, {"data": True}, {"instanceUid": "other"}):
        log = waiting()
        log.send("e1", **sent)
        log.commit(received(data=1))
        assert checks_of(log.verdict()) == ["as_sent"]


def test_an_event_of_the_spec_may_come_by_that_door_alone() -> None:
    for door, expected in ((Door.SPEC, []), (Door.OBJECT, ["as_sent"])):
        log = waiting()
        log.edit(events=[{"id": "e1", "name": "go", "data": 1}])
        log.commit(received(data=1.0, door=door))
        assert checks_of(log.verdict()) == expected


def test_events_that_enter_in_another_order_than_they_were_created_are_reported() -> None:
    log = waiting()
    log.send("e1")
    log.send("e2")
    log.commit(received("e1"))
    log.commit(received("e2"))
    assert log.verdict() == []
    log = waiting()
    log.send("e1")
    log.send("e2")
    log.commit(received("e2"), received("e1"))
    assert checks_of(log.verdict()) == ["in_order"]


def test_what_an_earlier_instance_of_the_name_took_has_no_place_in_the_order() -> None:
    log = waiting()
    log.send("e1")
    log.commit(received("e1"))
    log.delete(OBJECTS, "e1", actor=OPERATOR)
    log.delete("workflowinstances", "order-1")
    log.send("e2")
    log.send("e1")
    log.start()
    log.turn()
    log.commit(received("e2"), received("e1"))
    assert "in_order" not in checks_of(log.verdict())
    log.send("e3")
    log.send("e4")
    log.commit(received("e4"), received("e3"))
    assert "in_order" in checks_of(log.verdict())


def test_an_event_that_a_user_touched_has_another_place_in_the_order() -> None:
    log = waiting()
    log.send("e1")
    log.send("e2")
    log.put(OBJECTS, "e1", lambda b: b.update(touched=True))
    log.commit(received("e2"), received("e1"))
    assert log.verdict() == []


def test_an_event_of_the_spec_that_is_refused_without_reason_is_reported() -> None:
    for data, reason, expected in (
        ("x" * 20_000, "TooLarge", []),
        ("x", "TooLarge", ["refused_with_reason"]),
        ("x", "Dislike", ["refused_with_reason"]),
    ):
        log = waiting()
        log.edit(events=[{"id": "e1", "name": "go", "data": data}])
        log.commit(EventRefused(event_id="e1", name="go", reason=reason, message=""))
        assert checks_of(log.verdict()) == expected


def test_an_event_that_satisfies_two_waits_is_reported() -> None:
    log = taken()
    log.commit(EventsMatched(wait_id=5, received=(3,), shaped=True))
    assert checks_of(log.verdict()) == ["one_wait_each"]


def test_a_wait_that_is_over_twice_or_was_never_opened_is_reported() -> None:
    for wait_id in (2, 1):
        log = taken()
        log.send("e2")
        log.commit(received("e2"))
        log.commit(EventsMatched(wait_id=wait_id, received=(6,)))
        assert "one_wait_each" in checks_of(log.verdict())


def test_a_wait_that_takes_too_many_or_of_another_name_is_reported() -> None:
    log = waiting()
    log.commit(EventAwaited(path="other", name="stop"))
    log.send("e1")
    log.commit(received("e1"))
    log.commit(EventsMatched(wait_id=3, received=(4,)))
    assert checks_of(log.verdict()) == ["one_wait_each"]
    log = waiting()
    log.send("e1")
    log.send("e2")
    log.commit(received("e1"), received("e2"))
    log.commit(EventsMatched(wait_id=2, received=(3, 4)))
    assert checks_of(log.verdict()) == ["one_wait_each"]


def test_an_event_that_is_deleted_before_the_commit_that_takes_it_is_reported() -> None:
    log = waiting()
    log.send("e1")
    log.delete(OBJECTS, "e1", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["taken_before_gone"]
    log = waiting()
    log.send("e1")
    log.delete(OBJECTS, "e1", actor=USER)
    assert log.verdict() == []


def test_an_event_that_another_instance_of_the_name_took_may_go() -> None:
    log = taken()
    log.delete("workflowinstances", "order-1")
    log.start("order-1")
    log.delete(OBJECTS, "e1", actor=OPERATOR)
    assert log.verdict() == []


def marking(kind: str, reason: str) -> Edit:
    marked = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}
    return lambda body: body.update(status=marked)  # type: ignore[arg-type]  # JSON


def marked(log: Log, kind: str, reason: str) -> list[str]:
    edit = marking(kind, reason)
    log.put(OBJECTS, "e1", edit, actor=OPERATOR, subresource="status")
    return checks_of(log.verdict())


def test_an_event_that_is_marked_as_taken_before_it_is_is_reported() -> None:
    assert marked(taken(), "Taken", "Taken") == []
    log = waiting()
    log.send("e1")
    assert marked(log, "Taken", "Taken") == ["marked_truly"]


def test_an_event_that_is_refused_for_what_is_not_so_is_reported() -> None:
    for reason in ("NoInstance", "InstanceGone", "Ended", "TooLarge"):
        log = waiting()
        log.alive(70)
        log.send("e1")
        assert marked(log, "Refused", reason) == ["marked_truly"]


def test_an_event_is_refused_for_want_of_its_instance_after_a_day_alone() -> None:
    for hours, expected in ((23, ["marked_truly"]), (24, [])):
        log = Log()
        log.lease()
        log.send("e1")
        log.later(hours * 3600)
        assert marked(log, "Refused", "NoInstance") == expected


def test_an_event_is_never_refused_while_the_instance_of_its_uid_stands() -> None:
    log = waiting()
    log.send("e1", instanceUid=log.states["order-1"].uid)
    assert marked(log, "Refused", "InstanceGone") == ["marked_truly"]


def test_an_event_that_is_refused_with_reason_breaks_nothing() -> None:
    log = waiting()
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    log.send("e1")
    assert marked(log, "Refused", "Ended") == []
    log = waiting()
    log.send("e1", instanceUid="another")
    assert marked(log, "Refused", "InstanceGone") == []
    log = waiting()
    log.send("e1", data="x" * 20_000)
    assert marked(log, "Refused", "TooLarge") == []


def test_a_refused_event_is_shown_for_a_day() -> None:
    for hours, expected in ((25, []), (23, ["taken_before_gone"])):
        log = waiting()
        log.send("e1", instanceUid="another")
        assert marked(log, "Refused", "InstanceGone") == []
        log.later(hours * 3600)
        log.delete(OBJECTS, "e1", actor=OPERATOR)
        assert checks_of(log.verdict()) == expected


def test_an_operator_that_writes_to_an_event_or_changes_its_answer_is_reported() -> None:
    log = waiting()
    log.send("e1")
    log.put(OBJECTS, "e1", lambda b: b.update(touched=True), actor=OPERATOR)
    assert checks_of(log.verdict()) == ["marked_truly"]
    log = waiting()
    log.send("e1", instanceUid="another")
    assert marked(log, "Refused", "InstanceGone") == []
    assert marked(log, "Refused", "NoInstance") == ["marked_truly"]


def test_a_large_event_is_compared_with_what_its_payload_holds() -> None:
    data: Json = {"text": "x" * 9000}
    other: Json = {"text": "y" * 9000}
    for sent, expected in ((data, []), (other, ["as_sent"])):
        log = waiting()
        log.send("e1", data=sent)
        log.commit(received(data=data))
        assert checks_of(log.verdict()) == expected


def test_a_value_that_looks_like_a_reference_is_compared_as_it_was_sent() -> None:
    data: Json = {"$payload": 1}
    log = waiting()
    log.send("e1", data=data)
    log.commit(received(data=data))
    assert log.verdict() == []
