"""Activities in flight: started and cancelled by comparing them with what ought to be.

A claim is sent once by this process, whatever happens: `_sent` remembers it until the attempt is
closed. An answer is kept until a commit has closed its attempt, so a turn that lost its
compare-and-set finds it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.state import State
from perdure.engine.work import ActivityWork, open_work
from perdure.ports import Executor, InstanceKey, Meter, Presence

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """What one instance has in flight here, by scheduled id."""

    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    sent: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Claim id and whether it was sent as a poll."""

    @property
    def is_empty(self) -> bool:
        return not (self.tasks or self.answers or self.sent)


class Calls:
    """The activities this process carries out."""

    def __init__(
        self,
        executors: Mapping[str, Executor],
        presence: Presence,
        meter: Meter,
        answered: Callable[[InstanceKey], None],
    ) -> None:
        self._executors = executors
        self._presence = presence
        self._meter = meter
        self._answered = answered
        self._flights: dict[str, _Flight] = {}
        self._left: set[str] = set()
        """Uids of instances that were left to others while calls of them were claimed here."""
        self._is_stopping = False

    def answers(self, uid: str) -> tuple[Answer, ...]:
        """Return the answers that no commit has used up yet."""
        flight = self._flights.get(uid)
        return () if flight is None else tuple(flight.answers.values())

    def has_any(self, uid: str) -> bool:
        """Return whether this process has something in flight for the instance."""
        return uid in self._flights

    def is_settled(self, uid: str) -> bool:
        """Return whether nothing of the instance is being carried out here any more."""
        flight = self._flights.get(uid)
        return flight is None or not flight.tasks

    def reconcile(self, key: InstanceKey, state: State) -> bool:
        """Start what ought to be in flight here and is not, cancel what ought not to be.

        Returns False when something could not be started now because this process has not
        renewed its Lease lately; ask again soon.
        """
        wanted = {work.scheduled_id: work for work in open_work(state)}
        self._drop_closed(key.uid, wanted)
        if self._is_stopping:
            return True
        due = self._unsent(wanted.values())
        if due and not self._presence.may_send:
            return False
        for work in due:
            self._start(key, work)
        return True

    def has_unsent(self, state: State) -> bool:
        """Return whether a claim of this process has not been sent yet."""
        return bool(self._unsent(open_work(state)))

    def _unsent(self, wanted: Iterable[ActivityWork]) -> list[ActivityWork]:
        mine = (w for w in wanted if w.claim.incarnation == self._presence.incarnation)
        return [work for work in mine if not self._was_sent(work) and work.uid not in self._left]

    def _was_sent(self, work: ActivityWork) -> bool:
        flight = self._flights.get(work.uid)
        if flight is None:
            return False
        return flight.sent.get(work.scheduled_id) == (work.claim.claim_id, work.is_accepted)

    def _drop_closed(self, uid: str, wanted: Mapping[int, ActivityWork]) -> None:
        flight = self._flights.get(uid)
        if flight is None:
            return
        for scheduled_id in [i for i in flight.sent if not self._is_current(flight, wanted, i)]:
            del flight.sent[scheduled_id]
            flight.answers.pop(scheduled_id, None)
            task = flight.tasks.get(scheduled_id)
            if task is not None:
                task.cancel()
        if flight.is_empty:
            del self._flights[uid]

    @staticmethod
    def _is_current(flight: _Flight, wanted: Mapping[int, ActivityWork], i: int) -> bool:
        """Return whether what was sent is still this process's to carry out."""
        work = wanted.get(i)
        return work is not None and work.claim.claim_id == flight.sent[i][0]

    def _start(self, key: InstanceKey, work: ActivityWork) -> None:
        flight = self._flights.setdefault(key.uid, _Flight())
        flight.sent[work.scheduled_id] = (work.claim.claim_id, work.is_accepted)
        flight.answers.pop(work.scheduled_id, None)
        task = asyncio.create_task(self._carry_out(key, work))
        flight.tasks[work.scheduled_id] = task
        task.add_done_callback(lambda done: self._ended(key, work, done))

    async def _carry_out(self, key: InstanceKey, work: ActivityWork) -> None:
        answer = await self._execute(work)
        outcome = "Accepted" if answer.accepted else "Completed"
        if answer.failure is not None:
            outcome = "Failed"
        self._meter.count("activity_attempts_total", step_kind=work.kind, outcome=outcome)
        flight = self._flights.get(key.uid)
        current = (work.claim.claim_id, work.is_accepted)
        if flight is not None and flight.sent.get(work.scheduled_id) == current:
            flight.answers[work.scheduled_id] = answer

    async def _execute(self, work: ActivityWork) -> Answer:
        try:
            return await self._executors[work.kind].execute(work)
        except Exception as error:  # a bug of an executor fails its attempt, never the process
            logger.exception(
                "An executor failed",
                extra={"instance": work.instance, "namespace": work.namespace, "step": work.path},
            )
            failure = Failure(
                type="NoAnswer",
                message=f"the executor failed: {type(error).__name__}",
                retryable=True,
                unknown=True,
            )
            return Answer(scheduled_id=work.scheduled_id, failure=failure)

    def _ended(self, key: InstanceKey, work: ActivityWork, task: asyncio.Task[None]) -> None:
        flight = self._flights.get(key.uid)
        if flight is None:
            return
        if flight.tasks.get(work.scheduled_id) is task:
            del flight.tasks[work.scheduled_id]
        if flight.is_empty:
            del self._flights[key.uid]
        self._answered(key)

    async def leave(self, uid: str) -> None:
        """Abort what is open of an instance that others move from now on.

        Should it come back, its claims of this process are none that may be sent: they were.
        """
        if uid in self._flights:
            self._left.add(uid)
            await self.abort(uid)

    def has_left(self, uid: str) -> bool:
        """Return whether claims of this process are to be made anew: what they sent was aborted."""
        return uid in self._left

    def took_up(self, before: State, after: State) -> None:
        """Take note of a commit: if it left none of the claims from before, all that are open now
        may be sent."""
        kept = after.activities
        if not any(
            activity.claim.incarnation == self._presence.incarnation
            and number in kept
            and kept[number].claim == activity.claim
            for number, activity in before.activities.items()
        ):
            self._left.discard(before.uid)

    def forget(self, uid: str) -> None:
        """Keep nothing of an instance that is over."""
        self._left.discard(uid)

    async def abort(self, uid: str) -> None:
        """Cancel everything of the instance here and wait until it has ended."""
        flight = self._flights.get(uid)
        if flight is None:
            return
        tasks = list(flight.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._flights.get(uid) is flight:
            del self._flights[uid]

    def refuse_new(self) -> None:
        """Start nothing more: the process is stopping."""
        self._is_stopping = True

    async def drain(self, seconds: float) -> None:
        """Give open calls some time, then abort them; answers are kept for their commit."""
        tasks = [t for flight in self._flights.values() for t in flight.tasks.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    @property
    def count(self) -> int:
        """Return how many activities are in flight."""
        return sum(len(flight.tasks) for flight in self._flights.values())
