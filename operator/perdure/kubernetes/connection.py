"""How the API server is reached: address, TLS and credentials, as values.

Where they come from (a kubeconfig, the files in a pod) is the business of `login.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perdure.errors import SettingsError, TransientError
from perdure.ports import Clock

REREAD_SECONDS = 60.0
"""The kubelet renews a bound token when 80 % of its life (1 h) are gone; a minute is early."""


class Credentials(Protocol):
    """The source of bearer tokens."""

    async def token(self) -> str | None:
        """Return the token to send, None to send none. Raises TransientError."""
        ...

    async def renew(self, refused: str | None) -> bool:
        """Replace a token that was answered 401; say whether another try makes sense.

        Called by many requests at once, `refused` tells which token each of them had sent.
        """
        ...


class FixedToken:
    """One token for ever; None where the client certificate or nobody is asked."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token

    async def token(self) -> str | None:
        return self._token

    async def renew(self, refused: str | None) -> bool:
        return False


class TokenFile:
    """A token that somebody else keeps fresh in a file: read once a minute and after a 401.

    Source: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._token: str | None = None
        self._read_at = 0.0

    async def token(self) -> str | None:
        if self._token is None or self._clock.monotonic() - self._read_at >= REREAD_SECONDS:
            self._read()
        return self._token

    async def renew(self, refused: str | None) -> bool:
        # Also worth a try with the same token: authentication fails for a moment while an API
        # server starts.
        self._read()
        return True

    def _read(self) -> None:
        # On the loop: it is a kilobyte in a tmpfs.
        try:
            self._token = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TransientError(f"the token file {self._path} cannot be read: {error}") from error
        self._read_at = self._clock.monotonic()


class PluginToken:
    """A token from a program that takes its time; `run` blocks and raises SettingsError."""

    def __init__(self, run: TokenProgram, first: str | None) -> None:
        self._run = run
        self._token = first
        self._lock = asyncio.Lock()

    async def token(self) -> str | None:
        return self._token

    async def renew(self, refused: str | None) -> bool:
        async with self._lock:
            if self._token == refused:
                await self._replace()
        return True

    async def _replace(self) -> None:
        try:
            self._token = await asyncio.to_thread(self._run)
        except SettingsError as error:  # it worked once, so that it may work again
            raise TransientError(str(error)) from error


class TokenProgram(Protocol):
    """Asks a program for a token."""

    def __call__(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything that is needed to talk to one API server.

    `server` is its URL without a slash at the end; `tls` is None for plain HTTP only;
    `namespace` is that of the context or of the pod, None where neither says.
    """

    server: str
    tls: ssl.SSLContext | None = None
    credentials: Credentials = field(default_factory=FixedToken)
    tls_server_name: str | None = None
    proxy: str | None = None
    namespace: str | None = None
