"""Processes on virtual time: asyncio works in them as usual, and they stop where they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from perdure.testing.simulation.hosts import Host, Main
from perdure.testing.simulation.scheduler import Scheduler, SpinningError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def run(main: Main, until: float = 100.0, meddle: Callable[[Host], None] | None = None) -> Host:
    """Run a program on one host; `meddle` may plan what happens to it."""
    scheduler = Scheduler("seed", EPOCH)
    host = Host("alone", scheduler, main, is_lasting=False)
    host.start()
    if meddle is not None:
        meddle(host)
    scheduler.run(until)
    host.close()
    return host


def test_time_passes_only_while_everybody_waits() -> None:
    seen: list[float] = []

    async def main(host: Host) -> None:
        for seconds in (1.0, 3600.0, 0.0):
            await asyncio.sleep(seconds)
            seen.append(asyncio.get_running_loop().time())

    host = run(main, until=4000.0)
    assert seen == [1.0, 3601.0, 3601.0]
    assert host.is_done


def test_timeouts_queues_groups_and_threads_work_as_everywhere() -> None:
    seen: list[object] = []

    async def main(host: Host) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        seen.append(asyncio.get_running_loop().time())
        queue: asyncio.Queue[int] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put(7))
            seen.append(await queue.get())
        seen.append(await asyncio.to_thread(sum, [1, 2]))

    run(main)
    assert seen == [5.0, 7, 3]


def test_a_crashed_process_runs_nothing_more_not_even_its_cleanup() -> None:
    seen: list[str] = []

    async def main(host: Host) -> None:
        try:
            seen.append("begun")
            await asyncio.sleep(10)
            seen.append("slept")
        finally:
            seen.append("cleaned up")

    scheduler = Scheduler("seed", EPOCH)
    host = Host("alone", scheduler, main)
    host.start()
    scheduler.at(5.0, lambda: host.crash(2.0))
    scheduler.run(8.0)
    assert seen == ["begun", "begun"]
    assert host.starts == 2


def test_a_paused_process_goes_on_where_it_stood_with_all_that_came_due_meanwhile() -> None:
    seen: list[tuple[str, float]] = []

    async def main(host: Host) -> None:
        async def wake(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, asyncio.get_running_loop().time()))

        await asyncio.gather(wake("early", 1.0), wake("late", 4.0))

    def meddle(host: Host) -> None:
        host._scheduler.at(2.0, lambda: host.pause(30.0))

    run(main, meddle=meddle)
    assert seen == [("early", 1.0), ("late", 32.0)]


def test_a_process_that_ends_is_started_again() -> None:
    async def main(host: Host) -> None:
        await asyncio.sleep(1.0)

    scheduler = Scheduler("seed", EPOCH)
    host = Host("alone", scheduler, main)
    host.start()
    scheduler.run(9.9)
    assert host.starts == 5


def test_what_nobody_took_notice_of_is_a_problem_of_its_host() -> None:
    async def main(host: Host) -> None:
        raise AssertionError("a bug")

    assert run(main).problems == ["AssertionError('a bug')"]


def test_a_process_that_spins_is_found_out() -> None:
    async def main(host: Host) -> None:
        while True:  # noqa: ASYNC110 - that is the fault
            await asyncio.sleep(0)

    with pytest.raises(SpinningError, match="alone spins at 0"):
        run(main)


def test_equal_seeds_have_equal_traces() -> None:
    def trace(seed: str) -> str:
        scheduler = Scheduler(seed, EPOCH)

        async def main(host: Host) -> None:
            for _ in range(5):
                await asyncio.sleep(scheduler.random.random())
                scheduler.note("step")

        Host("alone", scheduler, main, is_lasting=False).start()
        scheduler.run(10.0)
        return scheduler.trace_hash

    assert trace("a") == trace("a") != trace("b")
