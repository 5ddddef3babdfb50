"""What stands beside instances: Leases that nobody takes back, revisions that are needed."""

from __future__ import annotations

from tests.verification.logs import (
    AGAIN,
    ME,
    OPERATOR,
    USER,
    YOU,
    Log,
    call_step,
    calling,
    checks_of,
)

from perdure.engine.values import JsonObject


def revision_of(log: Log) -> str:
    return next(w.name for w in log.writes if w.resource == "controllerrevisions")


def mark(log: Log) -> None:
    """Let an operator mark the revision as one that nobody needs."""
    since: JsonObject = {"perdure.dev/unneeded-since": "2026-01-01T00:00:00Z"}

    def change(body: JsonObject) -> None:
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        metadata["annotations"] = since

    log.put("controllerrevisions", revision_of(log), change, actor=OPERATOR)


def marked_and_pinned() -> Log:
    """Return the log of an instance that pins a revision after it was marked."""
    log = Log()
    log.lease(ME)
    log.define(call_step())
    mark(log)
    log.start()
    log.turn()
    return log


def test_a_lease_that_goes_to_the_next_incarnation_breaks_nothing() -> None:
    log = Log()
    for incarnation in (ME, ME, AGAIN, AGAIN):
        log.lease(incarnation)
    log.lease(AGAIN, holder="")
    log.lease(AGAIN)
    assert checks_of(log.verdict()) == ["no_return"]
    log.writes.pop()
    assert log.verdict() == []


def test_an_incarnation_that_takes_its_lease_back_is_reported() -> None:
    log = Log()
    for incarnation in (ME, AGAIN, ME):
        log.lease(incarnation)
    assert checks_of(log.verdict()) == ["no_return"]


def test_a_lease_that_was_deleted_is_written_again_by_the_process_that_had_it() -> None:
    log = Log()
    log.lease(ME)
    log.delete("leases", "perdure-perdure-0")
    log.lease(ME)
    assert log.verdict() == []
    log.delete("leases", "perdure-perdure-0")
    log.lease(AGAIN)
    log.delete("leases", "perdure-perdure-0")
    log.lease(ME)
    assert checks_of(log.verdict()) == ["no_return"]


def test_a_lease_that_was_stolen_and_deleted_unseen_was_taken_by_nobody() -> None:
    log = Log()
    log.lease(ME)
    stolen = {"holderIdentity": AGAIN}
    log.put("leases", "perdure-perdure-0", lambda b: b.update(spec=stolen), actor=USER)  # type: ignore[arg-type]  # JSON
    log.delete("leases", "perdure-perdure-0")
    log.lease(ME)
    assert log.verdict() == []


def test_a_lease_that_is_written_for_another_identity_is_reported() -> None:
    log = Log()
    log.lease(ME)
    log.lease(ME, holder=YOU)
    assert checks_of(log.verdict()) == ["own_lease"]


def test_a_revision_that_an_unfinished_instance_pins_is_not_to_be_deleted() -> None:
    log = marked_and_pinned()
    log.alive(120, ME)
    log.delete("controllerrevisions", revision_of(log), actor=OPERATOR)
    assert checks_of(log.verdict()) == ["revisions_stay"]


def test_a_revision_may_be_deleted_by_a_user_or_before_its_pin_could_be_seen() -> None:
    log = calling()
    log.alive(120, ME)
    log.delete("controllerrevisions", revision_of(log), actor=USER)
    assert log.verdict() == []
    log = marked_and_pinned()
    log.delete("controllerrevisions", revision_of(log), actor=OPERATOR)
    assert log.verdict() == []


def test_a_revision_that_was_pinned_before_it_was_marked_is_not_to_be_deleted() -> None:
    log = calling()
    mark(log)
    log.delete("controllerrevisions", revision_of(log), actor=OPERATOR)
    assert checks_of(log.verdict()) == ["revisions_stay"]


def test_a_revision_is_not_to_be_deleted_without_a_mark() -> None:
    log = Log()
    log.lease(ME)
    log.define(call_step())
    log.delete("controllerrevisions", revision_of(log), actor=OPERATOR)
    assert checks_of(log.verdict()) == ["revisions_stay"]


def test_a_revision_whose_recipe_changes_is_reported() -> None:
    log = calling()
    log.put("controllerrevisions", revision_of(log), lambda b: b.update(data={"spec": {}}))
    assert checks_of(log.verdict()) == ["content_stays"]
