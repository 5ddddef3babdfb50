"""When polling is over: the condition of a polled call, asked on behalf of its executor."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Orchestrator
from perdure.engine.state import State
from perdure.engine.values import Json
from perdure.engine.work import ActivityWork
from perdure.language.flow import FlowOrchestrator
from perdure.ports import Clock


@dataclass(frozen=True, slots=True)
class _Asked:
    state: State
    orchestrator: FlowOrchestrator


class PollConditions:
    """Keeps what the conditions need of the instances whose calls are polled here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, _Asked] = {}

    def note(self, state: State, orchestrator: Orchestrator | None) -> None:
        """Take note of an instance as it stands; it is forgotten when it polls nothing."""
        polls = any(
            isinstance(a.request, dict) and "poll" in a.request for a in state.activities.values()
        )
        if polls and isinstance(orchestrator, FlowOrchestrator):
            self._asked[state.uid] = _Asked(state, orchestrator)
        else:
            self._asked.pop(state.uid, None)

    def forget(self, uid: str) -> None:
        """Forget an instance that has ended or is gone."""
        self._asked.pop(uid, None)

    def holds(self, work: ActivityWork, result: Json) -> bool | Failure:
        """Return whether polling is over with this result, or why that cannot be said."""
        asked = self._asked.get(work.uid)
        if asked is None:
            return Failure(type="Cancelled", message="the instance does not poll any more")
        return asked.orchestrator.is_over(asked.state, work.path, result, self._clock.now())
