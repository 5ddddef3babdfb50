"""The definitions of a workload on the engine alone: no API server, no operator, no users.

One instance is started and goes on until nothing moves without the outside. In a calm rehearsal
its events are there from the first moment on, and every call comes back at once with what the
services say, so that no time-out strikes. A whim does these things in any order, breaks calls,
lets time pass and suspends: what does not depend on timing has to end alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.memory import Arrival, Services
from tests.simulation.workloads.services import Reply, Script

from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork, next_wake
from perdure.executors.answers import Response, answer_of
from perdure.executors.calls import Call, parse_call, start_headers
from perdure.executors.failures import CallFailedError, invalid_answer, no_answer
from perdure.executors.targets import ServiceRef
from perdure.testing.stories import Story, started

MAX_TURNS = 2000
AGENT = "rehearsal"
Watch: TypeAlias = Callable[[ActivityWork, Arrival], None]


def unwatched(work: ActivityWork, arrival: Arrival) -> None:
    """Let a call pass."""


def rehearse(
    spec: JsonObject,
    given: Json,
    script: Script,
    events: Iterable[tuple[str, Json]] = (),
    *,
    whim: Draw | None = None,
    watch: Watch = unwatched,
) -> Story:
    """Return the story of an instance when nothing moves any more without the outside.

    `watch` is told of every call, polls apart, with the request that a service sees. Raises
    InvalidDefinitionError, and AssertionError where it goes on for ever.
    """
    rehearsal = _Rehearsal(started(spec, given), Services(script), list(events), watch)
    for _ in range(MAX_TURNS):
        if not (rehearsal.go_on() if whim is None else rehearsal.act_on(whim)):
            return rehearsal.story
    raise AssertionError(f"it goes on for ever: {rehearsal.story.summary.message}")


class _Rehearsal:
    """An instance, and what can happen to it next."""

    def __init__(
        self, story: Story, services: Services, events: list[tuple[str, Json]], watch: Watch
    ) -> None:
        self.story = story
        self._watch = watch
        self._services = services
        self._events = events

    def go_on(self) -> bool:
        """Do the first thing that can be done; False if there is none."""
        if self._events:
            self._raise(0)
        elif self.story.open:
            self._settle(self.story.open[0])
        elif next_wake(self.story.state) is not None:
            self.story.until_wake()
        else:
            return False
        return True

    def act_on(self, whim: Draw) -> bool:
        """Do anything that can be done; False if there is nothing."""
        if self.story.state.is_suspended and whim.chance(0.5):
            self.story.resume()
        can_wake = next_wake(self.story.state) is not None
        choices = len(self._events) + len(self.story.open) + can_wake
        if choices == 0 and not self.story.state.is_suspended:
            return False
        self.story.now += timedelta(seconds=whim.seconds(0, 3) if whim.chance(0.3) else 0)
        if whim.chance(0.05) and self.story.state.is_running:
            self.story.suspend()
        choice = whim.whole(0, max(choices - 1, 0))
        if choice < len(self._events):
            self._raise(choice)
        elif choice - len(self._events) < len(self.story.open):
            work = self.story.open[choice - len(self._events)]
            self._break(work) if whim.chance(0.2) else self._settle(work)
        elif can_wake and not self.story.state.is_suspended:
            self.story.until_wake()
        return True

    def _raise(self, place: int) -> None:
        name, data = self._events.pop(place)
        self.story.event(name, data)

    def _settle(self, work: ActivityWork) -> None:
        self.story.facts_answers(_answer(self.story, work, self._services, self._watch))

    def _break(self, work: ActivityWork) -> None:
        failure = no_answer(f"{work.path}: broken", is_unknown=True).failure
        self.story.facts_answers(Answer(scheduled_id=work.scheduled_id, failure=failure))


def _answer(story: Story, work: ActivityWork, services: Services, watch: Watch) -> Answer:
    """Return what a call, or one poll of it, comes to, as the executor reports it."""
    try:
        call = parse_call(work)
        if work.is_accepted:
            return _polled(story, work, call, services)
        headers = start_headers(work, call, AGENT)
        arrival = _arrival(story, call, call.with_query(call.path), headers)
        watch(work, arrival)
        answer = _exchange(story, work, arrival, services)
    except CallFailedError as error:
        return Answer(scheduled_id=work.scheduled_id, failure=error.failure)
    if call.poll is None or answer.failure is not None:
        return answer
    if _location(answer.result) is None:
        failure = invalid_answer(f"{work.path}: the answer has no Location to poll").failure
        return Answer(scheduled_id=work.scheduled_id, failure=failure)
    return replace(answer, accepted=True)


def _location(result: Json) -> str | None:
    headers = result.get("headers") if isinstance(result, dict) else None
    location = headers.get("location") if isinstance(headers, dict) else None
    return location if isinstance(location, str) else None


def _polled(story: Story, work: ActivityWork, call: Call, services: Services) -> Answer:
    """Poll until the operation is over; the polls of the grammar all ask for its state."""
    location = _location(work.answer)
    assert location is not None, "an accepted call without a Location"
    for _ in range(MAX_TURNS):
        story.now += timedelta(seconds=5)
        arrival = _arrival(story, call, location, {"perdure-attempt": "1"})
        answer = _exchange(story, work, replace(arrival, method="GET", content=None), services)
        body = answer.result["body"] if isinstance(answer.result, dict) else None
        if answer.failure is None and isinstance(body, dict) and body["state"] != "running":
            return answer
    raise AssertionError(f"the operation of {work.path} is never over")


def _arrival(story: Story, call: Call, target: str, headers: dict[str, str]) -> Arrival:
    return Arrival(
        at=story.now.timestamp(),
        service=call.place.name if isinstance(call.place, ServiceRef) else call.place.origin.host,
        method=call.method,
        target=target,
        headers=headers,
        content=call.content,
    )


def _exchange(story: Story, work: ActivityWork, arrival: Arrival, services: Services) -> Answer:
    served = services.answer(arrival)
    if not isinstance(served, Reply):
        raise no_answer(f"{work.path}: the connection broke", is_unknown=True)
    headers = tuple((name.encode(), value.encode()) for name, value in served.headers.items())
    response = Response(code=served.code, headers=headers, content=served.body)
    return answer_of(work.scheduled_id, work.path, response, story.now)
