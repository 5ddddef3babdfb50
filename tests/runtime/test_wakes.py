"""The heap of wake-ups: never early by the clock, one per key, small."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from perdure.runtime.wakes import LONGEST_SLEEP, Wakes
from perdure.testing import VirtualClock
from perdure.testing.clock import BEGINNING


def at(seconds: float) -> object:
    return BEGINNING + timedelta(seconds=seconds)


class Bell:
    """Wakes on virtual time; `ring` serves them once, as its loop does."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.rung: list[str] = []
        self.wakes: Wakes[str] = Wakes(self.clock, self.rung.append)

    def set(self, key: str, seconds: float | None) -> None:
        self.wakes.set(key, None if seconds is None else BEGINNING + timedelta(seconds=seconds))

    def ring(self) -> float:
        return self.wakes._serve()


def test_a_key_is_woken_at_its_time_and_never_a_microsecond_before() -> None:
    bell = Bell()
    bell.set("a", 10.000001)
    bell.clock.advance(10)
    assert bell.ring() < 0.001
    assert bell.rung == []
    bell.clock.advance(0.000001)
    bell.ring()
    assert bell.rung == ["a"]
    bell.ring()
    assert (bell.rung, len(bell.wakes)) == (["a"], 0)


def test_the_last_time_that_was_set_counts() -> None:
    bell = Bell()
    bell.set("earlier", 10)
    bell.set("earlier", 5)
    bell.set("later", 5)
    bell.set("later", 20)
    bell.set("never", 5)
    bell.set("never", None)
    bell.clock.advance(5)
    bell.ring()
    assert bell.rung == ["earlier"]
    bell.clock.advance(10)
    bell.ring()
    assert bell.rung == ["earlier"]
    bell.clock.advance(5)
    bell.ring()
    assert bell.rung == ["earlier", "later"]


def test_they_are_woken_in_the_order_of_their_time() -> None:
    bell = Bell()
    for number in (3, 1, 2):
        bell.set(str(number), number)
    bell.clock.advance(5)
    bell.ring()
    assert bell.rung == ["1", "2", "3"]


def test_a_jump_of_the_clock_is_noticed_within_the_longest_sleep() -> None:
    bell = Bell()
    bell.set("a", 3600)
    assert bell.ring() == LONGEST_SLEEP
    bell.clock.jump(3600)
    bell.ring()
    assert bell.rung == ["a"]
    bell.set("b", 7200)
    bell.clock.jump(-3600)
    assert bell.ring() == LONGEST_SLEEP
    assert bell.rung == ["a"]


def test_ten_thousand_keys_that_move_all_the_time_take_little_more_than_their_entries() -> None:
    bell = Bell()
    for turn in range(10):
        for number in range(10_000):
            bell.set(str(number), 1000 + turn * 10 + number / 1000)
    assert len(bell.wakes) == 10_000
    assert len(bell.wakes._heap) <= 20_001
    bell.clock.advance(5000)
    bell.ring()
    assert len(bell.rung) == 10_000
    assert len(bell.wakes._heap) == 0


async def test_its_loop_wakes_for_an_entry_that_becomes_the_earliest() -> None:
    bell = Bell()
    bell.set("far", 3600)
    task = asyncio.create_task(bell.wakes.run())
    await asyncio.sleep(0)
    bell.set("due", 0)
    async with asyncio.timeout(5):
        while not bell.rung:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0)
    task.cancel()
    assert bell.rung == ["due"]
