"""One user, who asks until there is an answer and writes down what was answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import aiohttp
from tests.cluster.api import Api, Object
from tests.cluster.errors import ApiError
from tests.e2e.trial import now

from perdure.engine.values import Json
from perdure.verification.evidence import ClientCall, Deed, Outcome

RETRY_SECONDS = 0.3
UNCLEAR = frozenset({403, 408, 429})
"""To be asked again. An API server that has just started may not know yet who may do what."""

Request = Callable[[], Awaitable[Object]]


class User:
    """Keeps a log of everything that was asked for, each over as many requests as it took."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self.calls: list[ClientCall] = []

    async def ask(
        self,
        deed: Deed,
        name: str,
        uid: str,
        request: Request,
        details: Mapping[str, Json] | None = None,
    ) -> Object | ApiError:
        """Repeat a request until it is answered; return the object, or what it was refused with.

        The log has the call when it is over: all requests but the last had no clear answer.
        """
        invoked = now()
        tries = 0
        while True:
            tries += 1
            try:
                answer: Object | ApiError = await request()
            except ApiError as error:
                if error.status >= 500 or error.status in UNCLEAR:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                answer = error
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            break
        outcome = outcome_of(answer, tries)
        self.calls.append(
            ClientCall(
                invoked=moment(invoked),
                returned=moment(now()),
                client="user",
                deed=deed,
                namespace=self.namespace,
                name=name,
                uid=uid or uid_of(answer),
                outcome=outcome,
                details=details or {},
            )
        )
        return answer

    async def read(self, path: str) -> Object | None:
        """Return an object, however often that takes; None where there is none."""
        while True:
            try:
                return await self.api.find(path)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)


def outcome_of(answer: Object | ApiError, tries: int) -> Outcome:
    """Return what a caller knows; a refusal of a repeat may follow from its own first try."""
    if not isinstance(answer, ApiError):
        return Outcome.ACKNOWLEDGED
    return Outcome.REFUSED if tries == 1 else Outcome.UNKNOWN


def uid_of(answer: Object | ApiError) -> str:
    return "" if isinstance(answer, ApiError) else str(answer.get("metadata", {}).get("uid", ""))


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
