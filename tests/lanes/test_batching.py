"""Which of the turns that wait come into the next entry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perdure.lanes.batching import SEPARATOR, Waiting
from perdure.lanes.entry import LoggedTurn, logged
from perdure.ports import InstanceKey

ROOM = 2**20


def turn(namespace: str, uid: str, rev: int = 1, size: int = 0) -> LoggedTurn:
    return logged(
        InstanceKey(namespace, f"order-{uid}", uid),
        rev=rev,
        generation=1,
        before="",
        after="",
        events=[{"type": "TimerFired", "text": "x" * size}],
    )


def waiting(*turns: LoggedTurn) -> Waiting:
    found = Waiting()
    for each in turns:
        found.put(each)
    return found


def taken(found: Waiting, room: int = ROOM) -> list[tuple[str, int]]:
    return [(each.key.uid, each.rev) for each in found.take(room)]


def test_an_entry_takes_all_that_waits() -> None:
    found = waiting(turn("n", "a"), turn("n", "b"), turn("n", "c"))
    assert taken(found) == [("a", 1), ("b", 1), ("c", 1)]
    assert len(found) == 0
    assert taken(found) == []


def test_one_turn_of_an_instance_at_a_time_in_their_order() -> None:
    found = waiting(turn("n", "a", 1), turn("n", "a", 2), turn("n", "b", 1), turn("n", "a", 3))
    assert taken(found) == [("a", 1), ("b", 1)]
    assert len(found) == 2
    assert taken(found) == [("a", 2)]
    assert taken(found) == [("a", 3)]


def test_namespaces_take_turns() -> None:
    flood = [turn("flood", f"f{number}") for number in range(4)]
    found = waiting(*flood, turn("n", "a"), turn("m", "b"), turn("n", "c"))
    order = [uid for uid, _ in taken(found)]
    assert order == ["f0", "a", "b", "f1", "c", "f2", "f3"]


def test_who_was_served_last_comes_last_in_the_next_entry() -> None:
    room = 2 * (len(turn("n", "a").wire) + SEPARATOR)
    found = waiting(*[turn("n", uid) for uid in "abcd"], turn("m", "e"))
    assert [uid for uid, _ in taken(found, room)] == ["a", "e"]
    assert [uid for uid, _ in taken(found, room)] == ["b", "c"]


def test_the_first_one_is_taken_whatever_its_size_and_alone() -> None:
    found = waiting(turn("n", "large", size=5000), turn("n", "b"))
    assert taken(found, 1000) == [("large", 1)]
    assert taken(found, 1000) == [("b", 1)]


def test_a_large_one_that_has_no_room_is_the_first_of_the_next_entry() -> None:
    small = [turn("n", f"s{number}") for number in range(9)]
    found = waiting(small[0], turn("n", "large", size=5000), *small[1:])
    assert taken(found, 1000) == [("s0", 1)]
    assert taken(found, 1000) == [("large", 1)]


def test_what_is_put_back_comes_first_in_its_namespace() -> None:
    found = waiting(turn("n", "a", 1), turn("m", "b"), turn("n", "a", 2), turn("n", "c"))
    first = found.take(ROOM)
    found.put(turn("k", "new"))
    found.put_back(first)
    assert taken(found) == [("a", 1), ("b", 1), ("new", 1), ("c", 1)]
    assert taken(found) == [("a", 2)]


def test_what_is_dropped_is_returned() -> None:
    found = waiting(turn("n", "a", 1), turn("n", "a", 2), turn("m", "b"))
    assert {(each.key.uid, each.rev) for each in found.drop_all()} == {
        ("a", 1),
        ("a", 2),
        ("b", 1),
    }
    assert len(found) == 0
    assert found.take(ROOM) == []


@given(
    st.lists(st.tuples(st.sampled_from("mn"), st.sampled_from("abc"), st.integers(0, 900))),
    st.integers(0, 3000),
)
def test_every_turn_is_taken_once_in_order_and_entries_keep_to_their_room(
    shapes: list[tuple[str, str, int]], room: int
) -> None:
    revs: dict[str, int] = {}
    found, put = Waiting(), []
    for namespace, name, size in shapes:
        uid = f"{namespace}-{name}"
        revs[uid] = revs.get(uid, 0) + 1
        put.append((uid, revs[uid]))
        found.put(turn(namespace, uid, revs[uid], size))
    seen: list[tuple[str, int]] = []
    while found:
        batch = found.take(room)
        uids = [each.key.uid for each in batch]
        assert batch
        assert len(set(uids)) == len(uids)
        assert len(batch) == 1 or sum(len(each.wire) + SEPARATOR for each in batch) <= room
        seen += [(each.key.uid, each.rev) for each in batch]
    assert sorted(seen) == sorted(put)
    for uid, last in revs.items():
        assert [rev for name, rev in seen if name == uid] == list(range(1, last + 1))
