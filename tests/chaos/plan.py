"""What fails when: a list that follows from a seed, can be written down and carried out again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

SPREAD = (0.3, 1.7)
"""An interval between two strikes is between these shares of the mean one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How long a kind of fault lasts, in seconds."""

    shortest: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault: `at` seconds after the beginning, for `seconds`, on the operator `victim`.

    `dose` from 0 to 1 is whatever the kind makes of it.
    """

    at: float
    kind: str
    victim: int
    seconds: float
    dose: float


def plan(
    seed: int, *, seconds: float, mean: float, victims: int, kinds: Mapping[str, Span]
) -> list[Strike]:
    """Return strikes for so many seconds, `mean` apart on average, in order of time.

    Kinds come like cards of a deck: each once before any comes again, so that a short plan has
    many. Short faults are more frequent than long ones. None outlasts the plan.
    """
    random, deck = Random(seed), list[str]()
    strikes, at = [], 0.0
    while (at := at + mean * random.uniform(*SPREAD)) < seconds:
        if not deck:
            deck = sorted(kinds)
            random.shuffle(deck)
        kind = deck.pop()
        span = kinds[kind]
        length = span.shortest + (span.longest - span.shortest) * random.random() ** 2
        strike = Strike(
            at=round(at, 2),
            kind=kind,
            victim=random.randrange(victims),
            seconds=round(min(length, seconds - at), 2),
            dose=round(random.random(), 4),
        )
        strikes.append(strike)
    return strikes


def write_plan(strikes: Sequence[Strike], file: Path) -> None:
    """Write one strike per line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(asdict(strike)) + "\n" for strike in strikes))


def read_plan(file: Path) -> list[Strike]:
    """Return what `write_plan` wrote."""
    return [Strike(**json.loads(line)) for line in file.read_text().splitlines()]
