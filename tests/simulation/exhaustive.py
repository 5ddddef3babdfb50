"""Every order of deliveries, for a small world: one instance, two activities, one event.

The first `depth` deliveries after the instance was created are made in every order there is (and,
if asked for, with every operator dying at every moment between them); what follows is delivered
first come, first served. Orders that lead to the same state are followed once: a state is what the
API server holds, what is on its way, and what each process has been told so far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.plan import Plan
from tests.simulation.sweep import ends_of
from tests.simulation.workloads.actions import Define, RaiseAsObject, Start
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload
from tests.simulation.world import Outcome, World

from perdure.engine.values import JsonObject
from perdure.testing.apiserver import ApiServer
from perdure.testing.simulation.fates import Calm
from perdure.testing.simulation.post import Letter
from perdure.testing.simulation.scheduler import Scheduler

ARMED_AT = 2.0
"""Virtual seconds; before it the operators start and the definition becomes ready."""
ASIDE = ("/leases", "workflowdefinitions", "/services/")
"""Deliveries about these do not wait: they are the same in every order."""
RESTART_SECONDS = 1.0
MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A state in which something could be chosen."""

    key: bytes
    options: int


class ChosenPost:
    """Delivers in the order of `choices`, then first come, first served."""

    def __init__(self, scheduler: Scheduler, choices: Sequence[int], depth: int) -> None:
        self._scheduler = scheduler
        self._choices = choices
        self._depth = depth
        self._letters: list[Letter] = []
        self._told: dict[str, bytes] = {}
        self._is_planned = False
        self.moments: list[Moment] = []
        self.crashes: list[Callable[[], None]] = []
        """What else can be chosen, once."""
        self.state: Callable[[], bytes] = bytes

    def send(self, letter: Letter, delay: float = 0.0) -> None:
        self._letters.append(letter)
        self._plan()

    def _plan(self) -> None:
        if not self._is_planned and self._letters:
            self._is_planned = True
            self._scheduler.at(self._scheduler.now, self._next)

    def _next(self) -> None:
        self._is_planned = False
        chosen = self._chosen(self._enabled())
        if isinstance(chosen, Letter):
            self._letters.remove(chosen)
            self._tell(chosen)
            chosen.act()
        else:
            self.crashes.clear()
            chosen()
        self._plan()

    def _enabled(self) -> list[Letter]:
        """Return what may arrive next: of each route its first letter."""
        routes: set[str] = set()
        found = []
        for letter in self._letters:
            if letter.route not in routes:
                found.append(letter)
            if letter.route:
                routes.add(letter.route)
        return found

    def _chosen(self, enabled: list[Letter]) -> Letter | Callable[[], None]:
        number = len(self.moments)
        if self._scheduler.now < ARMED_AT or number >= self._depth:
            return enabled[0]
        for letter in enabled:
            if any(word in letter.text for word in ASIDE):
                return letter
        options: list[Letter | Callable[[], None]] = [*_different(enabled), *self.crashes]
        self.moments.append(Moment(self._key(), len(options)))
        return options[self._choices[number] if number < len(self._choices) else 0]

    def _tell(self, letter: Letter) -> None:
        """Remember what each process has been told: it follows what the process is like."""
        if letter.text.startswith("to "):
            name = letter.text.split()[1]
            before = self._told.get(name, b"")
            self._told[name] = hashlib.sha256(before + letter.text.encode()).digest()

    def _key(self) -> bytes:
        parts = [self.state(), str(len(self.crashes)).encode()]
        parts += [name.encode() + told for name, told in sorted(self._told.items())]
        parts += sorted(letter.text.encode() for letter in self._letters)
        return hashlib.sha256(b"\0".join(parts)).digest()


def _different(letters: Sequence[Letter]) -> list[Letter]:
    """Return the letters, of those alike only the first."""
    return list({letter.text: letter for letter in reversed(letters)}.values())[::-1]


@dataclass(slots=True)
class Exploration:
    """What was explored: runs, different states, and the orders that broke a promise."""

    runs: int = 0
    states: set[bytes] = field(default_factory=set)
    failures: list[tuple[tuple[int, ...], Outcome]] = field(default_factory=list)


def explore(depth: int, *, crashes: bool, say: Callable[[str], None]) -> Exploration:
    """Explore all orders of the first `depth` deliveries; `crashes`: one operator may die."""
    found = Exploration()
    left: list[tuple[int, ...]] = [()]
    while left and len(found.failures) < MOST_FAILURES:
        choices = left.pop()
        outcome, moments = run(choices, depth, crashes=crashes)
        found.runs += 1
        if faults_of(outcome):
            found.failures.append((choices, outcome))
        left += _branches(found, choices, moments)
        if found.runs % 200 == 0:
            say(f"{found.runs:>7} orders, {len(found.states)} states, {len(left)} left")
    return found


def _branches(
    found: Exploration, choices: tuple[int, ...], moments: Sequence[Moment]
) -> Iterator[tuple[int, ...]]:
    """Yield the orders that leave this one somewhere, at states not seen before."""
    path = [*choices, *[0] * (len(moments) - len(choices))]
    for number in range(len(choices), len(moments)):
        moment = moments[number]
        if moment.key in found.states:
            return
        found.states.add(moment.key)
        for option in range(1, moment.options):
            yield (*path[:number], option)


def run(choices: Sequence[int], depth: int, *, crashes: bool) -> tuple[Outcome, Sequence[Moment]]:
    """Run the small world once, with these choices."""
    posts: list[ChosenPost] = []

    def post_of(scheduler: Scheduler) -> ChosenPost:
        posts.append(ChosenPost(scheduler, choices, depth))
        return posts[0]

    world = World(plan(), Calm(), post_of)
    post = posts[0]
    post.state = partial(digest, world.server)
    if crashes:
        post.crashes = [partial(host.crash, RESTART_SECONDS) for host in world.operators]
    return world.run(), post.moments


def faults_of(outcome: Outcome) -> list[str]:
    """Return what is wrong with a run, also that it did not come to its end."""
    faults = [violation.render() for violation in outcome.violations]
    end = ends_of(outcome).get("shop/one")
    return faults or ([] if end is not None and end.phase == "Succeeded" else [f"ended as {end}"])


def digest(server: ApiServer) -> bytes:
    """Return the digest of all that a server holds, Leases apart."""
    found = hashlib.sha256()
    for kind in server.catalogue.kinds:
        if kind.plural != "leases":
            for key, stored in sorted(server.storage.current(kind).items()):
                found.update(f"{kind.plural} {key} ".encode())
                found.update(stored.content)
    return found.digest()


def plan() -> Plan:
    """Return the small world."""
    spec: JsonObject = {
        "steps": [
            _call("first"),
            {"name": "approved", "event": {"name": "approved"}, "needs": []},
            _call("second"),
        ],
    }
    workload = Workload(
        name="small",
        actions=(
            Define(at=0.0, definition="small", spec=spec),
            Start(at=ARMED_AT, instance="one", spec={"definitionRef": {"name": "small"}}),
            RaiseAsObject(
                at=ARMED_AT, user="berta", instance="one", object_name="yes", event_name="approved"
            ),
        ),
        script=Script(seed=1),
    )
    return Plan(
        seed="small", workload=workload, operators=2, storms=(), heal_at=ARMED_AT, strokes=()
    )


def _call(name: str) -> JsonObject:
    body: JsonObject = {"uid": "${workflow.uid}", "path": name}
    http: JsonObject = {"method": "POST", "service": "stock", "path": f"/{name}", "body": body}
    return {"name": name, "http": http}
