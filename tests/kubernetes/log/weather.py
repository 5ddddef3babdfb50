"""What goes wrong in a seed: fates of requests, messages that come late, lists that are torn."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded

from tests.kubernetes.log.judging import Judge

from perdure.engine.values import JsonObject
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.objects import ApiObjects
from perdure.lanes.entry import EntryKind
from perdure.ports import Clock, Resource
from perdure.testing.simulation.fates import Fate, Fault, Occasion
from perdure.testing.simulation.post import Letter, SeededPost
from perdure.testing.simulation.scheduler import Scheduler

TIMEOUT_SECONDS = 3.0
"""Of one request."""
FATES: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    (Fault.CRASH_BEFORE, ("",)),
    (Fault.CRASH_APPLIED, ("",)),
    (Fault.CRASH_ANSWERED, ("",)),
    (Fault.REQUEST_LOST, ("refused", "cut", "silent")),
    (Fault.REPLY_LOST, ("cut", "silent", "late")),
    (Fault.REPLY_LOST, ("cut", "silent", "late")),
    (Fault.TWICE, ("",)),
    (Fault.THROTTLED, ("",)),
    (Fault.SERVER_ERROR, ("500", "503", "504 applied", "500 applied")),
    (Fault.DENIED, ("403",)),
    (Fault.PAUSE, ("before", "after")),
)
REJECTIONS = ("422", "413")


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of what goes wrong: requests that meet a fate; writes that are refused for what they
    say; messages that take seconds, all or only PUTs on their way. And the pause, at most, before a
    process tries to claim."""

    fated: float
    refused: float
    slow: float
    is_slow_to_write: bool
    pause_seconds: float


def weather_of(random: Random) -> Weather:
    """Return the weather of a seed: everything at once, or writes alone that come late."""
    if random.random() < 0.4:
        return Weather(0.03, random.choice((0.1, 0.4)), 0.5, True, random.choice((3.0, 9.0)))
    return Weather(
        fated=random.choice((0.02, 0.1, 0.25)),
        refused=random.choice((0.0, 0.0, 0.1)),
        slow=random.choice((0.0, 0.05, 0.2)),
        is_slow_to_write=False,
        pause_seconds=random.choice((1.0, 4.0)),
    )


class Rough:
    """Fates, chosen by chance. Nothing is refused for what it says before there is a claim."""

    def __init__(self, random: Random, weather: Weather, judge: Judge) -> None:
        self._random, self._weather, self._judge = random, weather, judge

    def decide(self, occasion: Occasion) -> Fate | None:
        random = self._random
        is_refusable = occasion.is_write and self._judge.seen[EntryKind.CLAIM] > 0
        if is_refusable and random.random() < self._weather.refused:
            return Fate(fault=Fault.REJECTED, variant=random.choice(REJECTIONS))
        if random.random() >= self._weather.fated:
            return None
        fault, variants = random.choice(FATES)
        return Fate(fault=fault, variant=random.choice(variants), seconds=3.0 * random.random())


class SlowPost(SeededPost):
    """Some messages take seconds: a PUT may arrive when nobody waits for it any more."""

    def __init__(self, scheduler: Scheduler, random: Random, weather: Weather) -> None:
        super().__init__(scheduler)
        self._random, self._weather = random, weather

    def send(self, letter: Letter, delay: float = 0.0) -> None:
        is_concerned = not self._weather.is_slow_to_write or " PUT " in letter.text
        if is_concerned and self._random.random() < self._weather.slow:
            delay += 3.0 * self._random.random()
        super().send(letter, delay)


class TornLists(ApiObjects):
    """Lists whose pages come from two caches, of different ages."""

    def __init__(self, client: ApiClient, clock: Clock, random: Random) -> None:
        super().__init__(client, timeout=TIMEOUT_SECONDS)
        self._clock, self._random = clock, random

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        early = await super().list(resource, namespace, labels=labels, fields=fields)
        if self._random.random() < 0.5:
            return early
        await self._clock.sleep(self._random.random())
        late = await super().list(resource, namespace, labels=labels, fields=fields)
        old = {name_of(body): body for body in early}
        return [
            old.get(name_of(body), body) if self._random.random() < 0.5 else body for body in late
        ]


def name_of(body: JsonObject) -> str:
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])
