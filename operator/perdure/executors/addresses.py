"""Which IP addresses a call by `url` may reach: pure rules over `ipaddress` values.

An address outside the special blocks is public. One inside is reached only if an entry of the
administrator names it, that is, lies wholly within its block: a wide entry such as 0.0.0.0/0 or
::/0 says "everything public", never "also the metadata service". An address that carries an IPv4
address inside (mapped, NAT64, 6to4, Teredo) has to pass as both.
Source: IANA special-purpose address registries (RFC 6890, RFC 8190).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
COMPATIBLE = ipaddress.IPv6Network("::/96")

_BLOCKS = {
    "0.0.0.0/32": "unspecified",
    "0.0.0.0/8": "this-network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud host",  # Azure's wire server, public by number only
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "100::/64": "discard",
    "2001::/23": "protocol",  # with Teredo and ORCHID
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
    # Global unicast is 2000::/3 only; everything beside it is not handed out.
    "::/3": "reserved",
    "4000::/2": "reserved",
    "8000::/1": "reserved",
}


def _most_specific_first() -> tuple[tuple[Network, str], ...]:
    blocks = [(ipaddress.ip_network(text), kind) for text, kind in _BLOCKS.items()]
    return tuple(sorted(blocks, key=lambda block: -block[0].prefixlen))


SPECIAL_BLOCKS = _most_specific_first()


def special_block(address: Address) -> tuple[Network, str] | None:
    """Return the narrowest special block the address is in and its kind; None if it is public."""
    return next((block for block in SPECIAL_BLOCKS if address in block[0]), None)


def embedded(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address leads to; None if it is only itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    is_suffixed = address in NAT64 or address in NAT64_LOCAL or address in COMPATIBLE
    if is_suffixed and int(address) > 1:  # not :: and ::1
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def all_forms(address: Address) -> tuple[Address, ...]:
    """Return the address and what it carries inside."""
    inner = embedded(address)
    return (address,) if inner is None else (address, inner)


def refusal(address: Address, named: Sequence[Network], never: Iterable[Address]) -> str | None:
    """Return why the address may not be reached, for people; None if it may.

    `named` are the administrator's CIDR and IP entries; `never` is refused whatever they say.
    """
    forbidden = frozenset(never)
    for form in all_forms(address):
        if form in forbidden:
            return f"{address} is the API server's address, which is never called"
        block = special_block(form)
        if block is not None and not _is_named(form, named, block[0]):
            inside = "" if form == address else f" (leads to {form})"
            return (
                f"{address}{inside} is a {block[1]} address, "
                f"which --http-allow of the operator does not name"
            )
    return None


def _is_named(address: Address, named: Sequence[Network], block: Network) -> bool:
    return any(address in network and _is_within(network, block) for network in named)


def _is_within(network: Network, block: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(block, ipaddress.IPv4Network) and network.subnet_of(block)
    return isinstance(block, ipaddress.IPv6Network) and network.subnet_of(block)
