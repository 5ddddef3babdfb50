"""Settings of a process: frozen, read once from flags and environment, validated, passed down."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from datetime import timedelta

from perdure.errors import SettingsError
from perdure.language.durations import parse_duration

_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|)")
_FACTORS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_IDENTITY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """What `perdure operator` is told. Names and defaults: docs/reference/operator.md."""

    namespace: str = "perdure-system"
    identity: str = ""
    watch_namespaces: tuple[str, ...] = ()
    """Empty: all namespaces."""
    http_allow: tuple[str, ...] = ()
    service_map: tuple[str, ...] = ()
    event_ttl: timedelta = timedelta(0)
    metrics_port: int = 9090
    health_port: int = 8080
    retention_count: int = 10_000
    retention_bytes: int = 256 * 2**20
    storage_budget: int = 512 * 2**20
    lanes: int | None = None
    """Of the log of turns; None: each turn is a status patch of its own. No flag sets it yet."""
    kubeconfig: str | None = None
    context: str | None = None


def parse_size(text: str, flag: str) -> int:
    """Return bytes of `256Mi` and the like; raise SettingsError naming the flag."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f'{flag}: "{text}" is not a size: write 268435456, 256Mi or 1Gi')
    return int(match[1]) * _FACTORS[match[2]]


def parse_length(text: str, flag: str) -> timedelta:
    """Return the length of `90s`, `24h`, or `0`; raise SettingsError naming the flag."""
    if text.strip() == "0":
        return timedelta(0)
    try:
        return parse_duration(text.strip())
    except ValueError as error:
        raise SettingsError(f"{flag}: {error}") from error


def checked_identity(identity: str) -> str:
    """Return the identity, by default the host's name; raise SettingsError if it is unusable."""
    identity = identity or socket.gethostname()
    if not _IDENTITY.fullmatch(identity):
        raise SettingsError(
            f'--identity: "{identity[:80]}" is not a name: letters, digits, "-", "_" and "."'
        )
    return identity
