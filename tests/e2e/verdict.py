"""What must be true of all orders in the end, whatever was killed meanwhile.

Three witnesses are compared: the histories in the API server, the ledger of the service, and the
moments at which the test itself killed a process.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from tests.cluster.api import Object
from tests.e2e.history import Dump, History, HistoryFaultError, history_of, moment
from tests.e2e.orders import AFTER_WAIT, CALL_BEFORE, CALLS, EVENT, WAIT_SECONDS, Order, approver
from tests.e2e.recorder import Recorder
from tests.e2e.refold import refold_elsewhere
from tests.e2e.services import Request

Effect = tuple[str, str, int]
"""uid, step and attempt."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A SIGKILL of the process of one identity, within these two moments (seconds since 1970).

    A process that was paused in between counts as well: it is as dead as far as others can tell.

    `open_requests` is how many requests waited for their answer then, `running` how many instances
    had begun and not ended.
    """

    identity: str
    began: float
    ended: float
    open_requests: int
    running: int


@dataclass(slots=True)
class Evidence:
    """Everything there is to judge; `histories` has an entry for each dump whose chain is good."""

    orders: Sequence[Order]
    dumps: Sequence[Dump]
    requests: Sequence[Request]
    kills: Sequence[Kill]
    left_events: Sequence[Object]
    recorder: Recorder
    histories: dict[str, History] = field(default_factory=dict)
    by_effect: dict[Effect, list[Request]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for request in self.requests:
            effect = (request.uid, request.step, request.attempt)
            self.by_effect.setdefault(effect, []).append(request)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures to print, and what was wrong.

    `takeovers` are the seconds from a kill to each claim of what was torn by it, shortest first.
    """

    figures: Mapping[str, object]
    faults: Sequence[str]
    takeovers: Sequence[float]


def judge(evidence: Evidence, file: Path) -> Verdict:
    """Check everything; the histories are left in `file`."""
    faults = list(chain_faults(evidence))
    checks: Sequence[Callable[[Evidence], Iterator[str]]] = (
        end_faults,
        call_faults,
        repeat_faults,
        output_faults,
        event_faults,
        timer_faults,
    )
    for check in checks:
        faults += check(evidence)
    faults += evidence.recorder.faults
    faults += refold_elsewhere([d for d in evidence.dumps if d.uid in evidence.histories], file)
    return Verdict(figures_of(evidence), faults, takeovers_of(evidence))


# --- histories ------------------------------------------------------------------------------


def chain_faults(evidence: Evidence) -> Iterator[str]:
    """Read every history; yield those with a gap, a broken chain or wrong commit ids."""
    for dump in evidence.dumps:
        try:
            evidence.histories[dump.uid] = history_of(dump)
        except HistoryFaultError as fault:
            yield str(fault)


def end_faults(evidence: Evidence) -> Iterator[str]:
    """All orders are there and Succeeded."""
    names = [dump.name for dump in evidence.dumps]
    if names != [order.name for order in evidence.orders]:
        yield f"{len(names)} instances for {len(evidence.orders)} orders"
    for dump in evidence.dumps:
        if dump.status.get("phase") != "Succeeded":
            yield f"{dump.name} is {dump.status.get('phase')}: {dump.status.get('message')}"


# --- calls ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as its history tells it: its claims (event, claim) and how it ended."""

    step: str
    attempt: int
    claims: Sequence[tuple[Object, Object]]
    result: Object | None


def attempts_of(history: History) -> list[Attempt]:
    """Return every attempt at a call, in order of schedule."""
    claims: dict[int, list[tuple[Object, Object]]] = {}
    results: dict[int, Object] = {}
    for event in history.of("ActivityScheduled", "ActivityClaimed"):
        scheduled = event["scheduledId"] if "scheduledId" in event else event["id"]
        claims.setdefault(scheduled, []).append((event, event["claim"]))
    for event in history.of("ActivityCompleted", "ActivityFailed"):
        results[event["scheduledId"]] = event
    events = history.by_id()
    return [
        Attempt(events[i]["path"], events[i]["attempt"], claims[i], results.get(i))
        for i in sorted(claims)
    ]


def call_faults(evidence: Evidence) -> Iterator[str]:
    """Every call was made, each under one key; no request came out of nowhere."""
    keys: dict[str, set[tuple[str, str]]] = {}
    for request in evidence.requests:
        keys.setdefault(request.key, set()).add((request.uid, request.step))
    expected = [(dump.uid, step) for dump in evidence.dumps for step in CALLS]
    for key, effects in keys.items():
        if len(effects) > 1:
            yield f"the idempotency key {key} is that of {effects}"
    made = [effect for effects in keys.values() for effect in effects]
    if sorted(made) != sorted(expected):
        yield f"{len(set(expected) - set(made))} calls were not made"
        yield f"{len(made) - len(set(expected) & set(made))} calls were made under other keys"


def repeat_faults(evidence: Evidence) -> Iterator[str]:
    """A request has its own claim, a second claim has a kill between the first and itself."""
    known: set[Effect] = set()
    for uid, history in evidence.histories.items():
        for attempt in attempts_of(history):
            effect = (uid, attempt.step, attempt.attempt)
            known.add(effect)
            requests = evidence.by_effect.get(effect, [])
            if len(requests) > len(attempt.claims):
                yield f"{effect}: {len(requests)} requests for {len(attempt.claims)} claims"
            yield from claim_faults(effect, attempt, requests, evidence.kills)
    for effect in evidence.by_effect.keys() - known:
        yield f"{effect}: a request that no history intends"


def claim_faults(
    effect: Effect, attempt: Attempt, requests: Sequence[Request], kills: Sequence[Kill]
) -> Iterator[str]:
    deliveries = [claim["delivery"] for _, claim in attempt.claims]
    if deliveries != list(range(1, len(deliveries) + 1)):
        yield f"{effect}: the deliveries are {deliveries}"
    for (event, claim), (later, _) in pairwise(attempt.claims):
        identity = claim["incarnation"].rpartition("_")[0]
        began, ended = seconds(event["at"]), seconds(later["at"])
        if not kills_between(kills, identity, began, ended):
            yield f"{effect}: claimed again at {later['at']} without a kill of {identity}"
    first = attempt.claims[0][0]
    if requests and requests[0].time < seconds(first["at"]):
        yield f"{effect}: sent before it was claimed at {first['at']}"


def kills_between(kills: Sequence[Kill], identity: str, began: float, ended: float) -> list[Kill]:
    return [k for k in kills if k.identity == identity and began <= k.ended and k.began <= ended]


def output_faults(evidence: Evidence) -> Iterator[str]:
    """Each result is an answer that the ledger has; the next call and the output pass it on."""
    for dump in evidence.dumps:
        history = evidence.histories.get(dump.uid)
        if history is None:
            continue
        tokens: dict[str, str] = {}
        for attempt in attempts_of(history):
            requests = evidence.by_effect.get((dump.uid, attempt.step, attempt.attempt), [])
            yield from result_faults(dump.name, attempt, requests)
            for request in requests:
                before = CALL_BEFORE.get(attempt.step)
                if before is not None and request.body["after"] != tokens.get(before):
                    yield f"{dump.name}: {attempt.step} was sent with another {before}"
            if attempt.result is not None and attempt.result["type"] == "ActivityCompleted":
                tokens[attempt.step] = attempt.result["output"]["token"]
        output = dict(dump.status.get("output") or {})
        output.pop(EVENT, None)
        if output != tokens:
            yield f"{dump.name}: the output is {output}, its results are {tokens}"


def result_faults(name: str, attempt: Attempt, requests: Sequence[Request]) -> Iterator[str]:
    result = attempt.result
    if result is None:
        yield f"{name}: attempt {attempt.attempt} of {attempt.step} has no result"
    elif result["type"] == "ActivityCompleted":
        if result["output"]["token"] not in {r.token for r in requests if r.status == 200}:
            yield f"{name}: the ledger does not know {result['output']} of {attempt.step}"
    elif not any(r.status == 503 for r in requests):
        yield f"{name}: {attempt.step} failed, but not by an answer: {result['failure']}"


# --- events and timers ------------------------------------------------------------------------


def event_faults(evidence: Evidence) -> Iterator[str]:
    """Each event was received once, matched once, and carried the data it was sent with."""
    orders = {order.name: order for order in evidence.orders}
    for dump in evidence.dumps:
        history = evidence.histories.get(dump.uid)
        if history is None:
            continue
        order = orders[dump.name]
        received = [event["eventId"] for event in history.of("EventReceived", "EventRefused")]
        if received != [order.event_id]:
            yield f"{dump.name}: received {received}, sent was {order.event_id}"
        if len(list(history.of("EventsMatched"))) != 1:
            yield f"{dump.name}: not exactly one match"
        if (dump.status.get("output") or {}).get(EVENT) != order.event_id:
            yield f"{dump.name}: the output names another event"
        for request in evidence.by_effect.get((dump.uid, "ship", 1), []):
            if request.body["by"] != approver(order):
                yield f"{dump.name}: shipped for {request.body['by']}"
    for event in evidence.left_events:
        yield f"the WorkflowEvent {event['metadata']['name']} was left: {event.get('status')}"


def timer_faults(evidence: Evidence) -> Iterator[str]:
    """No timer fired early, by its history and by when the service heard of it."""
    for dump in evidence.dumps:
        history = evidence.histories.get(dump.uid)
        if history is None:
            continue
        waits = 0
        for created, fired in timers_of(history):
            if moment(fired["at"]) < moment(created["fireAt"]):
                yield f"{dump.name}: {created['path']} fired at {fired['at']}, {created['fireAt']}"
            if created["purpose"] == "Wait":
                waits += 1
                yield from wait_faults(dump, created, evidence)
        if waits != 1:
            yield f"{dump.name}: {waits} waits fired"


def wait_faults(dump: Dump, created: Object, evidence: Evidence) -> Iterator[str]:
    length = moment(created["fireAt"]) - moment(created["at"])
    if length < timedelta(seconds=WAIT_SECONDS):
        yield f"{dump.name}: the timer was set for {length}"
    next_calls = evidence.by_effect.get((dump.uid, AFTER_WAIT, 1), [])
    if any(request.time < seconds(created["fireAt"]) for request in next_calls):
        yield f"{dump.name}: {AFTER_WAIT} was called before {created['fireAt']}"


def timers_of(history: History) -> list[tuple[Object, Object]]:
    events = history.by_id()
    return [(events[fired["timerId"]], fired) for fired in history.of("TimerFired")]


# --- figures ----------------------------------------------------------------------------------


def figures_of(evidence: Evidence) -> dict[str, object]:
    """Return what a reader wants to see of a run."""
    histories = evidence.histories.values()
    attempts = [attempt for history in histories for attempt in attempts_of(history)]
    claimed_again = [attempt for attempt in attempts if len(attempt.claims) > 1]
    repeated = [requests for requests in evidence.by_effect.values() if len(requests) > 1]
    lateness = sorted(
        seconds(fired["at"]) - seconds(created["fireAt"])
        for history in histories
        for created, fired in timers_of(history)
    )
    doors = Counter(e["door"] for history in histories for e in history.of("EventReceived"))
    claimants = Counter(
        claim["incarnation"].rpartition("_")[0]
        for attempt in attempts
        for _, claim in attempt.claims
    )
    return {
        "instances": len(evidence.dumps),
        "succeeded": sum(dump.status.get("phase") == "Succeeded" for dump in evidence.dumps),
        "kills": len(evidence.kills),
        "kills with instances running": sum(kill.running > 0 for kill in evidence.kills),
        "kills with requests open": sum(kill.open_requests > 0 for kill in evidence.kills),
        "attempts (uid, step, attempt)": len(attempts),
        "claims by identity": dict(claimants),
        "attempts claimed again after a kill": len(claimed_again),
        "requests in the ledger": len(evidence.requests),
        "attempts requested more than once": len(repeated),
        "most requests of one attempt": max(map(len, evidence.by_effect.values()), default=0),
        "events received by door": dict(doors),
        "events sent by both doors": sum(o.is_doubled and not o.is_early for o in evidence.orders),
        "events sent before their instance": sum(order.is_early for order in evidence.orders),
        "timers fired": len(lateness),
        "timer lateness, least and median": spread(lateness),
        "history events": sum(len(history.events) for history in histories),
        "versions seen in the watch": evidence.recorder.versions,
        "commits seen in the watch": len(evidence.recorder.commits),
        "histories folded again elsewhere": len(evidence.histories),
    }


def takeovers_of(evidence: Evidence) -> list[float]:
    """Return how long after the kill each claim of a dead process was taken over."""
    lengths = []
    for history in evidence.histories.values():
        for attempt in attempts_of(history):
            for (event, claim), (later, _) in pairwise(attempt.claims):
                identity = claim["incarnation"].rpartition("_")[0]
                began, ended = seconds(event["at"]), seconds(later["at"])
                found = kills_between(evidence.kills, identity, began, ended)
                lengths += [ended - kill.began for kill in found[:1]]
    return sorted(lengths)


def spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    return f"{values[0] * 1000:.1f} ms, {values[len(values) // 2] * 1000:.1f} ms"


def seconds(text: str) -> float:
    """Return the time of an event in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
