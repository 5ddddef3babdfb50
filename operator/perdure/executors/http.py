"""Calls over HTTP: one activity attempt is one request, or one start and its polls.

Source: docs/architecture.md#calls; docs/language.md, the verb `http`.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias
from urllib.parse import urljoin

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json
from perdure.engine.work import ActivityWork
from perdure.executors.answers import Response, answer_of, result_headers, wish_of
from perdure.executors.calls import Call, Poll, parse_call, poll_headers, start_headers
from perdure.executors.connections import Outgoing, Sender
from perdure.executors.failures import CallFailedError, invalid_answer, timed_out
from perdure.executors.places import Places, Resolver
from perdure.executors.policy import CallPolicy
from perdure.executors.targets import ServiceRef, Target, is_same_service, resource_url
from perdure.executors.urls import Url, parse_url
from perdure.ports import Clock, Objects

Until: TypeAlias = Callable[[ActivityWork, Json], bool | Failure]
"""Whether polling is over, given the work and the result of a poll; a Failure if that fails."""

USER_AGENT = f"perdure/{importlib.metadata.version('perdure')}"
MAX_READ_AT_ONCE = 64 * 1024
"""Bytes; a mebibyte of small JSON values takes 0.3 s, which must not stop every other instance."""
MUTE_LOOK_SECONDS = 0.5
"""Between two looks whether this process may send again: far less than the 5 s that it was mute."""
_FATE_UNKNOWN = frozenset({"NoAnswer", "Timeout"})


@dataclass(frozen=True, slots=True)
class _Route:
    """Where one request goes."""

    target: Target
    outgoing: Outgoing


class HttpExecutor:
    """Carries out `http` activities. It reports; the engine decides.

    What goes wrong is a Failure in the Answer; cancellation closes the connection at once and
    propagates. No credentials, cookies or proxies of the operator take part. `close` it before the
    loop ends: it closes the resolver and the sender, too.

    Nothing is sent, no poll either, while `may_send` says no: it is asked right before sending,
    because the way there may have taken long. What waits goes on when it says yes, and is cancelled
    where somebody else has taken the work over.
    """

    def __init__(
        self,
        objects: Objects,
        policy: CallPolicy,
        clock: Clock,
        *,
        until: Until,
        resolver: Resolver,
        sender: Sender,
        may_send: Callable[[], bool],
    ) -> None:
        self._places = Places(objects, policy, clock, resolver)
        self._sender = sender
        self._clock = clock
        self._until = until
        self._may_send = may_send

    async def close(self) -> None:
        """Abort open calls, release their connections and close the resolver."""
        self._places.close()
        await self._sender.close()

    async def execute(self, work: ActivityWork) -> Answer:
        """Make the call, or poll one that was accepted.

        For every complete answer the result is `{code, headers, body}`; from code 400 on with
        an `HttpStatus` failure beside it, which `expect` may overrule. A failure of any other
        type comes without result and is not for `expect`.
        """
        try:
            call = parse_call(work)
            if not work.is_accepted:
                return await self._start(work, call)
            assert call.poll is not None, "only a call with poll is accepted"
            return await self._poll_until_over(work, call, call.poll)
        except CallFailedError as error:
            return Answer(scheduled_id=work.scheduled_id, failure=error.failure)

    async def _start(self, work: ActivityWork, call: Call) -> Answer:
        answer = await self._exchange(work, call, lambda: self._start_route(work, call))
        if call.poll is None or answer.failure is not None:
            return answer
        _check_pollable(call, call.poll, answer)
        return replace(answer, accepted=True)

    async def _start_route(self, work: ActivityWork, call: Call) -> _Route:
        target = await self._start_target(call)
        url = resource_url(target, call.path)
        outgoing = Outgoing(
            label=call.label,
            method=call.method,
            path=call.with_query(url.target),
            headers=start_headers(work, call, USER_AGENT),
            content=call.content,
        )
        return _Route(target, outgoing)

    async def _start_target(self, call: Call) -> Target:
        place = call.place if isinstance(call.place, ServiceRef) else call.place.origin
        return await self._places.find(place)

    async def _exchange(
        self, work: ActivityWork, call: Call, route: Callable[[], Awaitable[_Route]]
    ) -> Answer:
        """Send, and read what came; raise CallFailedError."""
        label, response = await self._sent(call, route)
        read = partial(answer_of, work.scheduled_id, label, response, self._clock.now())
        is_long = len(response.content) > MAX_READ_AT_ONCE or "content-encoding" in response.names
        return await asyncio.to_thread(read) if is_long else read()

    async def _sent(
        self, call: Call, route: Callable[[], Awaitable[_Route]]
    ) -> tuple[str, Response]:
        """Find the way and send, both within the attempt's time, which begins anew while mute.

        A mute process does not look for the way, either: it may not reach the API server, and the
        attempt, or the poll, would fail by that.
        """
        while True:
            await self._heard()
            label, is_sent = call.label, False
            try:
                async with asyncio.timeout(call.timeout_seconds):
                    way = await route()
                    label, is_sent = way.outgoing.label, self._may_send()
                    if is_sent:
                        return label, await self._sender.send(way.target, way.outgoing)
            except TimeoutError:
                message = f"{label}: no complete answer within {call.timeout_seconds:g} s"
                raise timed_out(message, is_unknown=is_sent) from None

    async def _heard(self) -> None:
        while not self._may_send():
            await self._clock.sleep(MUTE_LOOK_SECONDS)

    async def _poll_until_over(self, work: ActivityWork, call: Call, poll: Poll) -> Answer:
        """Poll until the condition holds, or too many polls in a row have failed.

        Polls are reads and leave no trace in history; a process that takes over begins anew.
        """
        failures = 0
        start = Answer(scheduled_id=work.scheduled_id, result=work.answer)
        wish = wish_of(start, self._clock.now())
        while True:
            await self._clock.sleep(max(poll.every_seconds, wish))
            answer = await self._poll_once(work, call, poll)
            if answer.failure is None:
                failures = 0
                verdict = self._until(work, answer.result)
                if isinstance(verdict, Failure):
                    return Answer(scheduled_id=work.scheduled_id, failure=verdict)
                if verdict:
                    return answer
            else:
                failures += 1
                if failures == poll.attempts or not answer.failure.retryable:
                    return answer
            wish = wish_of(answer, self._clock.now())

    async def _poll_once(self, work: ActivityWork, call: Call, poll: Poll) -> Answer:
        try:
            return await self._exchange(work, call, lambda: self._poll_route(work, call, poll))
        except CallFailedError as error:
            failure = error.failure
            if failure.type in _FATE_UNKNOWN:
                # The start was accepted: what became of it is not known, whether or not this
                # read was sent. A step that runs at most once must not start it again.
                failure = replace(failure, unknown=True)
            return Answer(scheduled_id=work.scheduled_id, failure=failure)

    async def _poll_route(self, work: ActivityWork, call: Call, poll: Poll) -> _Route:
        start = await self._start_target(call)
        url = _poll_url(call, poll, start, work.answer)
        is_same = url.origin == start.origin
        target = start
        if not is_same and _is_service_url(call, poll, start, url):
            url, is_same = Url(start.origin, url.target), True
        if not is_same:
            target = await self._places.find(url.origin)
        outgoing = Outgoing(
            label=f"GET {_poll_label(call, url, is_same)}",
            method="GET",
            path=url.target,
            headers=poll_headers(work, call, USER_AGENT, is_same_origin=is_same),
        )
        return _Route(target, outgoing)


def _check_pollable(call: Call, poll: Poll, answer: Answer) -> None:
    if poll.url is None and poll.path is None and _location(answer.result) is None:
        raise invalid_answer(
            f"{call.label}: the answer has no Location to poll; set poll.path or poll.url"
        )


def _location(result: Json) -> str | None:
    location = result_headers(result).get("location")
    return location if isinstance(location, str) else None


def _poll_url(call: Call, poll: Poll, start: Target, answer: Json) -> Url:
    """Return what to poll; a Location is resolved against the URL of the start (RFC 9110 §10.2.2).

    Raises CallFailedError: NotAllowed, InvalidAnswer.
    """
    if poll.url is not None:
        return poll.url
    if poll.path is not None:
        return resource_url(start, poll.path)
    location = _location(answer)
    if location is None:
        raise invalid_answer(f"{call.label}: the answer that was stored has no Location to poll")
    return parse_url(urljoin(str(resource_url(start, call.path)), location))


def _is_service_url(call: Call, poll: Poll, start: Target, url: Url) -> bool:
    """Tell whether a Location names the Service that was called by another of its names."""
    if poll.url is not None or not isinstance(call.place, ServiceRef):
        return False
    return is_same_service(call.place, start, url.origin)


def _poll_label(call: Call, url: Url, is_same: bool) -> str:
    path = url.target.partition("?")[0]
    if is_same and isinstance(call.place, ServiceRef):
        return f"{call.place}{path}"
    return f"{url.origin}{path}"
