"""What the server knows of a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from perdure.engine.values import JsonObject

if TYPE_CHECKING:
    from perdure.testing.apiserver.findings import Findings

Admit: TypeAlias = "Callable[[JsonObject, JsonObject | None, Findings], JsonObject]"
"""Returns an object with its defaults and without fields that its kind does not have.

The second argument is the object as it was, None for a new one; parts that are the very same
Python objects in both are taken for valid. Neither is changed.
"""


class NameRule(Enum):
    """Which names the objects of a kind may have."""

    SUBDOMAIN = "RFC 1123 subdomain"
    LABEL = "RFC 1123 label"
    SERVICE = "RFC 1035 label"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """One resource: its names, and in what its endpoints differ from those of others.

    `is_custom` kinds come from a CRD: all keys of their objects are sorted, integral numbers
    lose their fraction, and items of lists name their kind.
    """

    group: str
    version: str
    kind: str
    plural: str
    admit: Admit
    is_namespaced: bool = True
    is_custom: bool = False
    has_status: bool = False
    """Whether the status is written through its own endpoint only."""
    has_generation: bool = False
    is_unconditional: bool = False
    """Whether an update may leave out the resourceVersion."""
    creates_on_put: bool = False
    returns_deleted: bool = False
    """Whether a DELETE answers the object rather than a Status."""
    name_rule: NameRule = NameRule.SUBDOMAIN
    selectable: tuple[str, ...] = ()
    """Paths of fields for field selectors beside metadata.name and metadata.namespace."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural with its group, as most messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind with its group, as messages about content name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Catalogue:
    """The kinds of one server, found by what their paths say."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds = tuple(kinds)
        self._by_resource = {(kind.group, kind.version, kind.plural): kind for kind in self.kinds}
        self._by_plural = {kind.plural: kind for kind in self.kinds}
        self._by_kind = {(kind.api_version, kind.kind): kind for kind in self.kinds}
        self._versions = {(kind.group, kind.version): kind.is_custom for kind in self.kinds}

    def resource(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_resource.get((group, version, plural))

    def plural(self, plural: str) -> Kind:
        """Raises KeyError for a resource that is not served."""
        return self._by_plural[plural]

    def owner(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind that an owner reference names."""
        return self._by_kind.get((api_version, kind))

    def has_version(self, group: str, version: str) -> bool:
        """Say whether a built-in group is served; for those a 404 is a Status, not a text."""
        return self._versions.get((group, version)) is False
