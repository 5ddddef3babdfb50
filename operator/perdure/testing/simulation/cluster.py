"""The API server as processes reach it: two frontends, whose caches follow what is written."""

from __future__ import annotations

from collections.abc import Callable

from perdure.testing.apiserver import Answer, ApiServer, Frontend, Request
from perdure.testing.simulation.post import Post
from perdure.testing.simulation.refusals import Policy
from perdure.testing.simulation.scheduler import Scheduler
from perdure.verification.evidence import Exchange

LAG_SECONDS = 0.02
"""Until a cache knows of a write, usually."""


class Cluster:
    """The API server as its clients reach it: two frontends, each with a cache that lags."""

    def __init__(self, server: ApiServer, scheduler: Scheduler, post: Post) -> None:
        self.server = server
        self.scheduler = scheduler
        self.post = post
        self.frontends = [Frontend(server, f"apiserver-{number}") for number in range(2)]
        self.lags = [0.0, 0.0]
        """Seconds by which each frontend lags, beyond what is usual."""
        self.is_down = False
        self.cut_off: set[str] = set()
        """Hosts that cannot reach it."""
        self.unheard: set[str] = set()
        """Hosts whose requests for Leases do not reach it."""
        self.policy: Policy | None = None
        """What operators may not write."""
        self.exchanges: list[Exchange] = []
        """What operators were answered."""
        self.on_write: Callable[[], None] = _nobody
        """Called after every request that may have written."""
        self._revision = server.revision
        self._last = [0.0, 0.0]

    def handle(self, request: Request) -> Answer:
        """Let the server answer, and the frontends' caches follow what it accepted."""
        answer = self.server.handle(request)
        self.follow()
        self.on_write()
        return answer

    def follow(self) -> None:
        """Let the caches come to know of what was written, each in its time."""
        revision = self.server.revision
        if revision == self._revision:
            return
        self._revision = revision
        for number, frontend in enumerate(self.frontends):
            lag = self.lags[number] + LAG_SECONDS * self.scheduler.random.random()
            when = max(self.scheduler.now + lag, self._last[number])
            self._last[number] = when
            self.scheduler.at(when, _advance(frontend, revision))

    def heal(self) -> None:
        """Be reachable for everybody, and current."""
        self.is_down = False
        self.cut_off.clear()
        self.unheard.clear()
        self.policy = None
        self.lags = [0.0, 0.0]
        self._last = [self.scheduler.now] * 2
        for frontend in self.frontends:
            frontend.advance(self.server.revision)

    def lift(self, policy: Policy) -> None:
        """Let go of a policy, unless another one has followed it."""
        if self.policy is policy:
            self.policy = None

    def is_reachable(self, host: str) -> bool:
        """Return whether a host can talk to it."""
        return not self.is_down and host not in self.cut_off


def _nobody() -> None:
    """Nobody wants to know."""


def _advance(frontend: Frontend, revision: int) -> Callable[[], None]:
    return lambda: frontend.advance(revision)
