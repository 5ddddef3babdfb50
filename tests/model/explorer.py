"""Every state that a model can reach, breadth first: the shortest way to a fault, or none.

The explorer knows nothing of what it explores. A state is a tuple of integers and tuples, so that
its hash is the same in every run; only hashes are kept of the states that were seen, and for each
the number of the state before it and of the step that was taken there. A trace is found again by
taking those steps once more from the start.

Two states with one hash would be taken for one. With 64 bits that has a chance of 1 in 30 million
at a million states: it could hide a fault, never make one up.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, Protocol, TypeVar

State = TypeVar("State")
Label = tuple[object, ...]
"""What was done in one step: a text with gaps, and what belongs there (`told`)."""
SAY_EVERY = 5.0
"""Seconds between two lines of progress."""
SAY_AFTER = 4096
"""States between two looks at the clock."""


class Model(Protocol[State]):
    """What can be explored. `steps` yields the same steps in the same order whenever asked."""

    def start(self) -> State: ...

    def steps(self, state: State) -> Iterable[tuple[Label, State]]: ...

    def broken(self, state: State) -> str:
        """Return the promise that this state breaks, in words; empty if it breaks none."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an exploration found. `is_complete`: there is no other state within the bounds."""

    states: int
    steps: int
    depth: int
    seconds: float
    is_complete: bool
    fault: str = ""
    trace: tuple[Label, ...] = ()


@dataclass(slots=True)
class Explorer(Generic[State]):
    """One exploration of one model, up to `most_states` states."""

    model: Model[State]
    most_states: int
    say: Callable[[str], None] | None = None
    _seen: set[int] = field(default_factory=set)
    _parents: array[int] = field(default_factory=lambda: array("L"))
    _choices: array[int] = field(default_factory=lambda: array("H"))
    _queue: deque[tuple[int, int, State]] = field(default_factory=deque)
    _steps: int = 0
    _depth: int = 0
    _begun: float = 0.0
    _said: float = 0.0

    def run(self) -> Result:
        """Explore until a fault is found, all is seen, or there are `most_states` states."""
        self._begun = self._said = time.monotonic()
        fault = self._add(self.model.start(), 0, 0, 0)
        while self._queue and not fault and len(self._parents) < self.most_states:
            fault = self._expand(*self._queue.popleft())
        return Result(
            states=len(self._parents),
            steps=self._steps,
            depth=self._depth,
            seconds=time.monotonic() - self._begun,
            is_complete=not self._queue and not fault,
            fault=fault,
            trace=self._trace() if fault else (),
        )

    def _expand(self, number: int, depth: int, state: State) -> str:
        for choice, (_, after) in enumerate(self.model.steps(state)):
            self._steps += 1
            fault = self._add(after, number, choice, depth + 1)
            if fault:
                return fault
        return ""

    def _add(self, state: State, parent: int, choice: int, depth: int) -> str:
        key = hash(state)
        if key in self._seen:
            return ""
        self._seen.add(key)
        self._queue.append((len(self._parents), depth, state))
        self._parents.append(parent)
        self._choices.append(choice)
        self._depth = depth
        if self.say and len(self._parents) % SAY_AFTER == 0:
            self._tell(self.say)
        return self.model.broken(state)

    def _tell(self, say: Callable[[str], None]) -> None:
        now = time.monotonic()
        if now - self._said >= SAY_EVERY:
            self._said = now
            count = len(self._parents)
            speed = count / (now - self._begun)
            say(f"{count:>11,} states  depth {self._depth}  {speed:,.0f} states/s")

    def _trace(self) -> tuple[Label, ...]:
        """Return the steps that lead to the state found last."""
        choices = []
        number = len(self._parents) - 1
        while number:
            choices.append(self._choices[number])
            number = self._parents[number]
        state, labels = self.model.start(), []
        for choice in reversed(choices):
            label, state = next(islice(self.model.steps(state), choice, None))
            labels.append(label)
        return tuple(labels)


def explore(
    model: Model[State], most_states: int, say: Callable[[str], None] | None = None
) -> Result:
    """Explore a model breadth first; `say` gets a line of progress every few seconds."""
    with no_collections():
        return Explorer(model, most_states, say).run()


def told(trace: Iterable[Label]) -> list[str]:
    """Return the steps of a trace in words."""
    return [str(text).format(*values) for text, *values in trace]


@contextmanager
def no_collections() -> Iterator[None]:
    """Keep the collector of cycles away: tuples of integers have none, and it would look through
    all that wait again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
