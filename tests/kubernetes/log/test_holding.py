"""What is held of an instance: turns above a status, and newer bodies on their line."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from tests.contract.worlds import completed, ended, scheduled, started
from tests.kubernetes.log.bodies import edited, held_of, logged_turns, new_body, showing
from tests.kubernetes.log.owners import Owned

from perdure.engine.values import Json, JsonObject
from perdure.errors import HistoryCorruptError, TransientError
from perdure.kubernetes.instances import head_of
from perdure.kubernetes.log.holding import (
    Held,
    above,
    absorbed,
    digest_at,
    reflection_of,
    shown,
    view_of,
)
from perdure.ports import Observed

BODY = new_body()
HEAD = head_of(BODY, "uid-1")


def instance(turns: int = 3) -> Owned:
    """Return an instance of which so many turns stand in the log, and none in its status."""
    owned = Owned.of(BODY)
    owned.commit(started())
    for number in range(1, turns):
        owned.commit(scheduled(f"step-{number}"))
    return owned


def bodies(turns: int) -> list[JsonObject]:
    """Return its body as it was created, then as it shows one turn more each; version 1 and on."""
    return [BODY, *(showing(BODY, instance(rev), rev + 1) for rev in range(1, turns + 1))]


def revs(held: Held) -> list[int]:
    return [one.turn.rev for one in held.backlog]


# --- turns above a status -------------------------------------------------------------------


def test_turns_follow_the_status_whatever_their_order_in_the_log() -> None:
    owned = instance(3)
    first, second, third = logged_turns(owned)
    found = above([third, first, second], None, HEAD)
    assert [one.turn for one in found] == [first, second, third]
    assert [list(one.records) for one in found] == list(owned.turns.values())


def test_turns_that_the_status_shows_are_left_out() -> None:
    turns = logged_turns(instance(3))
    for shows, body in enumerate(bodies(3)):
        found = above(turns, shows or None, head_of(body, "uid-1"))
        assert [one.turn.rev for one in found] == [1, 2, 3][shows:]


def test_a_turn_that_is_missing_is_named() -> None:
    first, _, third = logged_turns(instance(3))
    with pytest.raises(HistoryCorruptError, match="neither it nor the status turn 2"):
        above([first, third], None, HEAD)
    with pytest.raises(HistoryCorruptError, match="neither it nor the status turn 1"):
        above([third], None, HEAD)


def test_a_turn_that_was_decided_on_another_history_does_not_follow() -> None:
    first, second, _ = logged_turns(instance(3))
    with pytest.raises(HistoryCorruptError, match="turn 2 of the log does not follow"):
        above([first, replace(second, before="f" * 64)], None, HEAD)


def test_a_turn_of_another_history_does_not_follow_a_status_with_its_rev() -> None:
    other = Owned.of(BODY)
    other.commit(started(steps=7))
    other.commit(scheduled("elsewhere"))
    with pytest.raises(HistoryCorruptError, match="turn 2 of the log does not follow the status"):
        above(logged_turns(other), 1, head_of(bodies(1)[1], "uid-1"))


def test_events_that_were_tampered_with_do_not_match_the_digest() -> None:
    (turn,) = logged_turns(instance(1))
    events = copy.deepcopy(turn.events)
    events[0]["steps"] = 6
    with pytest.raises(HistoryCorruptError, match="turn 1 of the log does not match its digests"):
        above([replace(turn, events=events)], None, HEAD)


@pytest.mark.parametrize("events", [(), ({"id": 2, "type": "InstanceStarted"},)])
def test_a_turn_without_its_events_is_no_turn(events: tuple[JsonObject, ...]) -> None:
    (turn,) = logged_turns(instance(1))
    with pytest.raises(HistoryCorruptError):
        above([replace(turn, events=events)], None, HEAD)


# --- newer bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize("shows", [0, 1, 2, 3])
def test_a_body_takes_what_it_shows_from_the_backlog(shows: int) -> None:
    owned = instance(3)
    held = absorbed(held_of(owned, BODY), bodies(3)[shows])
    assert revs(held) == [1, 2, 3][shows:]
    assert held.basis.rev == (shows or None)
    assert (held.snapshot.rev, held.snapshot.state) == (3, owned.state)
    assert held.snapshot.version == shows + 1


def test_the_spec_of_a_newer_body_counts_and_the_state_stays() -> None:
    owned = instance(2)
    held = absorbed(held_of(owned, BODY), edited(BODY, 9, 2, suspend=True))
    snapshot = held.snapshot
    assert (snapshot.version, snapshot.generation, snapshot.controls.is_suspended) == (9, 2, True)
    assert (snapshot.rev, snapshot.state, snapshot.observed_generation) == (2, owned.state, 1)
    assert revs(held) == [1, 2]


def test_a_status_that_is_ahead_tells_of_another_process() -> None:
    behind = held_of(instance(2), BODY)
    with pytest.raises(TransientError, match="shows turn 3, which was not committed here"):
        absorbed(behind, bodies(3)[3])


def test_a_status_that_went_back_is_damage() -> None:
    _, first, second = bodies(2)
    held = absorbed(held_of(instance(2), BODY), second)
    with pytest.raises(HistoryCorruptError, match="not what turn 1 left"):
        absorbed(held, first)


@pytest.mark.parametrize("shows", [1, 2])
def test_a_status_that_lies_beside_the_line_is_damage(shows: int) -> None:
    other = Owned.of(BODY)
    for _ in range(shows):
        other.commit(started(steps=7))
    with pytest.raises(HistoryCorruptError, match=f"not what turn {shows} left"):
        absorbed(held_of(instance(2), BODY), showing(BODY, other, 9))


def test_a_body_on_the_line_mends_what_was_damaged() -> None:
    held = replace(held_of(instance(2), BODY), is_damaged=True)
    assert not absorbed(held, bodies(2)[1]).is_damaged


def test_a_digest_is_known_of_every_turn_since_the_status() -> None:
    owned = instance(3)
    turns = logged_turns(owned)
    held = absorbed(held_of(owned, BODY), bodies(3)[1])
    known = [digest_at(held, rev) for rev in (None, 1, 2, 3, 4)]
    assert known == [None, turns[0].after, turns[1].after, turns[2].after, None]


# --- what the status is to show -------------------------------------------------------------


def test_nothing_is_to_be_shown_of_an_instance_that_no_turn_has_seen() -> None:
    untouched = replace(Owned.of(BODY), generation=0)
    assert held_of(untouched, BODY).is_shown


def test_turns_in_the_backlog_are_not_shown() -> None:
    owned = instance(2)
    held = held_of(owned, BODY)
    assert not held.is_shown
    assert not absorbed(held, bodies(2)[1]).is_shown
    assert absorbed(held, bodies(2)[2]).is_shown


def test_a_generation_or_an_observation_that_the_status_lacks_is_not_shown() -> None:
    held = absorbed(held_of(instance(1), BODY), bodies(1)[1])
    assert held.is_shown
    seen_more = replace(held.snapshot, observed_generation=2)
    assert not replace(held, snapshot=seen_more).is_shown
    stalled = replace(held.snapshot, observed=Observed(stalled=("NonDeterminism", "changed")))
    assert not replace(held, snapshot=stalled).is_shown


def test_a_reflection_has_all_turns_since_the_status() -> None:
    owned = instance(3)
    reflection = reflection_of(absorbed(held_of(owned, BODY), bodies(3)[1]))
    assert list(reflection.records) == [*owned.turns[2], *owned.turns[3]]
    assert (reflection.rev, reflection.basis.rev) == (3, 1)
    assert reflection.view.state == owned.state


def test_without_a_backlog_a_reflection_has_the_rev_of_the_status() -> None:
    reflection = reflection_of(absorbed(held_of(instance(2), BODY), bodies(2)[2]))
    assert (reflection.records, reflection.rev) == ((), 2)


# --- the end --------------------------------------------------------------------------------


def over() -> tuple[Held, JsonObject]:
    """Return an instance that has ended, with all in its status, and its body."""
    owned = Owned.of(BODY)
    owned.commit(started(), scheduled("a"))
    owned.commit(completed(2), ended())
    body = showing(BODY, owned, 5)
    return absorbed(held_of(owned, BODY), body), body


def with_event(body: JsonObject, version: int) -> JsonObject:
    return edited(body, version, 2, events=[{"id": "e-1", "name": "paid"}])


def test_an_end_counts_as_over_only_when_the_status_shows_its_turn() -> None:
    owned = Owned.of(BODY)
    owned.commit(started(), ended())
    held = held_of(owned, BODY)
    assert not reflection_of(held).view.is_over
    shows = absorbed(held, showing(BODY, owned, 5))
    assert reflection_of(shows).view.is_over
    assert shows.is_shown


def test_what_has_ended_shows_the_newest_generation() -> None:
    held, body = over()
    assert held.is_shown
    later = absorbed(held, edited(body, 6, 2, suspend=True))
    assert not later.is_shown
    assert later.snapshot.observed_generation == 1
    assert view_of(later.snapshot).generation == 2


def test_what_runs_shows_the_generation_that_its_turns_have_seen() -> None:
    held = absorbed(held_of(instance(1), BODY), edited(bodies(1)[1], 6, 2, suspend=True))
    assert view_of(held.snapshot).generation == 1
    assert held.is_shown  # A turn is due, not a status.


def test_events_that_came_after_the_end_are_named() -> None:
    held, body = over()
    assert view_of(held.snapshot).observed.warning is None
    late = absorbed(held, with_event(body, 6))
    assert view_of(late.snapshot).observed.warning == "not taken before the end: e-1"


def test_an_event_that_was_not_taken_yet_is_no_late_one_before_the_end() -> None:
    held = absorbed(held_of(instance(1), BODY), with_event(bodies(1)[1], 6))
    assert view_of(held.snapshot).observed.warning is None


def test_names_of_late_events_do_not_outgrow_the_status() -> None:
    held, body = over()
    many: list[Json] = [{"id": f"event-{number:04}", "name": "paid"} for number in range(100)]
    late = absorbed(held, edited(body, 6, 2, events=many))
    warning = view_of(late.snapshot).observed.warning
    assert warning is not None
    assert len(warning) == 512


def test_who_waits_goes_on_waiting_on_what_is_held_next() -> None:
    held = held_of(instance(2), BODY)
    body = bodies(2)[1]
    assert absorbed(held, body).waiters is held.waiters
    assert revs(shown(held, body, absorbed(held, body).basis)) == [2]
