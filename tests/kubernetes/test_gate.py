"""The gate that slows all requests down."""

import asyncio

import pytest
from tests.kubernetes.clocks import InstantClock, ManualClock
from tests.kubernetes.waiting import until

from perdure.errors import ThrottledError
from perdure.kubernetes.gate import Gate


async def test_a_burst_of_refusals_halves_the_window_once() -> None:
    clock = InstantClock()
    gate = Gate(clock, 8)
    together = asyncio.Barrier(4)

    async def refused() -> None:
        async with gate.passage(10) as ticket:
            await together.wait()
            ticket.retry_after = 1.0

    await asyncio.gather(*(refused() for _ in range(4)))
    assert gate.window == 4


async def test_the_window_opens_again_by_one_a_round() -> None:
    gate = Gate(InstantClock(), 4)
    async with gate.passage(10) as ticket:
        ticket.retry_after = 1.0
    assert gate.window == 2
    for _ in range(3):
        async with gate.passage(10):
            pass
    assert gate.window == 3
    for _ in range(20):
        async with gate.passage(10):
            pass
    assert gate.window == 4


async def test_no_more_than_the_window_are_inside_and_all_get_their_turn() -> None:
    gate = Gate(InstantClock(), 3)
    inside, most = 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with gate.passage(10):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(visit() for _ in range(50)))
    assert (inside, most) == (0, 3)


async def test_whoever_cannot_wait_that_long_is_throttled_and_leaves_no_trace() -> None:
    clock = ManualClock()
    gate = Gate(clock, 1)
    async with gate.passage(10) as ticket:
        ticket.retry_after = 30.0
    with pytest.raises(ThrottledError) as caught:
        async with gate.passage(0.01):
            pass
    assert caught.value.retry_after == 30.0
    clock.advance(30)
    async with gate.passage(0.01):
        pass


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    gate = Gate(InstantClock(), 1)
    release = asyncio.Event()
    done: list[str] = []

    async def visit(name: str) -> None:
        async with gate.passage(10):
            done.append(name)
            await release.wait()

    first = asyncio.create_task(visit("first"))
    await until(lambda: done == ["first"])
    second, third = (asyncio.create_task(visit(name)) for name in ("second", "third"))
    await asyncio.sleep(0)
    release.set()
    await first
    second.cancel()
    await third
    assert done[-1] == "third"
    await asyncio.gather(second, return_exceptions=True)
