"""Who may be called by url: the administrator's entries against hosts and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from perdure.errors import SettingsError
from perdure.executors.addresses import embedded, special_block
from perdure.executors.failures import CallFailedError
from perdure.executors.policy import CallPolicy
from perdure.executors.targets import Target, url_target
from perdure.executors.urls import parse_url

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
EVERYTHING = ("0.0.0.0/0", "::/0", "example.com", "*.example.com")

# Not reached even where the administrator allows "everything".
SPECIAL = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this-network"),
    ("10.0.0.1", "private"),
    ("10.96.0.1", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "shared"),
    ("100.100.100.200", "shared"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud host"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "link-local"),
    ("169.254.170.2", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.170", "protocol"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.0.1", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::2", "IPv4-compatible"),
    ("::7f00:1", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "IPv4-mapped"),
    ("::ffff:169.254.169.254", "IPv4-mapped"),
    ("::ffff:93.184.215.14", "IPv4-mapped"),
    ("64:ff9b::7f00:1", "NAT64"),
    ("64:ff9b::a9fe:a9fe", "NAT64"),
    ("64:ff9b:1::a9fe:a9fe", "NAT64"),
    ("100::1", "discard"),
    ("1::1", "reserved"),
    ("2001::1", "protocol"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "protocol"),
    ("2001:10::1", "protocol"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("2002:a9fe:a9fe::", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "segment routing"),
    ("8000::1", "reserved"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
]


def allowed(*entries: str, api_server: Sequence[str] = ()) -> CallPolicy:
    return CallPolicy.parse(entries, api_server=api_server)


def target(policy: CallPolicy, url: str, *addresses: str) -> Target:
    """Do what a call does: check the origin, then what its name resolved to."""
    origin = parse_url(url).origin
    policy.check_origin(origin)
    return url_target(origin, addresses or (origin.host,), policy)


def refusal(policy: CallPolicy, url: str, *addresses: str) -> str:
    with pytest.raises(CallFailedError) as caught:
        target(policy, url, *addresses)
    assert caught.value.failure.type == "NotAllowed"
    return caught.value.failure.message


def in_url(address: str) -> str:
    return f"http://[{address}]/" if ":" in address else f"http://{address}/"


@pytest.mark.parametrize(("address", "kind"), SPECIAL)
def test_wide_entries_allow_no_special_address_in_the_url(address: str, kind: str) -> None:
    assert f"is a {kind} address" in refusal(allowed(*EVERYTHING), in_url(address))


@pytest.mark.parametrize(("address", "kind"), SPECIAL)
def test_an_allowed_name_does_not_lead_to_a_special_address(address: str, kind: str) -> None:
    message = refusal(allowed(*EVERYTHING), "http://api.example.com/", address)
    assert f"is a {kind} address" in message


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, "8.8.8.8", "172.32.0.1", "11.0.0.1"])
def test_an_allowed_name_leads_to_public_addresses(address: str) -> None:
    assert target(allowed("example.com"), "http://example.com/", address).addresses == (address,)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://localhost/", in_url(PUBLIC), in_url("10.0.0.1")]
)
def test_nothing_is_allowed_by_default(url: str) -> None:
    assert "--http-allow" in refusal(CallPolicy(), url, PUBLIC)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("example.com", "https://example.com:8443/"),
        ("EXAMPLE.com.", "http://example.com/"),
        ("example.com:8443", "https://example.com:8443/"),
        ("example.com:80", "http://example.com/"),
        ("*.example.com", "http://a.example.com/"),
        ("*.example.com", "http://a.b.example.com/"),
        ("*.example.com:443", "https://a.example.com/"),
    ],
)
def test_an_entry_allows_the_name_it_stands_for(entry: str, url: str) -> None:
    assert target(allowed(entry), url, PUBLIC).origin == parse_url(url).origin


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("example.com", "http://a.example.com/"),
        ("example.com", "http://example.com.evil.test/"),
        ("example.com", "http://notexample.com/"),
        ("example.com:8443", "https://example.com/"),
        ("*.example.com", "http://example.com/"),
        ("*.example.com", "http://notexample.com/"),
        ("*.example.com", "http://example.com.evil.test/"),
        ("*.example.com:443", "http://a.example.com/"),
        ("0.0.0.0/0", "http://example.com/"),
        (PUBLIC, "http://example.com/"),
    ],
)
def test_an_entry_allows_no_other_name_and_a_network_no_name(entry: str, url: str) -> None:
    assert "is not an allowed host" in refusal(allowed(entry), url, PUBLIC)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("fd00::/8", "fd00::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("0.0.0.0/0", PUBLIC),
        ("::/0", PUBLIC_V6),
    ],
)
def test_an_entry_within_a_block_names_its_addresses(entry: str, address: str) -> None:
    assert target(allowed(entry), in_url(address)).addresses == (address,)
    by_name = target(allowed("example.com", entry), "http://example.com/", address)
    assert by_name.addresses == (address,)


@pytest.mark.parametrize("entry", ["10.0.0.0/7", "0.0.0.0/1", "10.2.0.0/16", "::/0"])
def test_an_entry_beside_or_beyond_a_block_does_not(entry: str) -> None:
    assert "10.1.2.3" in refusal(allowed("example.com", entry), "http://example.com/", "10.1.2.3")


def test_a_port_of_an_address_entry_counts() -> None:
    policy = allowed("10.1.2.3:8080")
    assert target(policy, "http://10.1.2.3:8080/").origin.port == 8080
    assert "not an allowed address" in refusal(policy, "http://10.1.2.3/")


def test_behind_nat64_the_address_inside_has_to_pass_too() -> None:
    policy = allowed("example.com", "64:ff9b::/96")
    assert target(policy, "http://example.com/", "64:ff9b::5db8:d70e").addresses
    message = refusal(policy, "http://example.com/", "64:ff9b::a9fe:a9fe")
    assert "leads to 169.254.169.254" in message


@pytest.mark.parametrize("spelling", ["192.0.32.8", "::ffff:192.0.32.8", "64:ff9b::c000:2008"])
def test_the_api_server_is_never_called(spelling: str) -> None:
    policy = allowed("*.example.com", "192.0.32.8", "::ffff:0:0/96", "64:ff9b::/96",
                     api_server=["192.0.32.8"])  # fmt: skip
    assert "API server" in refusal(policy, "http://api.example.com/", spelling)
    assert "API server" in refusal(policy, "https://192.0.32.8/")


def test_of_several_addresses_only_the_allowed_ones_remain() -> None:
    found = target(allowed("example.com"), "http://example.com/", "10.0.0.1", PUBLIC, "::1")
    assert found.addresses == (PUBLIC,)


def test_an_address_with_a_zone_is_refused() -> None:
    policy = allowed("example.com", "fe80::/10")
    assert "link-local" in refusal(policy, "http://example.com/", "fe80::1%eth0")


def test_each_special_address_is_in_the_block_of_its_kind() -> None:
    for text, kind in SPECIAL:
        block = special_block(ipaddress.ip_address(text))
        assert block is not None
        assert block[1] == kind


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254"),
        ("2002:a9fe:a9fe::", "169.254.169.254"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("::127.0.0.1", "127.0.0.1"),
        ("::1", None),
        ("2606::1", None),
        ("127.0.0.1", None),
    ],
)
def test_an_ipv4_address_inside_an_ipv6_one_is_found(outer: str, inner: str | None) -> None:
    expected = None if inner is None else ipaddress.ip_address(inner)
    assert embedded(ipaddress.ip_address(outer)) == expected


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "*.*.com", "a*.com", "https://example.com", "example.com/x", "10.0.0.1/8",
     "10.0.0.0/33", "user@example.com", "example.com:", "example.com:0", "example.com:x",
     "0x7f.0.0.1", "127.1", "*.10.0.0.1", "[::1", "::1::", "fe80::1%eth0", "exa mple.com"],
)  # fmt: skip
def test_an_entry_that_cannot_be_meant_is_refused_by_name(entry: str) -> None:
    with pytest.raises(SettingsError, match="--http-allow"):
        CallPolicy.parse([entry])


@pytest.mark.parametrize(
    "entry", ["", "x", "x=", "=http://x/", "x=x", "x=ftp://y/", "a/b/c=http://x/"]
)
def test_a_service_map_entry_that_cannot_be_meant_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError, match="--service-map"):
        CallPolicy.parse(service_map=[entry])


def test_a_service_map_entry_with_namespace_goes_first() -> None:
    policy = CallPolicy.parse(service_map=["pay=http://a/", "shop/pay=http://b/"])
    assert str(policy.mapped("shop", "pay")) == "http://b/"
    assert str(policy.mapped("other", "pay")) == "http://a/"
    assert policy.mapped("shop", "ship") is None
