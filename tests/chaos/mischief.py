"""What can happen to a message between an operator and the API server: the table, and the dice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Trick(Enum):
    """One kind of mishap; the first ones befall calls, those below the line watches."""

    SWALLOW = "swallow"
    """The API server acts, its answer is lost and the connection with it."""
    TEAR = "tear"
    """Half of the answer arrives."""
    TWICE = "twice"
    """The request is sent twice, as by a proxy that tries again; the first answer is handed on."""
    AGAIN = "again"
    """As above, but the answer to the repeat is handed on: a 409 or 422 for what was done."""
    THROTTLE = "throttle"
    """429 with Retry-After; nothing is done."""
    REFUSE = "refuse"
    """503; nothing is done."""
    ABANDON = "abandon"
    """504, but the API server acts all the same."""
    LOSE = "lose"
    """The request is lost and the connection with it."""
    ESTRANGE = "estrange"
    """401, as by an API server that does not know the token."""
    LATE = "late"
    """The answer takes seconds."""

    WATCH_CUT = "watch-cut"
    """The stream ends in the middle of a line."""
    WATCH_SLOW = "watch-slow"
    """Lines arrive late."""
    WATCH_REPLAY = "watch-replay"
    """Lines arrive again, older ones after newer ones."""
    WATCH_ERROR = "watch-error"
    """An ERROR event that is no 410."""
    WATCH_NOISE = "watch-noise"
    """A line that is no JSON."""


OF_WATCHES = frozenset(trick for trick in Trick if trick.value.startswith("watch"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """One trick for a while: which share of messages it befalls, and which ones it may.

    `part` must be in the path. `seconds` is a delay, or the Retry-After of a 429.
    """

    trick: Trick
    share: float = 1.0
    is_for_writes: bool = False
    part: str = ""
    seconds: float = 0.0

    def befalls(self, method: str, path: str) -> bool:
        """Return whether a message of this kind is meant."""
        return self.part in path and (method in WRITES or not self.is_for_writes)


class Dice:
    """The mischief that is going on, and what befalls the next message."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._active: list[Mischief] = []

    @contextmanager
    def loaded(self, mischief: Mischief) -> Iterator[None]:
        """Let this go on for a while, beside what does already."""
        self._active.append(mischief)
        try:
            yield
        finally:
            self._active.remove(mischief)

    def throw(self, method: str, path: str, *, is_watch: bool) -> Mischief | None:
        """Return what befalls this message; None for nothing."""
        for mischief in self._active:
            is_meant = (mischief.trick in OF_WATCHES) == is_watch
            is_meant = is_meant and mischief.befalls(method, path)
            if is_meant and self._random.random() < mischief.share:
                return mischief
        return None

    def uniform(self, low: float, high: float) -> float:
        """Return a number between these."""
        return self._random.uniform(low, high)
