"""Finding where a call goes: the Service is read, the name resolved, each at most once a call."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from perdure.engine.values import JsonObject
from perdure.errors import ObjectError, ObjectNotFoundError, TransientError
from perdure.executors.failures import no_answer, not_allowed
from perdure.executors.policy import CallPolicy
from perdure.executors.targets import ServiceRef, Target, mapped_target, service_target, url_target
from perdure.executors.urls import Origin
from perdure.ports import SERVICES, Clock, Objects

CACHE_SECONDS = 2.0
"""How long a Service that was read serves again: a chain of calls reads it once, not per step."""
MAX_CACHED = 1000


class Resolver(Protocol):
    """Looks up names."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IP addresses of a name, best first. Raises OSError."""
        ...

    def close(self) -> None:
        """Release what it holds; look-ups under way may be dropped."""
        ...


class SystemResolver:
    """The system's resolver, in threads of its own: slow names must not hold up other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="perdure-names")

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IP addresses of a name, best first. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _lookup, host)
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Let the threads end; look-ups that have not begun are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _lookup(host: str) -> list[str]:
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


class Places:
    """Turns a Service or an origin into a target whose addresses are checked.

    A Service is cached by namespace and name for CACHE_SECONDS, never one that is missing.
    """

    def __init__(
        self, objects: Objects, policy: CallPolicy, clock: Clock, resolver: Resolver
    ) -> None:
        self._objects = objects
        self._policy = policy
        self._clock = clock
        self._resolver = resolver
        self._services: dict[tuple[str, str], tuple[float, JsonObject]] = {}

    def close(self) -> None:
        """Close the resolver."""
        self._resolver.close()

    async def find(self, place: ServiceRef | Origin) -> Target:
        """Return the target. Raises CallFailedError: NotAllowed, NoAnswer; nothing is sent."""
        if isinstance(place, ServiceRef):
            return await self._find_service(place)
        self._policy.check_origin(place)
        return url_target(place, await self._resolve(place), self._policy)

    async def _find_service(self, ref: ServiceRef) -> Target:
        mapped = self._policy.mapped(ref.namespace, ref.name)
        if mapped is not None:
            return mapped_target(mapped, await self._resolve(mapped.origin))
        return service_target(ref, await self._service(ref), self._policy)

    async def _service(self, ref: ServiceRef) -> JsonObject:
        key = (ref.namespace, ref.name)
        until, service = self._services.get(key, (0.0, {}))
        if self._clock.monotonic() < until:
            return service
        service = await self._read(ref)
        if len(self._services) >= MAX_CACHED:
            self._services.clear()
        self._services[key] = (self._clock.monotonic() + CACHE_SECONDS, service)
        return service

    async def _read(self, ref: ServiceRef) -> JsonObject:
        try:
            return await self._objects.get(SERVICES, ref.namespace, ref.name)
        except ObjectNotFoundError as error:
            raise no_answer(
                f'Service "{ref.name}" does not exist in namespace "{ref.namespace}"'
            ) from error
        except ObjectError as error:
            raise not_allowed(f"{ref}: the operator may not read this Service: {error}") from error
        except TransientError as error:
            raise no_answer(
                f"{ref}: reading the Service failed: {error}", retry_after=error.retry_after
            ) from error

    async def _resolve(self, origin: Origin) -> Sequence[str]:
        if origin.address is not None:
            return (origin.host,)
        try:
            found = await self._resolver.addresses(origin.host)
        except OSError as error:
            reason = error.strerror or str(error)
            raise no_answer(f"{origin}: the name cannot be resolved: {reason}") from error
        if not found:
            raise no_answer(f"{origin}: the name has no address")
        return found
