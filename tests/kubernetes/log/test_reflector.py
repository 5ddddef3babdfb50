"""When statuses are written, in which order, and when again."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random  # noqa: TID251 - seeded

import pytest
from tests.contract.worlds import completed, ended, scheduled
from tests.kubernetes.log.laboratory import (
    Apply,
    Fault,
    forbidden,
    lost_request,
    refused,
    refused_as_too_large,
    throttled,
)
from tests.kubernetes.log.owners import Owned
from tests.kubernetes.log.shelves import Desk, begun, want

from perdure.engine.values import JsonObject
from perdure.kubernetes.log.reflector import AT_ONCE, BURST, PER_SECOND
from perdure.kubernetes.log.statuses import Refused

PROGRESS = 5.0


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def names(number: int) -> list[str]:
    return [f"order-{each}" for each in range(number)]


class TestWhen:
    def test_what_is_urgent_is_written_at_once(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        want(desk, order, 0.0)
        desk.wait(0.05)
        assert desk.status(order)["rev"] == 1
        assert desk.told(order) == ["Shown"]

    def test_progress_is_written_at_its_deadline_with_the_turns_that_came_later(
        self, desk: Desk
    ) -> None:
        (order,) = begun(desk, "order")
        want(desk, order, PROGRESS)
        desk.wait(3.0)
        order.commit(completed(2), scheduled("b"))
        want(desk, order, PROGRESS)
        desk.wait(10.0)
        assert desk.requests.times("order") == [5.0]
        assert desk.status(order)["rev"] == 2

    def test_the_earliest_deadline_counts(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        want(desk, order, PROGRESS)
        want(desk, order, 1.0)
        want(desk, order, PROGRESS)
        desk.wait(10.0)
        assert desk.requests.times("order") == [1.0]

    def test_what_becomes_urgent_is_written_at_once(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        want(desk, order, PROGRESS)
        desk.wait(1.0)
        desk.reflector.urge(order.key.uid)
        desk.wait(10.0)
        assert desk.requests.times("order") == [1.0]

    def test_what_the_shelf_does_not_have_is_not_written(self, desk: Desk) -> None:
        desk.reflector.want("uid-of-nobody", 0.0)
        desk.wait(10.0)
        assert desk.requests.patches == []
        assert desk.reflector.lag_seconds == 0.0

    def test_progress_is_written_in_the_order_of_deadlines_at_a_bounded_rate(
        self, desk: Desk
    ) -> None:
        owned = begun(desk, *names(200))
        deadlines = {each.key.name: 1.0 + number / 1000 for number, each in enumerate(owned)}
        for each in Random("order").sample(owned, len(owned)):
            want(desk, each, deadlines[each.key.name])
        desk.wait(10.0)
        assert [name for _, name in desk.requests.patches] == sorted(deadlines, key=deadlines.get)  # type: ignore[arg-type]  # every name has one
        times = [at for at, _ in desk.requests.patches]
        busiest = max(sum(at <= other < at + 1.0 for other in times) for at in times)
        assert busiest <= PER_SECOND + BURST
        assert times[-1] - times[0] < 200 / PER_SECOND

    def test_so_many_urgent_ones_are_under_way_at_once_and_no_more(self, desk: Desk) -> None:
        desk.requests.delay = 1.0
        owned = begun(desk, *names(40))
        for each in owned:
            want(desk, each, 0.0)
        desk.wait(3.5)
        assert desk.requests.most_running == AT_ONCE
        assert [desk.told(each) for each in owned] == [["Shown"]] * 40

    def test_ends_are_not_held_back_by_slow_progress(self, desk: Desk) -> None:
        owned = begun(desk, *names(300), "last")
        desk.requests.delay = 3.0
        for each in owned[:-1]:
            want(desk, each, 1.0)
        desk.wait(5.0)
        assert desk.requests.most_running == AT_ONCE
        owned[-1].commit(ended())
        want(desk, owned[-1], 0.0)
        desk.wait(0.1)
        assert desk.requests.times("last") == [5.0]

    def test_there_are_never_two_writes_of_one_instance_at_a_time(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.delay = 1.0
        want(desk, order, 0.0)
        desk.wait(0.5)
        order.commit(completed(2), scheduled("b"))
        want(desk, order, 0.0)
        desk.wait(0.1)
        order.commit(completed(4), scheduled("c"))
        want(desk, order, PROGRESS)
        desk.wait(10.0)
        assert desk.requests.times("order") == [0.0, 1.0]
        assert desk.requests.most_of_one == 1
        assert desk.status(order)["rev"] == 3


class TestTrouble:
    def test_a_retry_after_is_kept_and_holds_nobody_else_up(self, desk: Desk) -> None:
        held, free = begun(desk, "held", "free")
        desk.requests.faults["held"] = [throttled(7.0)]
        want(desk, held, 0.0)
        want(desk, free, 0.0)
        desk.wait(20.0)
        assert desk.requests.times("free") == [0.0]
        first, second = desk.requests.times("held")
        assert (first, second) == (0.0, 7.01)
        assert desk.told(held) == ["Shown"]

    def test_new_wishes_do_not_cut_a_back_off_short(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.faults["order"] = [throttled(7.0)]
        want(desk, order, 0.0)
        for _ in range(60):
            desk.wait(0.1)
            desk.reflector.urge(order.key.uid)
        desk.wait(10.0)
        assert desk.requests.times("order") == [0.0, 7.01]

    def test_back_off_grows_to_five_seconds(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.always["order"] = lost_request
        want(desk, order, 0.0)
        desk.wait(120.0)
        gaps = gaps_of(desk.requests.times("order"))
        assert gaps[0] < 0.25
        assert max(gaps) <= 5.1
        assert min(gaps[6:]) >= 2.5
        assert desk.told(order) == []

    @pytest.mark.parametrize(
        ("fault", "is_too_large", "reads"),
        [(refused, False, 1), (refused_as_too_large, True, 0)],
        ids=["schema", "size"],
    )
    def test_what_is_refused_for_good_is_told_and_tried_ever_more_rarely(
        self, desk: Desk, fault: Fault, is_too_large: bool, reads: int
    ) -> None:
        (order,) = begun(desk, "order")
        desk.requests.always["order"] = fault
        want(desk, order, 0.0)
        desk.wait(1200.0)
        gaps = gaps_of(desk.requests.times("order"))
        assert gaps[0] <= 1.1
        assert max(gaps) <= 60.1
        assert min(gaps[7:]) >= 30.0
        assert {outcome.is_too_large for outcome in refusals(desk, order)} == {is_too_large}
        assert len(refusals(desk, order)) == len(gaps) + 1
        assert desk.requests.reads == reads * (len(gaps) + 1)
        assert desk.reflector.lag_seconds == 1200.0

    def test_what_was_refused_is_shown_when_it_can_be(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.faults["order"] = [refused, refused]
        want(desk, order, 0.0)
        desk.wait(1.3)
        order.commit(completed(2))
        want(desk, order, PROGRESS)
        desk.wait(20.0)
        assert desk.told(order) == ["Refused", "Refused", "Shown"]
        assert desk.status(order)["rev"] == 2
        assert desk.reflector.lag_seconds == 0.0

    def test_after_a_success_back_off_begins_anew(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.faults["order"] = [refused] * 6
        want(desk, order, 0.0)
        desk.wait(300.0)
        assert desk.told(order) == ["Refused"] * 6 + ["Shown"]
        order.commit(completed(2))
        desk.requests.faults["order"] = [refused]
        want(desk, order, 0.0)
        desk.wait(1.1)
        assert order.turns == {}

    def test_one_that_moves_all_the_time_is_not_chased(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")

        async def overtaken(apply: Apply) -> JsonObject:
            await desk.world.edit(order.key, suspendReason=f"at {desk.now}")
            return await apply()

        desk.requests.always["order"] = overtaken
        want(desk, order, 0.0)
        desk.wait(60.0)
        gaps = gaps_of(desk.requests.times("order"))
        assert gaps[0] < 0.1
        assert min(gaps[6:]) >= 2.5
        assert set(desk.told(order)) == {"Moved"}

    def test_a_403_is_not_tried_again_soon(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.faults["order"] = [forbidden]
        want(desk, order, 0.0)
        desk.wait(20.0)
        assert desk.requests.times("order") == [0.0, 10.01]

    def test_a_bug_in_one_status_stops_no_other(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good = begun(desk, "bad", "good")
        bad.rev = None  # It has records.
        want(desk, bad, 0.0)
        want(desk, good, 0.0)
        desk.wait(0.5)
        assert desk.told(good) == ["Shown"]
        (outcome,) = refusals(desk, bad)
        assert "a rev grows with events" in outcome.message
        assert "a status cannot be planned or written" in caplog.text


class TestFlush:
    def test_it_writes_now_and_returns_when_all_is_shown(self, desk: Desk) -> None:
        owned = begun(desk, *names(20))
        for each in owned:
            want(desk, each, PROGRESS)
        assert desk.run(desk.reflector.flush([each.key.uid for each in owned], 2.0)) == frozenset()
        assert desk.now < 0.1
        assert all(desk.told(each) == ["Shown"] for each in owned)

    def test_it_gives_up_after_a_while_and_names_what_is_left(self, desk: Desk) -> None:
        stuck, free = begun(desk, "stuck", "free")
        desk.requests.always["stuck"] = refused
        uids = [stuck.key.uid, free.key.uid]
        assert desk.run(desk.reflector.flush(uids, 2.0)) == {stuck.key.uid}
        assert desk.now == 2.0
        assert desk.told(free) == ["Shown"]

    def test_a_write_under_way_and_what_follows_it_are_waited_for(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.delay = 0.5
        want(desk, order, 0.0)
        desk.wait(0.1)
        order.commit(completed(2))
        want(desk, order, PROGRESS)
        assert desk.run(desk.reflector.flush([order.key.uid], 2.0)) == frozenset()
        assert desk.now == pytest.approx(1.0)
        assert order.turns == {}

    def test_nothing_to_write_is_no_reason_to_wait(self, desk: Desk) -> None:
        assert desk.run(desk.reflector.flush([], 2.0)) == frozenset()
        assert desk.run(desk.reflector.flush(["uid-of-nobody"], 2.0)) == frozenset()
        assert desk.now == 0.0


class TestLag:
    def test_it_is_how_long_the_oldest_has_been_wanted(self, desk: Desk) -> None:
        one, two = begun(desk, "one", "two")
        assert desk.reflector.lag_seconds == 0.0
        want(desk, one, PROGRESS)
        desk.wait(2.0)
        want(desk, two, PROGRESS)
        desk.wait(1.0)
        assert desk.reflector.lag_seconds == 3.0
        desk.wait(3.0)
        assert desk.reflector.lag_seconds == 4.0
        desk.wait(2.0)
        assert desk.reflector.lag_seconds == 0.0

    def test_what_comes_while_it_is_written_counts_from_then(self, desk: Desk) -> None:
        (order,) = begun(desk, "order")
        desk.requests.delay = 1.0
        want(desk, order, 0.0)
        desk.wait(0.5)
        want(desk, order, PROGRESS)
        desk.wait(1.0)
        assert desk.reflector.lag_seconds == 1.0


def gaps_of(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def refusals(desk: Desk, owned: Owned) -> list[Refused]:
    told = desk.shelf.told_of[owned.key.name]
    return [outcome for outcome in told if isinstance(outcome, Refused)]
