"""Who works with the log: seen from outside, and by clocks only where nothing hangs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.kubernetes.log.administration import Office, office
from tests.kubernetes.log.laboratory import NAMESPACE

from perdure.errors import WrongStateError
from perdure.kubernetes.log.presence import TIMES
from perdure.kubernetes.log.replicas import Holder, Replicas
from perdure.kubernetes.presence import LeasePresence


@pytest.fixture
def desk(small_ring: int) -> Iterator[Office]:
    with office() as found:
        yield found


def replica(desk: Office, identity: str = "perdure-0") -> tuple[LeasePresence, asyncio.Task[None]]:
    """Start a process that renews its Lease."""
    presence = LeasePresence(
        desk.requests, desk.clock, identity=identity, namespace=NAMESPACE, times=TIMES
    )
    desk.run(presence.start())
    task = desk.start(presence.run())
    desk.run(presence.list_lanes([1]))
    return presence, task


def replicas(desk: Office) -> Replicas:
    return Replicas(desk.requests, desk.clock, NAMESPACE)


def test_a_living_replica_is_named_with_what_to_do(desk: Office) -> None:
    replica(desk)
    words = r"Lease perdure-system/perdure-perdure-0 is renewed by perdure-0_\w+, .* to 0 replicas"
    with pytest.raises(WrongStateError, match=words):
        desk.run(replicas(desk).refuse_beside_living())


def test_without_replicas_nobody_is_waited_for(desk: Office) -> None:
    before = desk.scheduler.now
    desk.run(replicas(desk).refuse_beside_living())
    assert desk.scheduler.now - before < 0.1


def test_one_that_ended_in_good_order_is_not_waited_for(desk: Office) -> None:
    presence, task = replica(desk)
    task.cancel()
    desk.run(presence.release())
    before = desk.scheduler.now
    desk.run(replicas(desk).refuse_beside_living())
    assert desk.scheduler.now - before < 0.1


def test_a_dead_one_is_waited_for_until_that_is_sure(desk: Office) -> None:
    replica(desk)[1].cancel()
    before = desk.scheduler.now
    desk.run(replicas(desk).refuse_beside_living())
    assert TIMES.dead_seconds <= desk.scheduler.now - before < TIMES.dead_seconds + 2.0


def test_one_that_starts_meanwhile_counts(desk: Office) -> None:
    replica(desk)[1].cancel()
    task = desk.start(replicas(desk).refuse_beside_living())
    desk.wait(4.0)
    replica(desk, "perdure-1")
    with pytest.raises(WrongStateError, match="perdure-perdure-1 is renewed"):
        desk.result(task)


def test_the_holders_are_told_apart_by_the_time_of_their_renewals(desk: Office) -> None:
    presence, task = replica(desk)
    look = replicas(desk).holders
    expected = Holder(presence.incarnation, frozenset({1}), is_living=True)
    assert desk.run(look(desk.clock.now())) == [expected]
    task.cancel()
    late = desk.clock.now() + timedelta(seconds=TIMES.dead_seconds)
    assert [holder.is_living for holder in desk.run(look(late))] == [False]
    desk.run(presence.release())
    assert desk.run(look(desk.clock.now())) == []
