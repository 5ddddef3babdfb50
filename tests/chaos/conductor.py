"""Carries a plan of faults out, strike by strike, and writes down what it did and when."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.faults import KINDS
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.chaos.users import moment
from tests.e2e.trial import now

from perdure.verification.evidence import Disturbance


@dataclass(frozen=True, slots=True)
class Done:
    """A strike that was carried out, from when to when (seconds since 1970)."""

    strike: Strike
    victim: str
    """Identity of the operator; "" for the world."""
    began: float
    ended: float

    @property
    def disturbance(self) -> Disturbance:
        """Return it as evidence."""
        return Disturbance(
            kind=KINDS[self.strike.kind].code,
            point="",
            victim=self.victim,
            began=moment(self.began),
            ended=moment(self.ended),
        )


@dataclass(slots=True)
class Conductor:
    """Strikes may overlap. `run` ends when the last one has, and all is as it was."""

    stage: Field
    report: Callable[[str], None]
    done: list[Done] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)

    async def run(self, strikes: Sequence[Strike]) -> None:
        """Carry all out. Raises ExceptionGroup if the harness itself fails."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0.0, started + strike.at - time.monotonic()))
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        kind = KINDS[strike.kind]
        victim = "" if kind.is_of_world else self.stage.victim(strike).identity
        self.begun[strike.kind] += 1
        self.report(f"{strike.kind} {victim or 'all'} for {strike.seconds:g} s ({strike.dose:g})")
        began = now()
        try:
            await kind.act(self.stage, strike)
        finally:
            self.done.append(Done(strike, victim, began, now()))
