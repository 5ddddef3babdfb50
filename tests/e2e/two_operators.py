"""Two operators serve the same instances; one of them hangs, goes on, and dies half-way for good.

`python -m tests.e2e.two_operators --instances 200 --seed 1`: nothing divides the work, so both
decide about everything and the API server chooses. The recorder sees every version: no rev and no
history event is ever two things. What the dead one had claimed is taken over after 15 s; so is what
it had claimed when it hung, and when it goes on nothing of it may count twice.
"""

import argparse
import asyncio
import sys
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

from tests.cluster.cluster import Cluster
from tests.cluster.identities import OPERATOR, OPERATOR_2
from tests.e2e.history import FINAL_PHASES
from tests.e2e.operators import OperatorProcess
from tests.e2e.orders import SERVICE
from tests.e2e.services import LedgerService
from tests.e2e.trial import Report, Stage, now, run_by_hand, staged
from tests.e2e.verdict import Kill, Verdict

IDENTITIES = (OPERATOR.name, OPERATOR_2.name)
MOST_AT_ONCE = 40
LONGEST_PAUSE = 1.0
DEAD_SECONDS = 15.0  # without a renewal, after which a claimant is dead
RENEW_SECONDS = 2.0  # the last one may have been so long before the kill
HALF_SECONDS = 300.0
END_SECONDS = 300.0


async def trial(
    cluster: Cluster, namespace: str, arguments: argparse.Namespace, report: Report
) -> Verdict:
    """Run both operators, kill the second half-way, let the orders end; return what came of it."""
    random = Random(arguments.seed)
    with LedgerService() as service:
        services = {SERVICE: service.url}
        first, second = (
            OperatorProcess(cluster, identity, identity, [namespace], services)
            for identity in IDENTITIES
        )
        with first, second:
            async with staged(
                cluster, namespace, service, arguments.instances, arguments.seed
            ) as stage:
                finished = await run_both(stage, first, second, random, report)
                verdict = await stage.verdict()
                return with_shares(verdict, finished, first)


async def run_both(
    stage: Stage,
    first: OperatorProcess,
    second: OperatorProcess,
    random: Random,
    report: Report,
) -> int:
    """Let orders in as others end; kill the second operator when half of them have ended.

    It has hung before, for as long as it took the other to end all that was under way then.
    Returns how many had ended at the kill.
    """
    few, half = len(stage.orders) // 10, len(stage.orders) // 2
    letting_in = asyncio.create_task(let_in(stage, range(half), report))
    await stage.until(lambda: stage.recorder.finished >= few, "the first orders", HALF_SECONDS)
    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
    await hang(stage, second, report)
    await letting_in
    letting_in = asyncio.create_task(let_in(stage, range(half, len(stage.orders)), report))
    await stage.until(
        lambda: stage.recorder.finished >= half and stage.recorder.running >= few,
        "half of the orders",
        HALF_SECONDS,
    )
    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
    taken = await asyncio.to_thread(conflicts, second)
    kill, finished = await stage.kill(second), stage.recorder.finished
    report(
        f"killed {second.identity} ({taken:g} conflicts so far, {kill.open_requests} requests "
        f"open): {stage.progress()}"
    )
    await letting_in
    await stage.until(
        lambda: stage.recorder.finished == len(stage.orders), "all orders to end", END_SECONDS
    )
    assert first.is_running, first.log_tail()
    return finished


async def hang(stage: Stage, operator: OperatorProcess, report: Report) -> None:
    """Pause an operator until all that was under way has ended without it."""
    torn = {uid for uid, phase in stage.recorder.phases.items() if phase not in FINAL_PHASES}
    open_requests = await asyncio.to_thread(stage.service.in_flight)
    began = now()
    operator.pause()
    report(f"paused {operator.identity} ({open_requests} requests open): {stage.progress()}")
    try:
        await stage.until(
            lambda: all(stage.recorder.phases[uid] in FINAL_PHASES for uid in torn),
            "the orders under way to end without the operator that hangs",
            HALF_SECONDS,
        )
    finally:
        operator.resume()
    stage.kills.append(Kill(operator.identity, began, now(), open_requests, len(torn)))
    report(f"resumed {operator.identity} after {now() - began:.0f} s: {stage.progress()}")
    await asyncio.to_thread(operator.wait_ready)


async def let_in(stage: Stage, numbers: range, report: Report) -> None:
    """Let these orders in, a bounded number at once; tell how it goes."""
    for number in numbers:
        await stage.until(
            lambda number=number: number - stage.recorder.finished < MOST_AT_ONCE,  # type: ignore[misc]
            "an order to end",
            HALF_SECONDS,
        )
        stage.permits.release()
        if number % 20 == 0:
            report(f"let in {number}: {stage.progress()}")


def conflicts(operator: OperatorProcess) -> float:
    return operator.metrics().get('perdure_commits_total{outcome="Conflict"}', 0.0)


def with_shares(verdict: Verdict, finished: int, first: OperatorProcess) -> Verdict:
    """Add what is peculiar to two: how they shared, and how the dead one's claims went over."""
    takeovers, faults = verdict.takeovers, list(verdict.faults)
    if takeovers and takeovers[0] < DEAD_SECONDS - RENEW_SECONDS:
        faults.append(f"a claim was taken over {takeovers[0]:.1f} s after the kill")
    figures: dict[str, object] = {
        **verdict.figures,
        "finished when one was killed": finished,
        "claims taken over from the one that hung and died": len(takeovers),
        "seconds to that, least and most": [round(t, 1) for t in (*takeovers[:1], *takeovers[-1:])],
        "conflicts of the survivor": f"{conflicts(first):g}",
    }
    return Verdict(figures, faults, takeovers)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.e2e.two_operators", description=__doc__)
    top.add_argument("--instances", type=int, default=200)
    top.add_argument("--seed", type=int, default=1)
    top.set_defaults(name="two-operators")
    return top


if __name__ == "__main__":
    sys.exit(run_by_hand(trial, parser()))
