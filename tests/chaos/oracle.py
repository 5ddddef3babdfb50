"""The general oracle (`perdure.verification`) over a run of real processes."""

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.record import Record
from tests.chaos.testimony import effects_of, writes_of
from tests.chaos.users import moment
from tests.chaos.witness import accepted

from perdure.verification.evidence import Evidence, Violation, Write
from perdure.verification.judge import conclude
from perdure.verification.watcher import Watcher
from perdure.verification.world import Bounds, World

STAMPS_SECONDS = 1.5
"""How late the witness may see a write: it shares its event loop with the proxies."""
MEMORY_SECONDS = 40.0
"""How long after a clock was set right its times may still be felt.

As long as it was ahead at most, because no event is dated before the one before it, and as long as
a decision takes to be committed.
"""


@dataclass(slots=True)
class Judgement:
    """What was wrong, and the world as it stood at the end."""

    violations: list[Violation]
    world: World
    writes: Counter[str] = field(default_factory=Counter)
    """By resource."""
    unsigned: int = 0
    """Commits of which no proxy knew who made them."""


def judged(record: Record) -> Judgement:
    """Let the oracle see every write, then the whole."""
    at = [0.0]

    def clock_seconds(identity: str) -> float:
        clock = record.clocks.get(identity)
        return 0.0 if clock is None else clock.furthest(at[0] - MEMORY_SECONDS, at[0])

    watcher = Watcher(Bounds(clock_seconds, STAMPS_SECONDS))
    judgement = Judgement([], watcher.world)
    kept: list[Write] = []
    for write in writes_of(accepted(record.journal), record.sightings):
        at[0] = write.at.timestamp()
        judgement.violations += watcher.observe(write)
        judgement.writes[write.resource] += 1
        kept.append(write)
    judgement.violations += conclude(watcher, evidence_of(record, tuple(kept)))
    return judgement


def evidence_of(record: Record, writes: tuple[Write, ...]) -> Evidence:
    """Return the witnesses' evidence."""
    return Evidence(
        writes=writes,
        effects=tuple(effects_of(record.requests, record.addresses)),
        calls=tuple(record.calls),
        disturbances=tuple(done.disturbance for done in record.done),
        healed_at=moment(record.healed_at),
        ended_at=moment(record.ended_at),
    )
