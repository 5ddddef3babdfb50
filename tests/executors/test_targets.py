"""What of a Service is called, and what of it never is."""

from __future__ import annotations

import pytest

from perdure.engine.values import Json, JsonObject
from perdure.executors.failures import CallFailedError
from perdure.executors.policy import CallPolicy
from perdure.executors.targets import (
    ServiceRef,
    check_service_name,
    is_same_service,
    mapped_target,
    resource_url,
    service_target,
)
from perdure.executors.urls import Origin, parse_url

HTTP: JsonObject = {"name": "http", "port": 8080, "protocol": "TCP"}
ADMIN: JsonObject = {"name": "admin", "port": 9000}
SECURE: JsonObject = {"name": "web", "port": 443, "appProtocol": "https"}
DNS: JsonObject = {"name": "dns", "port": 53, "protocol": "UDP"}


def service(*ports: JsonObject, **spec: Json) -> JsonObject:
    return {"spec": {"type": "ClusterIP", "clusterIP": "10.96.3.4", "ports": [*ports], **spec}}


def ref(port: int | str | None = None, scheme: str | None = None) -> ServiceRef:
    return ServiceRef(namespace="shop", name="inventory", port=port, scheme=scheme)


def refusal(reference: ServiceRef, body: JsonObject, *, api_server: str = "10.96.0.1") -> str:
    with pytest.raises(CallFailedError) as caught:
        service_target(reference, body, CallPolicy.parse(api_server=[api_server]))
    assert caught.value.failure.type == "NotAllowed"
    return caught.value.failure.message


@pytest.mark.parametrize(
    ("port", "ports", "expected"),
    [
        (None, [HTTP], 8080),
        (None, [HTTP, DNS], 8080),
        (8080, [HTTP, ADMIN], 8080),
        ("admin", [HTTP, ADMIN], 9000),
        ("9000", [HTTP, ADMIN], 9000),
    ],
)
def test_a_service_is_called_at_its_cluster_ip_and_port(
    port: int | str | None, ports: list[JsonObject], expected: int
) -> None:
    target = service_target(ref(port), service(*ports), CallPolicy())
    assert target.addresses == ("10.96.3.4",)
    assert target.origin == Origin("http", "inventory.shop.svc", expected)
    assert target.origin.authority == f"inventory.shop.svc:{expected}"


@pytest.mark.parametrize(
    ("scheme", "port", "expected"),
    [
        (None, HTTP, "http"),
        (None, SECURE, "https"),
        ("https", HTTP, "https"),
        ("http", SECURE, "http"),
    ],
)
def test_the_scheme_is_given_or_that_of_the_port(
    scheme: str | None, port: JsonObject, expected: str
) -> None:
    assert service_target(ref(scheme=scheme), service(port), CallPolicy()).origin.scheme == expected


def test_of_several_ports_one_has_to_be_chosen_and_they_are_named() -> None:
    message = refusal(ref(), service(HTTP, ADMIN, DNS))
    assert (
        message == "service/inventory: set port to one of its TCP ports: 8080 (http), 9000 (admin)"
    )


@pytest.mark.parametrize("port", [53, "dns", 81, "metrics", "8081"])
def test_a_port_the_service_does_not_have_is_refused(port: int | str) -> None:
    assert "its ports: 8080 (http)" in refusal(ref(port), service(HTTP, DNS))


def test_a_service_without_ports_is_refused() -> None:
    assert "none" in refusal(ref(), service())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "::",
     "::ffff:10.0.0.1", "64:ff9b::7f00:1", "10.96.0.1", "2002:a60:1::", "nonsense"],
)  # fmt: skip
def test_an_address_that_no_service_should_have_is_refused(address: str) -> None:
    assert "service/inventory" in refusal(ref(), service(HTTP, clusterIP=address))


def test_the_service_of_the_api_server_is_refused_wherever_it_is() -> None:
    reference = ServiceRef(namespace="default", name="kubernetes")
    assert "API server" in refusal(reference, service(HTTP))


def test_external_names_and_headless_services_are_refused() -> None:
    external = service(HTTP, type="ExternalName", externalName="evil.test", clusterIP="")
    assert "ExternalName" in refusal(ref(), external)
    assert "headless" in refusal(ref(), service(HTTP, clusterIP="None"))


def test_a_service_without_address_yet_is_worth_another_try() -> None:
    with pytest.raises(CallFailedError) as caught:
        service_target(ref(), service(HTTP, clusterIP=""), CallPolicy())
    assert caught.value.failure.type == "NoAnswer"
    assert caught.value.failure.retryable
    assert not caught.value.failure.unknown


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "../pods", "a%2fb", "a?x", "a.b", "A", "-a", "a-", "a\n", "a b", "ä", "a" * 64],
)
def test_a_name_that_no_service_can_have_never_reaches_the_api_server(name: str) -> None:
    with pytest.raises(CallFailedError):
        check_service_name(name)


def test_a_mapped_service_keeps_the_path_of_its_base() -> None:
    target = mapped_target(parse_url("http://127.0.0.1:9000/base/"), ["127.0.0.1"])
    assert str(resource_url(target, "/a?x=1")) == "http://127.0.0.1:9000/base/a?x=1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://inventory:8080/x", True),
        ("http://inventory.shop:8080/x", True),
        ("http://inventory.shop.svc:8080/x", True),
        ("http://inventory.shop.svc.cluster.local:8080/x", True),
        ("http://inventory/x", False),
        ("https://inventory:8080/x", False),
        ("http://inventory.other.svc:8080/x", False),
        ("http://evil.test:8080/x", False),
    ],
)
def test_a_service_is_known_by_all_its_names(url: str, expected: bool) -> None:
    target = service_target(ref(), service(HTTP), CallPolicy())
    assert is_same_service(ref(), target, parse_url(url).origin) is expected
