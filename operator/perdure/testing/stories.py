"""Stories: one instance, driven by facts in virtual time.

A story does what the runtime does around `advance`: it keeps the controls of the spec, hands over
each fact, repeats the turn until nothing follows, and wakes timers when their time comes. After
each turn it checks what must hold of every history (see `check_turn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from perdure.definitions import review, revision_name, spec_digest
from perdure.engine.events import Door, Failure, HistoryEvent, Revision
from perdure.engine.fold import replay
from perdure.engine.orchestrator import (
    Acceptance,
    Answer,
    Asked,
    ExternalEvent,
    Facts,
    Orchestrator,
)
from perdure.engine.recorder import MAX_EVENTS
from perdure.engine.state import OpenActivity, State
from perdure.engine.summary import Summary, summarise
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork, next_wake, open_work
from perdure.errors import InvalidDefinitionError
from perdure.testing.clock import BEGINNING
from perdure.testing.replies import Reply, failed, ok

UID = "0b7d3c1e-5a64-4f0e-9a38-6f1d2c3b4a59"
ME = "perdure-0-1"
"""The incarnation that decides, unless a story says otherwise."""
MAX_TURNS = 1000


def fresh_state(uid: str = UID) -> State:
    """Return the state of an instance with no history yet."""
    return State(uid=uid, namespace="shop", name="order-1")


def started(
    spec: JsonObject, given: Json = None, *, timeout: timedelta | None = None, **controls: object
) -> Story:
    """Return the story of an instance of the definition `spec`, after its first turn.

    `controls` are fields of Facts that hold from the start, such as `is_suspended=True`. Raises
    InvalidDefinitionError when the definition has faults.
    """
    digest = spec_digest(spec)
    acceptance = Acceptance(
        definition="order",
        revision=Revision(name=revision_name("order", digest), digest=digest),
        input=given,
        timeout_seconds=None if timeout is None else timeout.total_seconds(),
    )
    reviewed = review(spec)
    if reviewed.orchestrator is None:
        raise InvalidDefinitionError("\n".join(fault.render() for fault in reviewed.faults))
    story = Story(reviewed.orchestrator, fresh_state())
    story.control(**controls)
    story.turn(acceptance=acceptance)
    return story


class Story:
    """One instance. Methods that bring a fact return the events which followed from it."""

    def __init__(
        self, orchestrator: Orchestrator, state: State, *, now: datetime = BEGINNING
    ) -> None:
        self.orchestrator = orchestrator
        self.first = state
        self.state = state
        self.events: list[HistoryEvent] = []
        self.now = now
        self.incarnation = ME
        self._controls: dict[str, object] = {}
        self._commits = 0
        self._raised = 0
        self._asked: Mapping[int, Asked] = {}
        self.goes_on = False
        """Whether the last turn had more to decide than one may."""

    # --- what can be seen ---------------------------------------------------------------------

    @property
    def open(self) -> tuple[ActivityWork, ...]:
        """Return the calls that ought to be in flight."""
        return open_work(self.state)

    @property
    def summary(self) -> Summary:
        """Return what the status would show."""
        return summarise(self.state)

    @property
    def phase(self) -> str:
        """Return the phase word."""
        return self.summary.phase.value

    @property
    def output(self) -> Json:
        """Return the output of an instance that has ended."""
        assert self.state.ended is not None, f"it has not ended: {self.summary.message}"
        return self.state.ended.output

    @property
    def error(self) -> Failure | None:
        """Return the error of an instance that has ended."""
        assert self.state.ended is not None, f"it has not ended: {self.summary.message}"
        return self.state.ended.error

    @property
    def commits(self) -> int:
        """Return how many turns had something to commit."""
        return self._commits

    def types(self, events: Iterable[HistoryEvent] | None = None) -> list[str]:
        """Return the kinds of these events, or of the whole history."""
        return [type(event).__name__ for event in (self.events if events is None else events)]

    def activity(self, path: str) -> OpenActivity:
        """Return the open call of a step."""
        found = [a for a in self.state.activities.values() if a.path == path]
        paths = [a.path for a in self.state.activities.values()]
        assert found, f"no call of {path} is open, only of {paths}"
        return found[0]

    # --- facts ----------------------------------------------------------------------------------

    def control(self, **controls: object) -> None:
        """Change the spec's controls (fields of Facts) without a turn."""
        self._controls.update(controls)

    def turn(self, **facts: object) -> list[HistoryEvent]:
        """Hand over these facts (fields of Facts), and repeat until nothing more follows."""
        events: list[HistoryEvent] = []
        for _ in range(MAX_TURNS):
            more = self.one_turn(**facts)
            if not more and not self.goes_on:
                return events
            events += more
            facts.pop("acceptance", None)
        raise AssertionError(f"the turn never ends: {self.types(events[-20:])}")

    def one_turn(self, **facts: object) -> list[HistoryEvent]:
        """Decide and commit once."""
        given = {"incarnation": self.incarnation, "asked": self._asked, **self._controls, **facts}
        given["commit_id"] = f"c{self._commits + 1}"
        if self.state.ending is not None:
            given.setdefault("is_settled", True)
        decision = self.orchestrator.advance(self.state, Facts(**given), self.now)  # type: ignore[arg-type]  # fields of Facts
        self._asked, self.goes_on = decision.asked, decision.goes_on
        decided = decision.events
        check_turn(self.state, decided)
        self.state = replay(self.state, decided)
        self.events += decided
        self._commits += bool(decided)
        return decided

    def reply(self, path: str, reply: Reply) -> list[HistoryEvent]:
        """Answer the open call of a step."""
        return self.replies({path: reply})

    def replies(self, replies: Mapping[str, Reply]) -> list[HistoryEvent]:
        """Answer several open calls in one turn."""
        return self.turn(
            answers=tuple(
                reply.to(self.activity(path).scheduled_id) for path, reply in replies.items()
            )
        )

    def answer(self, path: str, body: Json = None, *, code: int = 200) -> list[HistoryEvent]:
        """Let the open call of a step succeed with this body."""
        return self.reply(path, ok(body, code=code))

    def fail(self, path: str, kind: str = "NoAnswer", **fields: object) -> list[HistoryEvent]:
        """Let the open call of a step fail; `fields` are those of `replies.failed`."""
        return self.reply(path, failed(kind, **fields))  # type: ignore[arg-type]  # its fields

    def facts_answers(self, *answers: Answer) -> list[HistoryEvent]:
        """Hand over answers as they are, open or not."""
        return self.turn(answers=answers)

    def event(
        self, name: str, data: Json = None, *, event_id: str | None = None, door: Door = Door.SPEC
    ) -> list[HistoryEvent]:
        """Raise an external event; ids are made up where none is given."""
        self._raised += 1
        event = ExternalEvent(id=event_id or f"e{self._raised}", name=name, data=data, door=door)
        return self.turn(events=(event,))

    def suspend(self, reason: str | None = None) -> list[HistoryEvent]:
        """Set `spec.suspend`."""
        self.control(is_suspended=True, suspend_reason=reason)
        return self.turn()

    def resume(self) -> list[HistoryEvent]:
        """Unset `spec.suspend`."""
        self.control(is_suspended=False, suspend_reason=None)
        return self.turn()

    def terminate(self, reason: str = "") -> list[HistoryEvent]:
        """Set `spec.terminate`."""
        self.control(terminate=reason)
        return self.turn()

    def later(self, **length: float) -> list[HistoryEvent]:
        """Let time pass in one leap (fields of timedelta); what came due meanwhile acts."""
        self.now += timedelta(**length)
        return self.turn()

    def until_wake(self) -> list[HistoryEvent]:
        """Let time pass until the next timer comes due."""
        wake = next_wake(self.state)
        assert wake is not None, f"nothing comes due: {self.summary.message}"
        self.now = max(self.now, wake)
        return self.turn()

    def play(self, script: Mapping[str, Iterable[Reply]]) -> None:
        """Answer calls from the script, by step path, and pass time, until nothing goes on.

        A call that the script has no (more) reply for stays open.
        """
        left = {path: list(replies) for path, replies in script.items()}
        for _ in range(MAX_TURNS):
            due = {w.path: left[w.path].pop(0) for w in self.open if left.get(w.path)}
            if due:
                self.replies(due)
            elif not self.open and next_wake(self.state) is not None:
                self.until_wake()
            else:
                return
        raise AssertionError("the story never ends")


def check_turn(state: State, decided: list[HistoryEvent]) -> None:
    """Assert what holds of every decision: bounded, ids without gap, time never back."""
    assert len(decided) <= MAX_EVENTS, f"{len(decided)} events in one turn"
    last_at = state.last_at
    for expected, event in enumerate(decided, state.last_id + 1):
        assert event.id == expected, f"event {event.id} where {expected} is due"
        assert last_at is None or event.at >= last_at, f"event {event.id} goes back in time"
        last_at = event.at
