"""What the path of a request names."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.testing.apiserver.kinds import Catalogue, Kind
from perdure.testing.apiserver.refusals import no_resource
from perdure.testing.apiserver.storage import Key

SUBRESOURCES = ("status",)


class PageNotFoundError(LookupError):
    """The path is none of the API: the answer is a text, not a Status."""


@dataclass(frozen=True, slots=True)
class Route:
    """An object, or a collection if `name` is None; namespace None means all of them."""

    kind: Kind
    namespace: str | None
    name: str | None
    subresource: str | None

    @property
    def key(self) -> Key:
        """The key of the object that is named."""
        assert self.name is not None, "not a collection"
        return (self.namespace or "", self.name)


def route_of(catalogue: Catalogue, path: str) -> Route:
    """Return what is meant. Raises Refusal or PageNotFoundError for what is not served."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            return _inside(catalogue, "", version, rest)
        case ["apis", group, version, *rest]:
            return _inside(catalogue, group, version, rest)
        case _:
            raise PageNotFoundError(path)


def _inside(catalogue: Catalogue, group: str, version: str, rest: list[str]) -> Route:
    namespace: str | None
    match rest:
        case ["namespaces", namespace, plural, *names] if plural not in SUBRESOURCES:
            is_namespaced = True
        case [plural, *names]:
            namespace, is_namespaced = None, False
        case _:
            raise PageNotFoundError(group)
    kind = catalogue.resource(group, version, plural)
    if kind is None:
        if catalogue.has_version(group, version):
            raise no_resource()
        raise PageNotFoundError(plural)
    if is_namespaced != kind.is_namespaced and (is_namespaced or names):
        raise PageNotFoundError(plural)
    return _named(kind, namespace, names)


def _named(kind: Kind, namespace: str | None, names: list[str]) -> Route:
    match names:
        case []:
            return Route(kind, namespace, None, None)
        case [name]:
            return Route(kind, namespace, name, None)
        case [name, subresource] if subresource in SUBRESOURCES and kind.has_status:
            return Route(kind, namespace, name, subresource)
        case _:
            raise no_resource() if not kind.is_custom else PageNotFoundError(kind.plural)
