"""The keyed queue: one worker per key, nothing lost, urgent lanes first, failures surface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.runtime.worlds import rounds

from perdure.runtime.queue import KeyedQueue, Lane


@asynccontextmanager
async def working(
    process: Callable[[str], Awaitable[None]], *, workers: int = 4
) -> AsyncIterator[KeyedQueue[str]]:
    queue: KeyedQueue[str] = KeyedQueue(process, workers=workers)
    queue.start()
    try:
        yield queue
    finally:
        await queue.stop()


async def test_a_key_that_is_marked_while_it_runs_runs_once_more_and_never_twice_at_once() -> None:
    gate, runs, running = asyncio.Event(), [0], [0]

    async def process(key: str) -> None:
        running[0] += 1
        assert running[0] == 1, "two workers have one key"
        runs[0] += 1
        await gate.wait()
        running[0] -= 1

    async with working(process) as queue:
        queue.mark("a")
        await rounds()
        for _ in range(10):
            queue.mark("a", Lane.RESYNC)
        assert not queue.is_idle
        gate.set()
        await rounds(10)
        assert (runs[0], queue.is_idle, queue.depth) == (2, True, 0)
        assert queue.failed is None


async def test_urgent_lanes_are_served_first_and_a_mark_may_overtake() -> None:
    served: list[str] = []

    async def process(key: str) -> None:
        served.append(key)

    queue: KeyedQueue[str] = KeyedQueue(process, workers=1)
    queue.mark("resync", Lane.RESYNC)
    queue.mark("late", Lane.RESYNC)
    queue.mark("timer", Lane.TIMER)
    queue.mark("control")
    queue.mark("late")
    queue.mark("timer", Lane.RESYNC)
    assert queue.depth == 4
    queue.start()
    await rounds(10)
    await queue.stop()
    assert served == ["control", "late", "timer", "resync"]


async def test_different_keys_run_side_by_side_up_to_the_number_of_workers() -> None:
    gate, most, running = asyncio.Event(), [0], [0]

    async def process(key: str) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await gate.wait()
        running[0] -= 1

    async with working(process, workers=3) as queue:
        for number in range(10):
            queue.mark(str(number))
        await rounds()
        assert (most[0], queue.depth) == (3, 7)
        gate.set()
        await rounds(20)
        assert queue.is_idle


async def test_what_a_process_raises_surfaces() -> None:
    async def process(key: str) -> None:
        raise RuntimeError(key)

    async with working(process, workers=1) as queue:
        queue.mark("a")
        await rounds()
        assert str(queue.failed) == "a"


async def test_every_mark_is_followed_by_a_run_that_began_after_it() -> None:
    marked: dict[str, int] = {}
    seen: dict[str, int] = {}

    async def process(key: str) -> None:
        began = marked[key]
        await rounds(len(key))
        seen[key] = began

    async with working(process, workers=2) as queue:
        for number in range(500):
            key = "x" * (number % 7 + 1)
            marked[key] = number
            queue.mark(key, Lane(number % 3))
            if number % 5 == 0:
                await rounds(1)
        await rounds(100)
        assert queue.is_idle
    assert seen == marked


async def test_a_flood_of_events_does_not_starve_timers() -> None:
    served: list[str] = []

    async def process(key: str) -> None:
        served.append(key)
        if len(served) < 40 and key.startswith("event"):
            queue.mark(f"event-{len(served)}")

    queue: KeyedQueue[str] = KeyedQueue(process, workers=1)
    for number in range(5):
        queue.mark(f"event-first-{number}")
    queue.mark("timer", Lane.TIMER)
    queue.mark("resync", Lane.RESYNC)
    queue.start()
    await rounds(100)
    await queue.stop()
    assert served.index("timer") < 10
    assert served.index("resync") < 10
    assert len(served) >= 40
