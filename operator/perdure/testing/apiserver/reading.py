"""GET: one object, and lists in pages.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import Request
from perdure.testing.apiserver.refusals import (
    EXPIRED_LIST,
    Cause,
    bad_request,
    expired,
    internal,
    invalid_option,
    not_found,
    too_new,
)
from perdure.testing.apiserver.routes import Route
from perdure.testing.apiserver.selectors import Matcher, matcher
from perdure.testing.apiserver.storage import Key, Storage, Stored

SCHEME = "meta.k8s.io/v1"
MATCHES = ("Exact", "NotOlderThan")


class Reading:
    """Reads objects; `seen` is the revision that a cache has reached, None for no cache."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, route: Route, request: Request, seen: int | None) -> Stored:
        """Return an object. Raises Refusal."""
        revision = self._revision(request.params.get("resourceVersion", ""), seen)
        stored = self._storage.at(route.kind, revision).get(route.key)
        if stored is None:
            raise not_found(route.kind, route.key[1])
        return stored

    def _revision(self, version: str, seen: int | None) -> int:
        """Return the revision at which one object is read."""
        if version and not version.isdecimal():
            raise internal(f"resourceVersion: {no_number(version)}")
        return self._not_older(int(version), seen) if version else self._storage.revision

    def _not_older(self, version: int, seen: int | None) -> int:
        """Return what a cache answers with, once it has reached a version."""
        if version > self._storage.revision:
            raise too_new(version, self._storage.revision)
        return max(version, self._storage.revision if seen is None else seen)

    # --- lists --------------------------------------------------------------------------

    def list(self, route: Route, request: Request, seen: int | None) -> bytes:
        """Return one page of a list. Raises Refusal."""
        kind, params = route.kind, request.params
        matches = matcher(kind, params)
        limit = _limit(params)
        revision, start = self._window(params, limit, seen)
        if params.get("resourceVersion") == "0" and not params.get("continue"):
            limit = 0  # a cache gives everything that it has
        objects = self._storage.at(kind, revision)
        keys = sorted(_keys(objects, route.namespace, start), key=_path)
        page, rest = _page([objects[key] for key in keys], matches, limit)
        token = _token(revision, keys[-rest - 1], route.namespace) if rest else ""
        remaining = rest if rest and matches is None else None
        return list_content(kind, page, revision, token, remaining)

    def _window(
        self, params: Mapping[str, str], limit: int, seen: int | None
    ) -> tuple[int, tuple[str, ...]]:
        """Return the revision to read at, and after which key."""
        version, match = params.get("resourceVersion", ""), params.get("resourceVersionMatch", "")
        _check_match(version, match)
        token = params.get("continue", "")
        if token:
            if version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            return self._continued(token)
        if not version:
            return self._storage.revision, ()
        if not version.isdecimal():
            raise bad_request(f"invalid resource version: resourceVersion: {no_number(version)}")
        number = int(version)
        if number and (match == "Exact" or (limit and not match)):
            return self._exactly(number), ()
        return self._not_older(number, seen), ()

    def _exactly(self, revision: int) -> int:
        if revision > self._storage.revision:
            raise too_new(revision, self._storage.revision)
        if revision < self._storage.compacted:
            raise expired(EXPIRED_EXACT)
        return revision

    def _continued(self, token: str) -> tuple[int, tuple[str, ...]]:
        decoded = _decode(token)
        if decoded.revision < self._storage.compacted:
            raise expired(EXPIRED_LIST)
        return decoded.revision, decoded.key


EXPIRED_EXACT = "The resourceVersion for the provided list is too old."


def list_content(
    kind: Kind, items: list[Stored], revision: int, token: str = "", remaining: int | None = None
) -> bytes:
    """Return a list as JSON; built-in kinds leave out what is empty."""
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if token or kind.is_custom:
        metadata["continue"] = token
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    head = {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": metadata}
    joined = b",".join([stored.as_item for stored in items])
    return orjson.dumps(head)[:-1] + b',"items":[' + joined + b"]}"


def _page(
    candidates: list[Stored], matches: Matcher | None, limit: int
) -> tuple[list[Stored], int]:
    """Return what matches, and how many were not looked at because the page was full."""
    page: list[Stored] = []
    for looked, stored in enumerate(candidates, start=1):
        if matches is None or matches(stored.body):
            page.append(stored)
            if limit and len(page) == limit:
                return page, len(candidates) - looked
    return page, 0


def _keys(
    objects: Mapping[Key, Stored], namespace: str | None, start: tuple[str, ...]
) -> list[Key]:
    keys = [key for key in objects if namespace in (None, key[0])]
    if not start:
        return keys
    after = "/".join(start)
    shown = (lambda key: key[1]) if namespace is not None else _path
    return [key for key in keys if shown(key) > after]


def _path(key: Key) -> str:
    """Return a key as etcd sorts it."""
    namespace, name = key
    return f"{namespace}/{name}" if namespace else name


def _limit(params: Mapping[str, str]) -> int:
    text = params.get("limit", "0")
    try:
        return max(0, int(text))
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def no_number(text: str) -> str:
    return f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'


def _check_match(version: str, match: str) -> None:
    text = ""
    if match and match not in MATCHES:
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
    elif match and not version:
        text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and version == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if text:
        cause = Cause("FieldValueForbidden", text, "resourceVersionMatch")
        raise invalid_option("ListOptions", cause)


# --- continue tokens ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """After which key a list goes on, and at which revision."""

    revision: int
    key: tuple[str, ...]


def _token(revision: int, key: Key, namespace: str | None) -> str:
    """Return what clients send back; it is theirs to keep, not to read."""
    start = f"/{key[1] if namespace is not None else _path(key)}\0"
    content = orjson.dumps({"v": SCHEME, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decode(token: str) -> _Place:
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        place = orjson.loads(content)
        key = tuple(str(place["start"]).removeprefix("/").removesuffix("\0").split("/"))
        return _Place(int(place["rv"]), key)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        text = f"invalid continue token: continue key is not valid: {error}"
        raise bad_request(text) from error
