"""URLs, read strictly: one reading for the check and for the call, so that they cannot differ.

Refused is whatever two parsers read differently: user information, back-slashes, control
characters, percent-encoded or non-ASCII hosts, zone ids, numbers that some resolver takes for an
IP address. Source: RFC 3986 §3, RFC 6874, the WHATWG URL standard's "ends in a number".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from perdure.executors.addresses import Address
from perdure.executors.failures import not_allowed

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 8000
"""Characters; common servers stop at 8 KiB for the request line (RFC 9112 §3)."""

_URL = re.compile(r"(?P<scheme>[^:/?#]+)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?:#.*)?", re.S)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")
_TO_ENCODE = re.compile(r"""%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]|["<>\\^`{|}]""")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port. `host` is lower case, without brackets; an IP in its one form."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """Return the host as an IP address; None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """Return what the `Host` header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Url:
    """An origin and a request target: path and query, percent-encoded, starting with `/`."""

    origin: Origin
    target: str

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse_url(text: str) -> Url:
    """Return the parts of an absolute http or https URL; a fragment is dropped.

    Raises CallFailedError (NotAllowed).
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise not_allowed(f"{shown(text)} is no absolute URL: expected https://host/path")
    scheme = match["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise not_allowed(f"scheme {shown(match['scheme'])}: only http and https are called")
    host, port = parse_authority(match["authority"])
    origin = Origin(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)
    target = match["target"]
    return Url(origin, parse_target(target if target.startswith("/") else f"/{target}"))


def parse_authority(text: str) -> tuple[str, int | None]:
    """Return host and port of `host[:port]`; the port is None where there is none.

    Raises CallFailedError (NotAllowed).
    """
    if "@" in text:
        raise not_allowed("a URL must not hold user information: use a header instead")
    is_bracketed = text.startswith("[")
    head, separator, tail = text.partition("]") if is_bracketed else (text, "", "")
    if not is_bracketed:
        head, separator, tail = text.partition(":")
        return parse_host(head), _port(tail) if separator else None
    if not separator or (tail and not tail.startswith(":")):
        raise not_allowed(f"host {shown(text)}: expected [IPv6 address] or [IPv6 address]:port")
    return _ipv6(head[1:]), _port(tail[1:]) if tail else None


def parse_host(text: str) -> str:
    """Return a host name in lower case without trailing dot, or an IPv4 address in four parts.

    Raises CallFailedError (NotAllowed) for anything else, other spellings of IPv4 included.
    """
    if not text.isascii():
        raise not_allowed(f"host {shown(text)}: write names in their ASCII form (xn--…)")
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise not_allowed(f"host {shown(text)} is no host name")
    if not _NUMBER.fullmatch(labels[-1]):
        return host
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise not_allowed(
            f"host {shown(text)}: an IPv4 address is written as four decimal numbers"
        ) from None


def _ipv6(text: str) -> str:
    if "%" in text:
        raise not_allowed(f"host [{shown(text)}]: zone ids are refused")
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise not_allowed(f"host [{shown(text)}] is no IPv6 address") from None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not text.isascii() or not 0 < int(text) < 65536:
        raise not_allowed(f"port {shown(text)}: expected a number from 1 to 65535")
    return int(text)


def parse_target(text: str) -> str:
    """Return the path and query as they are sent: percent-encoded, without fragment.

    Raises CallFailedError (NotAllowed) for control characters, back-slashes, a path that does not
    start with `/`, and dot segments in any spelling: a value inserted into a path must not lead
    out of it, also not on a server that decodes `%2F` before it looks for `..`.
    """
    target = text.partition("#")[0]
    if not target.startswith("/") or _FORBIDDEN.search(target) or len(target) > MAX_URL:
        raise not_allowed(f"path {shown(text)}: expected / first and no control characters")
    path = target.partition("?")[0]
    segments = unquote(path).replace("\\", "/").split("/")
    if any(segment.partition(";")[0] in (".", "..") for segment in segments):
        raise not_allowed(f"path {shown(text)}: segments . and .. are refused")
    return encoded(target)


def encoded(text: str) -> str:
    """Percent-encode what may not stand in a URL; what is encoded already stays."""
    return _TO_ENCODE.sub(lambda match: quote(match[0], safe=""), text)


def shown(text: str) -> str:
    """Return a user's text for a message: quoted, on one line, at most 80 characters."""
    return repr(text if len(text) <= 80 else f"{text[:77]}…")
