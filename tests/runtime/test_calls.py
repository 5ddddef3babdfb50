"""Calls in flight: one claim is sent once, answers are kept, what is closed is cancelled."""

from __future__ import annotations

from tests.language.definitions import flow, http
from tests.runtime.worlds import Alive, Meter, Services, rounds

from perdure.engine.state import State
from perdure.engine.values import JsonObject
from perdure.ports import InstanceKey
from perdure.runtime.calls import Calls
from perdure.testing import Story, ok, started
from perdure.testing.stories import UID

KEY = InstanceKey("shop", "order-1", UID)


class Desk:
    """Calls of one process over a story."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.services, self.presence, self.answered = Services(), Alive(), list[InstanceKey]()
        self.calls = Calls({"http": self.services}, self.presence, Meter(), self.answered.append)

    def reconcile(self, state: State | None = None) -> bool:
        return self.calls.reconcile(KEY, state or self.story.state)


def two() -> Story:
    return started(flow(http("a", needs=[]), http("b", needs=[])))


async def test_a_claim_is_sent_once_however_often_it_is_reconciled() -> None:
    desk = Desk(two())
    for _ in range(3):
        assert desk.reconcile()
        await rounds()
    assert [work.path for work in desk.services.sent] == ["a", "b"]
    desk.services.answer("a")
    await rounds()
    desk.reconcile()
    await rounds()
    assert len(desk.services.sent) == 2


async def test_an_answer_is_kept_until_a_commit_has_closed_its_attempt() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    desk.services.answer("a", 1)
    await rounds()
    assert desk.answered == [KEY]
    (answer,) = desk.calls.answers(UID)
    desk.reconcile()
    assert desk.calls.answers(UID) == (answer,)
    desk.story.facts_answers(answer)
    desk.reconcile()
    assert desk.calls.answers(UID) == ()


async def test_what_is_closed_is_cancelled_and_settled_when_it_has_ended() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    desk.story.control(terminate="")
    desk.story.one_turn(is_settled=False)
    desk.reconcile()
    assert not desk.calls.is_settled(UID)
    await rounds()
    assert desk.calls.is_settled(UID)
    assert sorted(desk.services.aborted) == ["a", "b"]
    assert (desk.calls.has_any(UID), desk.calls.count) == (False, 0)


async def test_a_claim_that_somebody_else_took_over_is_cancelled_here() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    mine, desk.story.incarnation = desk.story.incarnation, "perdure-1-1"
    desk.story.turn(dead=frozenset({mine}))
    desk.reconcile()
    await rounds()
    assert sorted(desk.services.aborted) == ["a", "b"]
    assert len(desk.services.sent) == 2


async def test_nothing_is_sent_while_the_lease_is_late() -> None:
    desk = Desk(two())
    desk.presence.may_send = False
    assert not desk.reconcile()
    await rounds()
    assert desk.services.sent == []
    assert desk.calls.has_unsent(desk.story.state)
    desk.presence.may_send = True
    assert desk.reconcile()


async def test_a_process_that_is_stopping_starts_nothing() -> None:
    desk = Desk(two())
    desk.calls.refuse_new()
    desk.reconcile()
    await rounds()
    assert desk.services.sent == []


async def test_a_drain_keeps_the_answers_and_aborts_what_is_late() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    desk.calls.refuse_new()
    desk.services.answer("a", "kept")
    await desk.calls.drain(0.01)
    assert [answer.result for answer in desk.calls.answers(UID)] == [
        {"code": 200, "headers": {}, "body": "kept"}
    ]
    assert desk.services.aborted == ["b"]


async def test_abort_waits_until_all_of_an_instance_has_ended() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    await desk.calls.abort(UID)
    assert sorted(desk.services.aborted) == ["a", "b"]
    assert not desk.calls.has_any(UID)
    await desk.calls.abort(UID)


async def test_a_bug_of_an_executor_fails_its_attempt_with_an_unknown_outcome() -> None:
    desk = Desk(two())
    desk.reconcile()
    await rounds()
    desk.services.crash("a")
    await rounds()
    (answer,) = desk.calls.answers(UID)
    assert answer.failure is not None
    assert (answer.failure.unknown, answer.failure.retryable) == (True, True)


async def test_an_accepted_call_is_carried_on_under_the_same_claim() -> None:
    poll: JsonObject = {"every": "5s", "until": "result.body.done"}
    leaf: JsonObject = {"service": "shop", "path": "/", "poll": poll}
    desk = Desk(started({"steps": [{"name": "a", "http": leaf}]}))
    desk.reconcile()
    await rounds()
    desk.story.reply("a", ok(code=202, accepted=True))
    desk.reconcile()
    await rounds()
    assert [work.is_accepted for work in desk.services.sent] == [False, True]
    assert len({work.claim.claim_id for work in desk.services.sent}) == 1


async def test_nothing_is_polled_while_suspended_and_polling_goes_on_at_resume() -> None:
    poll: JsonObject = {"every": "5s", "until": "result.body.done"}
    leaf: JsonObject = {"service": "shop", "path": "/", "poll": poll}
    desk = Desk(started({"steps": [{"name": "a", "http": leaf}]}))
    desk.reconcile()
    await rounds()
    desk.story.reply("a", ok(code=202, accepted=True))
    desk.reconcile()
    await rounds()
    desk.story.suspend("incident 7")
    desk.reconcile()
    await rounds()
    assert desk.services.aborted == ["a"]
    assert desk.calls.count == 0
    desk.story.resume()
    desk.reconcile()
    await rounds()
    assert [work.is_accepted for work in desk.services.sent] == [False, True, True]
