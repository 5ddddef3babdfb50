"""Finding where a call goes: the Service is read, the name resolved, once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

import pytest
from tests.executors.ledger import DEADLINE, ScriptedNames, SteppingClock, StoredServices

from perdure.engine.events import Failure
from perdure.errors import ObjectForbiddenError, ThrottledError, TransientError
from perdure.executors.failures import CallFailedError
from perdure.executors.places import Places, SystemResolver
from perdure.executors.policy import CallPolicy
from perdure.executors.targets import ServiceRef, Target
from perdure.executors.urls import Origin, parse_url

PUBLIC = "93.184.215.14"
INVENTORY = ServiceRef(namespace="shop", name="inventory")


def stored(address: str = "10.96.3.4") -> StoredServices:
    body = {"spec": {"clusterIP": address, "ports": [{"port": 80}]}}
    return StoredServices({("shop", "inventory"): body})  # type: ignore[dict-item]


def places(
    objects: StoredServices | None = None,
    policy: CallPolicy | None = None,
    clock: SteppingClock | None = None,
    names: Sequence[Sequence[str]] = (),
) -> tuple[Places, ScriptedNames]:
    resolver = ScriptedNames(list(names))
    found = Places(
        objects or StoredServices(), policy or CallPolicy(), clock or SteppingClock(), resolver
    )
    return found, resolver


async def failing(found: Places, place: ServiceRef | Origin) -> Failure:
    with pytest.raises(CallFailedError) as caught:
        await found.find(place)
    assert not caught.value.failure.unknown
    return caught.value.failure


async def test_a_service_serves_for_two_seconds_and_is_read_again() -> None:
    objects, clock = stored(), SteppingClock()
    found, _ = places(objects, clock=clock)
    await found.find(INVENTORY)
    objects.services = stored("10.96.9.9").services
    clock.at = 1.9
    assert (await found.find(INVENTORY)).addresses == ("10.96.3.4",)
    clock.at = 2.0
    assert (await found.find(INVENTORY)).addresses == ("10.96.9.9",)
    assert len(objects.reads) == 2


async def test_a_missing_service_is_worth_another_try_and_not_remembered() -> None:
    objects = StoredServices()
    found, _ = places(objects)
    failure = await failing(found, INVENTORY)
    assert failure.type == "NoAnswer"
    assert failure.retryable
    assert failure.message == 'Service "inventory" does not exist in namespace "shop"'
    objects.services = stored().services
    assert (await found.find(INVENTORY)).addresses == ("10.96.3.4",)


@pytest.mark.parametrize(
    ("error", "expected", "wish"),
    [
        (TransientError("down"), "NoAnswer", None),
        (ThrottledError("slow", retry_after=7), "NoAnswer", 7),
        (ObjectForbiddenError("no", status=403), "NotAllowed", None),
    ],
)
async def test_an_unreadable_service_is_a_failure(
    error: Exception, expected: str, wish: float | None
) -> None:
    found, _ = places(StoredServices(failing=[error]))
    failure = await failing(found, INVENTORY)
    assert failure.type == expected
    assert failure.retryable is (expected == "NoAnswer")
    assert failure.retry_after_seconds == wish


async def test_services_of_two_namespaces_are_not_mixed_up() -> None:
    objects = stored()
    found, _ = places(objects)
    await found.find(INVENTORY)
    failure = await failing(found, ServiceRef(namespace="other", name="inventory"))
    assert "other" in failure.message


async def test_a_mapped_service_is_not_read_and_may_be_on_loopback() -> None:
    objects = StoredServices()
    policy = CallPolicy.parse(service_map=["inventory=http://localhost:9000"])
    found, _ = places(objects, policy, names=[["::1", "127.0.0.1"]])
    target = await found.find(INVENTORY)
    assert target.addresses == ("::1", "127.0.0.1")
    assert objects.reads == []


async def test_a_name_that_is_not_allowed_is_not_even_looked_up() -> None:
    found, names = places(names=[[PUBLIC]])
    failure = await failing(found, parse_url("http://example.com/").origin)
    assert failure.type == "NotAllowed"
    assert names.lookups == []


async def test_each_call_pins_what_its_own_lookup_gave() -> None:
    """DNS rebinding: public at first, private the next time."""
    policy = CallPolicy.parse(["example.com"])
    found, names = places(policy=policy, names=[[PUBLIC], ["169.254.169.254"]])
    origin = parse_url("http://example.com/").origin
    first: Target = await found.find(origin)
    assert first.addresses == (PUBLIC,)
    assert names.lookups == ["example.com"]
    assert (await failing(found, origin)).type == "NotAllowed"


@pytest.mark.parametrize("names", [[], [[]]])
async def test_a_name_without_address_is_worth_another_try(names: list[list[str]]) -> None:
    found, _ = places(policy=CallPolicy.parse(["example.com"]), names=names)
    failure = await failing(found, parse_url("http://example.com/").origin)
    assert failure.type == "NoAnswer"
    assert failure.retryable


async def test_a_literal_address_is_not_looked_up() -> None:
    found, names = places(policy=CallPolicy.parse(["10.0.0.0/8"]), names=[[PUBLIC]])
    target = await found.find(parse_url("http://10.1.2.3:81/").origin)
    assert target.addresses == ("10.1.2.3",)
    assert names.lookups == []


async def test_the_systems_resolver_gives_each_address_once() -> None:
    resolver = SystemResolver()
    with contextlib.closing(resolver):
        found = await resolver.addresses("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found) > 0


async def test_slow_names_hold_up_no_other_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        release.wait(DEADLINE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = SystemResolver()
    lookups = [asyncio.ensure_future(resolver.addresses(f"{n}.test")) for n in range(40)]
    try:
        async with asyncio.timeout(DEADLINE):
            assert await asyncio.to_thread(lambda: "free") == "free"
        assert not any(lookup.done() for lookup in lookups)
    finally:
        release.set()
        await asyncio.gather(*lookups)
        resolver.close()
