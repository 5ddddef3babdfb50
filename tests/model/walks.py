"""Random walks from the start to where nothing can happen any more: few states, but deep ones.

A breadth-first exploration of a large plan ends long before every claim is used up. A walk goes
there, in 50 steps or so; it finds no shortest trace, and proves nothing about what it passes by.
"""

from __future__ import annotations

import random  # noqa: TID251  # seeded: a walk is the same on every machine
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.model.explorer import Label, Model, State

MOST_STEPS = 200
"""Of one walk: far more than any has that leads somewhere."""


@dataclass(slots=True)
class Walked:
    """What walks came by. `kinds`: how often each kind of step was taken, by its text."""

    states: set[int] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    deepest: int = 0
    fault: str = ""
    trace: tuple[Label, ...] = ()


def walk(model: Model[State], seeds: Iterable[int]) -> Walked:
    """Walk once for each seed, until a promise is broken."""
    walked = Walked()
    for seed in seeds:
        choice = random.Random(seed).choice
        state, trace = model.start(), list[Label]()
        while not walked.fault and (steps := list(model.steps(state))) and len(trace) < MOST_STEPS:
            label, state = choice(steps)
            trace.append(label)
            walked.states.add(hash(state))
            walked.fault = model.broken(state)
        walked.kinds.update(str(label[0]) for label in trace)
        walked.deepest = max(walked.deepest, len(trace))
        if walked.fault:
            walked.trace = tuple(trace)
            break
    return walked
