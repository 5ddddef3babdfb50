"""Everything that is known of a run once it is over."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cases import Case
from tests.chaos.clocks import WallClock
from tests.chaos.conductor import Done
from tests.chaos.sightings import Sightings
from tests.e2e.history import Dump
from tests.e2e.services import Request

from perdure.verification.evidence import ClientCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Times are seconds since 1970.

    `journal` is what the witness wrote. `addresses` are the identities by the address that their
    requests to the service came from. `healed_at` is when the last fault was over and the last user
    was done, `settled_at` when the last instance had ended (None: never), `ended_at` the end.
    """

    journal: Path
    sightings: Sightings
    requests: Sequence[Request]
    addresses: Mapping[str, str]
    calls: Sequence[ClientCall]
    cases: Sequence[Case]
    done: Sequence[Done]
    clocks: Mapping[str, WallClock]
    deaths: Sequence[str]
    dumps: Sequence[Dump]
    tricks: Counter[str]
    repeats: Counter[str]
    conflicts: int
    healed_at: float
    settled_at: float | None
    ended_at: float
