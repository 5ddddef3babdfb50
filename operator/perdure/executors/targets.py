"""Where a call goes: pure rules that turn a Service, a mapped service or a URL into a target.

A target carries the very addresses that were checked, and the call connects to one of them:
nothing resolves the name a second time. Source: docs/architecture.md#calls.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.executors.addresses import Address, all_forms, special_block
from perdure.executors.failures import CallFailedError, no_answer, not_allowed
from perdure.executors.policy import CallPolicy
from perdure.executors.urls import Origin, Url, parse_target, shown

_SERVICE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NEVER = frozenset({"unspecified", "loopback", "link-local", "multicast", "IPv4-mapped"})
_PORT_NUMBER = re.compile(r"[0-9]{1,5}")
_HTTPS_PROTOCOLS = frozenset({"https", "kubernetes.io/https"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRef:
    """What a request says about a Service; `port` is a number or name, None: the only one."""

    namespace: str
    name: str
    port: int | str | None = None
    scheme: str | None = None

    def __str__(self) -> str:
        return f"service/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place to connect to: `origin` gives Host header and TLS name, `addresses` where it is.

    `prefix` goes before every path (of a mapped service).
    """

    origin: Origin
    addresses: tuple[str, ...]
    prefix: str = ""


def check_service_name(name: str) -> str:
    """Return the name. Raises CallFailedError (NotAllowed) if no Service can have it.

    A name comes from an expression; it must not become a path at the API server.
    """
    if not _SERVICE_NAME.fullmatch(name):
        raise not_allowed(f"{shown(name)} is not the name of a Service")
    return name


def service_target(ref: ServiceRef, service: JsonObject, policy: CallPolicy) -> Target:
    """Return where the Service is: its clusterIP and port.

    Raises CallFailedError: NotAllowed for ExternalName, headless Services, ports it does not
    have, and addresses that no Service should have; NoAnswer while it has no address yet.
    """
    spec = _object(service.get("spec"))
    address = _cluster_ip(ref, spec)
    reason = _service_refusal(ref, address, policy)
    if reason is not None:
        raise not_allowed(f"{ref} in namespace {ref.namespace}: {reason}")
    port = _port(ref, spec)
    number = port.get("port")
    assert isinstance(number, int), "the API server gives every port a number"
    is_https = port.get("appProtocol") in _HTTPS_PROTOCOLS
    scheme = ref.scheme or ("https" if is_https else "http")
    origin = Origin(scheme, f"{ref.name}.{ref.namespace}.svc", number)
    return Target(origin=origin, addresses=(str(address),))


def _cluster_ip(ref: ServiceRef, spec: JsonObject) -> Address:
    if spec.get("type") == "ExternalName":
        raise not_allowed(f"{ref} is an ExternalName: use url, which the administrator allows")
    text = spec.get("clusterIP")
    if text == "None":
        raise not_allowed(f"{ref} is headless (clusterIP: None): give it a clusterIP to be called")
    if not isinstance(text, str) or not text:
        raise no_answer(f'Service "{ref.name}" in namespace "{ref.namespace}" has no clusterIP yet')
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise not_allowed(f"{ref}: clusterIP {shown(text)} is no IP address") from None


def _service_refusal(ref: ServiceRef, address: Address, policy: CallPolicy) -> str | None:
    # The Service of the API server is always this one, also where its address was not given.
    if (ref.namespace, ref.name) == ("default", "kubernetes"):
        return "it is the API server"
    for form in all_forms(address):
        if form in policy.api_server:
            return f"{address} is the API server's address"
        block = special_block(form)
        if block is not None and block[1] in _NEVER:
            return f"{address} is a {block[1]} address"
    return None


def _port(ref: ServiceRef, spec: JsonObject) -> JsonObject:
    ports = [_object(port) for port in _list(spec.get("ports"))]
    usable = [port for port in ports if port.get("protocol", "TCP") == "TCP"]
    if ref.port is None:
        found = usable
    else:
        wanted = ref.port
        if isinstance(wanted, str) and _PORT_NUMBER.fullmatch(wanted):
            wanted = int(wanted)  # a template gives text; a name is never all digits
        found = [port for port in usable if wanted in (port.get("port"), port.get("name"))]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(_port_label(port) for port in usable) or "none"
    if ref.port is None:
        raise not_allowed(f"{ref}: set port to one of its TCP ports: {listed}")
    raise not_allowed(f"{ref} has no TCP port {ref.port!r}; its ports: {listed}")


def _port_label(port: JsonObject) -> str:
    name = port.get("name")
    return f"{port.get('port')} ({name})" if name else f"{port.get('port')}"


def mapped_target(base: Url, addresses: Sequence[str]) -> Target:
    """Return the target of a service that `--service-map` leads elsewhere; nothing is checked."""
    prefix = base.target.partition("?")[0].rstrip("/")
    return Target(origin=base.origin, addresses=tuple(addresses), prefix=prefix)


def url_target(origin: Origin, addresses: Sequence[str], policy: CallPolicy) -> Target:
    """Return the target of an allowed URL: the addresses of the name that may be reached.

    Raises CallFailedError (NotAllowed) if no address may be.
    """
    allowed: list[str] = []
    refused: CallFailedError | None = None
    for text in addresses:
        try:
            if "%" in text:  # a zone id, as resolvers give with link-local addresses
                raise not_allowed(f"{origin}: {text} is a link-local address")
            policy.check_address(origin, ipaddress.ip_address(text))
            allowed.append(text)
        except CallFailedError as error:
            refused = error
    if not allowed:
        raise refused or no_answer(f"{origin} has no address")
    return Target(origin=origin, addresses=tuple(allowed))


def resource_url(target: Target, path: str) -> Url:
    """Return the URL of a path at the target. Raises CallFailedError (NotAllowed)."""
    return Url(target.origin, parse_target(f"{target.prefix}{path}"))


def is_same_service(ref: ServiceRef, target: Target, origin: Origin) -> bool:
    """Tell whether an absolute Location still names the Service that was called."""
    if (origin.scheme, origin.port) != (target.origin.scheme, target.origin.port):
        return False
    name = f"{ref.name}.{ref.namespace}"
    names = {ref.name, name, f"{name}.svc", f"{name}.svc.cluster.local", target.origin.host}
    return origin.host in names


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
