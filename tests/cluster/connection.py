"""Blocking calls to the API server, for fixtures and for starting up; tests use `api.py`."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.errors import ApiError

CALL_SECONDS = 30.0
JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
FORCED = "fieldManager=perdure-tests&force=true"


@dataclass(frozen=True, slots=True)
class Connection:
    """The API server at a loopback port, reached with one client certificate."""

    port: int
    tls: ssl.SSLContext

    def text(self, method: str, path: str, body: object = None, content_type: str = JSON) -> str:
        """Return the body of a successful answer.

        Raises ApiError for any other answer, OSError or HTTPException where none came.
        """
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=CALL_SECONDS, context=self.tls
        )
        try:
            headers = {"Accept": JSON, "Content-Type": content_type}
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise api_error(f"{method} {path}", response.status, answer)
        return answer

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer read as JSON."""
        return json.loads(self.text(method, path, body))

    def apply(self, path: str, body: object) -> Any:
        """Apply an object server-side, whoever owned its fields before."""
        return json.loads(self.text("PATCH", f"{path}?{FORCED}", body, APPLY))

    def answers(self, path: str) -> bool:
        """Say whether something is found at `path`."""
        try:
            self.text("GET", path)
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def is_ready(self) -> bool:
        """Say whether the API server answers and takes requests."""
        try:
            self.text("GET", "/readyz")
        except (OSError, http.client.HTTPException, ApiError):
            return False
        return True


def server_tls(pki: Path) -> ssl.SSLContext:
    """Return the TLS context that trusts the cluster and shows no certificate."""
    return ssl.create_default_context(cafile=str(pki / "ca.crt"))


def client_tls(pki: Path, file: str) -> ssl.SSLContext:
    """Return the TLS context that trusts the cluster and shows the certificate `file`."""
    context = server_tls(pki)
    context.load_cert_chain(pki / f"{file}.crt", pki / f"{file}.key")
    return context


def api_error(call: str, status: int, answer: str) -> ApiError:
    try:
        content = json.loads(answer)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return ApiError(call, status, "", answer.strip())
    return ApiError(call, status, content.get("reason", ""), content.get("message", ""))
