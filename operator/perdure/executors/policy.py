"""Whom the administrator allows to be called: `--http-allow` and `--service-map`, read once."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perdure.errors import SettingsError
from perdure.executors.addresses import Address, Network, all_forms, refusal
from perdure.executors.failures import CallFailedError, not_allowed
from perdure.executors.urls import Origin, Url, parse_authority, parse_host, parse_url


@dataclass(frozen=True, slots=True)
class HostEntry:
    """`host[:port]` or, as a suffix, `*.example.com`: a name that may be called.

    A suffix matches every name below it, not itself. Without port every port is meant.
    """

    host: str
    port: int | None
    is_suffix: bool = False

    def matches(self, origin: Origin) -> bool:
        """Tell whether the entry allows the name and port of the origin."""
        if self.port is not None and self.port != origin.port:
            return False
        return origin.host.endswith(f".{self.host}") if self.is_suffix else origin.host == self.host


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """A CIDR or one IP address; without port every port is meant."""

    network: Network
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """Whom calls may reach; the default allows no `url` at all.

    `service_map` leads (namespace or None for any, service) to a base URL instead of a Service:
    for development only, no address rule applies to it. `api_server` is never called, neither by
    `service` nor by `url`, whatever is allowed.
    """

    hosts: tuple[HostEntry, ...] = ()
    networks: tuple[NetworkEntry, ...] = ()
    service_map: Mapping[tuple[str | None, str], Url] = field(default_factory=dict)
    api_server: frozenset[Address] = frozenset()

    @classmethod
    def parse(
        cls,
        allow: Iterable[str] = (),
        service_map: Iterable[str] = (),
        api_server: Iterable[str] = (),
    ) -> CallPolicy:
        """Read `--http-allow` entries, `[namespace/]name=url` entries and IP addresses.

        Raises SettingsError, which names the entry and what is expected.
        """
        entries = [_allow_entry(text.strip()) for text in allow]
        return cls(
            hosts=tuple(entry for entry in entries if isinstance(entry, HostEntry)),
            networks=tuple(entry for entry in entries if isinstance(entry, NetworkEntry)),
            service_map=dict(_map_entry(text.strip()) for text in service_map),
            api_server=frozenset(form for text in api_server for form in _addresses(text)),
        )

    def mapped(self, namespace: str, service: str) -> Url | None:
        """Return the base URL that stands for a Service; an entry with namespace goes first."""
        exact = self.service_map.get((namespace, service))
        return exact if exact is not None else self.service_map.get((None, service))

    def check_origin(self, origin: Origin) -> None:
        """Check what is known before a name is resolved. Raises CallFailedError (NotAllowed)."""
        if origin.address is not None:
            return self.check_address(origin, origin.address)
        if not any(entry.matches(origin) for entry in self.hosts):
            raise not_allowed(
                f"{origin} is not an allowed host: --http-allow of the operator does not name it"
            )
        return None

    def check_address(self, origin: Origin, address: Address) -> None:
        """Check one address of an origin. Raises CallFailedError (NotAllowed).

        A literal address needs an entry that covers it; the address of an allowed name only if it
        is not public.
        """
        named = [e.network for e in self.networks if e.port in (None, origin.port)]
        is_literal = origin.address is not None
        if is_literal and not any(address in network for network in named):
            raise not_allowed(
                f"{origin} is not an allowed address: --http-allow of the operator does not name it"
            )
        reason = refusal(address, named, self.api_server)
        if reason is not None:
            raise not_allowed(f"{origin}: {reason}")


def _allow_entry(text: str) -> HostEntry | NetworkEntry:
    try:
        return _network_entry(text) if "/" in text else _host_entry(text)
    except (ValueError, CallFailedError) as error:
        raise SettingsError(
            f"--http-allow {text!r}: expected host[:port], *.suffix or a CIDR ({error})"
        ) from error


def _network_entry(text: str) -> NetworkEntry:
    return NetworkEntry(ipaddress.ip_network(text))


def _host_entry(text: str) -> HostEntry | NetworkEntry:
    if "%" in text:
        raise ValueError("zone ids are refused")
    if text.count(":") > 1 and not text.startswith("["):
        return NetworkEntry(ipaddress.ip_network(ipaddress.IPv6Address(text)))
    host, port = parse_authority(text.removeprefix("*."))
    if text.startswith("*."):
        return HostEntry(_name(host), port, is_suffix=True)
    address = Origin("http", host, 80).address
    return HostEntry(host, port) if address is None else NetworkEntry(_network(address), port)


def _name(host: str) -> str:
    if Origin("http", host, 80).address is not None:
        raise ValueError("a suffix is a name")
    return host


def _network(address: Address) -> Network:
    return ipaddress.ip_network(address)


def _map_entry(text: str) -> tuple[tuple[str | None, str], Url]:
    key, separator, url = text.partition("=")
    namespace, slash, name = key.rpartition("/")
    try:
        if not separator:
            raise ValueError("no = in it")
        labels = [parse_host(name)] + ([parse_host(namespace)] if slash else [])
        return (labels[1] if slash else None, labels[0]), parse_url(url)
    except (ValueError, CallFailedError) as error:
        raise SettingsError(
            f"--service-map {text!r}: expected [namespace/]name=url ({error})"
        ) from error


def _addresses(text: str) -> tuple[Address, ...]:
    try:
        return all_forms(ipaddress.ip_address(text))
    except ValueError as error:
        raise SettingsError(f"API server address {text!r}: expected an IP address") from error
