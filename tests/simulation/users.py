"""Users of a simulation: what a careful person with kubectl does, and what they know afterwards.

A user does one action after the other. What fails for now is tried again; when an answer was lost,
the user looks before trying again, and calls the outcome UNKNOWN where looking does not help.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.simulation.requests import Request, request_for
from tests.simulation.workloads.actions import Action

from perdure.errors import (
    ObjectConflictError,
    ObjectError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.ports import Clock, Objects
from perdure.verification.evidence import ClientCall, Deed, Outcome

ATTEMPTS = 12
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds; all pauses together are more than a minute, longer than most faults last."""


class User:
    """Performs actions over the Objects port and writes one record per action into the log."""

    def __init__(self, objects: Objects, clock: Clock, log: list[ClientCall], name: str) -> None:
        self._objects = objects
        self._clock = clock
        self._log = log
        self._name = name

    async def run(self, actions: Sequence[Action]) -> None:
        """Perform the actions in their order, each not before its time from now on."""
        begin, started = self._clock.now(), self._clock.monotonic()
        for number, action in enumerate(actions):
            early = action.at - (self._clock.monotonic() - started)
            if early > 0:
                await self._clock.sleep(early)
            request = request_for(action, begin=begin, mark=f"{self._name}-{number}")
            await self._perform(action, request)

    async def _perform(self, action: Action, request: Request) -> None:
        """Carry out one action; an unfinished one is in the log, too, without an end."""
        invoked = self._clock.now()
        place = len(self._log)
        self._log.append(self._record(action, request, invoked, Outcome.UNKNOWN))
        outcome, uid = await Attempts(self._objects, self._clock).carry_out(request)
        ended = self._clock.now()
        self._log[place] = self._record(action, request, invoked, outcome, uid, ended)

    def _record(
        self,
        action: Action,
        request: Request,
        invoked: datetime,
        outcome: Outcome,
        uid: str = "",
        returned: datetime | None = None,
    ) -> ClientCall:
        return ClientCall(
            invoked=invoked,
            returned=returned,
            client=self._name,
            deed=request.deed,
            namespace=action.namespace,
            name=request.name,
            uid=uid,
            outcome=outcome,
            details=request.details(),
        )


class Attempts:
    """The tries of one request, from the first to what is known in the end."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._is_in_doubt = False
        """Whether a try may have had, or may still have, an effect that nobody saw."""

    async def carry_out(self, request: Request) -> tuple[Outcome, str]:
        """Return how it ended, and the uid of what was meant where that is known."""
        conflicts = 0
        for attempt in range(ATTEMPTS):
            if attempt > 0:
                await self._pause(attempt)
            try:
                if self._is_in_doubt:
                    uid = await request.look(self._objects)
                    if uid is not None:
                        return Outcome.ACKNOWLEDGED, uid
                    if request.deed is Deed.EDIT:
                        return Outcome.UNKNOWN, ""
                return Outcome.ACKNOWLEDGED, await request.send(self._objects)
            except UnknownOutcomeError:
                self._is_in_doubt = True
            except TransientError as error:
                await self._clock.sleep(error.retry_after or 0.0)
            except ObjectConflictError:
                answer = await self._refused(request)
                if answer[0] is not Outcome.REFUSED or conflicts > 0:
                    return answer
                # What was in the way may have been ours, of a copy of this very try, and be gone.
                conflicts += 1
            except ObjectError:
                return await self._refused(request)
        return self._given_up(), ""

    async def _refused(self, request: Request) -> tuple[Outcome, str]:
        """Judge a refusal: it may be the echo of a success.

        Not only after a lost answer: a proxy on the way may have sent a request twice, and then
        the second one meets what the first one did.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                uid = await request.look(self._objects)
            except (TransientError, ObjectError):
                await self._pause(attempt)
                continue
            return (self._given_up(), "") if uid is None else (Outcome.ACKNOWLEDGED, uid)
        return Outcome.UNKNOWN, ""

    def _given_up(self) -> Outcome:
        return Outcome.UNKNOWN if self._is_in_doubt else Outcome.REFUSED

    async def _pause(self, attempt: int) -> None:
        await self._clock.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt))
