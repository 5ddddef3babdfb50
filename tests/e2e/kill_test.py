"""Nothing is lost and nothing counts twice while the operator is killed again and again.

`python -m tests.e2e.kill_test --instances 200 --kills 60 --seed 1`: orders are created in a stream,
the operator gets SIGKILL at random moments and is started again at once under the same identity.
"""

import argparse
import asyncio
import sys
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

import pytest
from tests.cluster.cluster import Cluster
from tests.e2e.operators import OperatorProcess
from tests.e2e.orders import SERVICE
from tests.e2e.services import LedgerService
from tests.e2e.trial import Report, Stage, run_by_hand, say, staged, told
from tests.e2e.verdict import Verdict

IDENTITY = "kill-test"
LONGEST_LIFE = 2.5  # seconds from ready to the kill; a start takes about half as long
WORK_SECONDS = 60.0
END_SECONDS = 180.0


async def trial(
    cluster: Cluster, namespace: str, arguments: argparse.Namespace, report: Report
) -> Verdict:
    """Run all kills and let the orders end; return what came of it."""
    random = Random(arguments.seed)
    with LedgerService() as service:
        operator = OperatorProcess(
            cluster, IDENTITY, namespaces=[namespace], services={SERVICE: service.url}
        )
        with operator:
            async with staged(
                cluster, namespace, service, arguments.instances, arguments.seed
            ) as stage:
                await kill_again_and_again(stage, operator, arguments.kills, random, report)
                await stage.until(
                    lambda: stage.recorder.finished == arguments.instances,
                    "all orders to end",
                    END_SECONDS,
                )
                return await stage.verdict()


async def kill_again_and_again(
    stage: Stage, operator: OperatorProcess, kills: int, random: Random, report: Report
) -> None:
    """Kill at random moments, always while orders are under way.

    Orders are let in bit by bit, the last ones before the last kill.
    """
    let_in = 0
    for number in range(1, kills + 1):
        target = len(stage.orders) * number // kills
        for _ in range(target - let_in):
            stage.permits.release()
        let_in = target
        await stage.until(lambda: stage.recorder.running > 0, "an order under way", WORK_SECONDS)
        await asyncio.sleep(random.uniform(0, LONGEST_LIFE))
        kill = await stage.kill(operator)
        report(
            f"kill {number}/{kills}: {kill.open_requests} requests open, {stage.progress()}",
        )
        await asyncio.to_thread(operator.start)


@pytest.mark.cluster
@pytest.mark.timeout(600)
async def test_orders_survive_the_kills_of_their_operator(cluster: Cluster, namespace: str) -> None:
    arguments = argparse.Namespace(instances=200, kills=15, seed=1)
    verdict = await trial(cluster, namespace, arguments, say)
    print(told(verdict))
    assert not verdict.faults, told(verdict)
    assert verdict.figures["kills with instances running"] == arguments.kills


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.e2e.kill_test", description=__doc__)
    top.add_argument("--instances", type=int, default=200)
    top.add_argument("--kills", type=int, default=60)
    top.add_argument("--seed", type=int, default=1)
    top.set_defaults(name="kill-test")
    return top


if __name__ == "__main__":
    sys.exit(run_by_hand(trial, parser()))
