"""Who wrote what: every writing request of an operator, as its own proxy saw it pass.

All operators act as one service account, so the API server cannot tell them apart; the proxies can,
also where an answer was lost on its way back.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.trial import now

CREATING = frozenset({"POST"})
CHANGING = frozenset({"PUT", "PATCH"})
DELETING = frozenset({"DELETE"})
COMMIT_ID = "/status/commitId"
LATE = 30.0  # seconds within which a request that nobody saw answered may still have been applied


@dataclass(slots=True)
class Sighting:
    """One writing request; `version` is that of the object in the answer, where one was seen."""

    identity: str
    method: str
    place: str
    """Path of the object in etcd's order: resource/namespace/name."""
    at: float
    is_status: bool
    commit: str
    """The commit id that it sets, "" for none."""
    version: str = ""
    is_answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A version to be explained: `commit` is the commit id that it set, "" for none.

    `methods` are those that can have made it, `at` is when it was seen.
    """

    place: str
    version: int
    at: float
    commit: str
    methods: frozenset[str]


@dataclass(slots=True)
class Sightings:
    """Everything the proxies saw, to be asked who made a version."""

    by_version: dict[str, Sighting] = field(default_factory=dict)
    by_place: dict[str, list[Sighting]] = field(default_factory=dict)

    def note(self, identity: str, method: str, path: str, content: bytes) -> Sighting:
        """Take a request down before it is handed on."""
        body = parsed(content)
        place, is_status = place_of(path, body)
        sighting = Sighting(identity, method, place, now(), is_status, commit_of(body))
        self.by_place.setdefault(place, []).append(sighting)
        return sighting

    def answered(self, sighting: Sighting, status: int, content: bytes) -> None:
        """Take down how the API server answered it."""
        sighting.is_answered = True
        if status < 300:
            body = parsed(content)
            metadata = body.get("metadata", {}) if isinstance(body, dict) else {}
            sighting.version = str(metadata.get("resourceVersion", ""))
            if sighting.version and sighting.method != "DELETE":
                self.by_version[sighting.version] = sighting

    def maker(self, made: Made) -> Sighting | None:
        """Return the request that made this version of an object; None if no operator did."""
        found = self.by_version.get(str(made.version))
        if found is not None:
            return found
        fitting = [
            sighting
            for sighting in self.by_place.get(made.place, [])
            if made.at - LATE <= sighting.at <= made.at + 1
            and sighting.method in made.methods
            and sighting.commit == made.commit
        ]
        if made.commit or made.methods == DELETING:
            return fitting[-1] if fitting else None
        return next((each for each in reversed(fitting) if not each.is_answered), None)


def place_of(path: str, body: Any) -> tuple[str, bool]:
    """Return resource/namespace/name, and whether the path is that of the status."""
    words = path.partition("?")[0].strip("/").split("/")
    start = words.index("namespaces") + 1 if "namespaces" in words else len(words)
    rest = words[start:]
    namespace, resource = [*rest, "", ""][:2]
    name = rest[2] if len(rest) > 2 else name_in(body)
    return f"{resource}/{namespace}/{name}", rest[3:] == ["status"]


def name_in(body: Any) -> str:
    metadata = body.get("metadata", {}) if isinstance(body, dict) else {}
    return str(metadata.get("name", ""))


def commit_of(body: Any) -> str:
    """Return the commit id that a JSON patch of a status sets, "" for none."""
    for operation in body if isinstance(body, list) else []:
        if operation.get("path") == COMMIT_ID and operation["op"] in ("add", "replace"):
            return str(operation["value"])
        if operation.get("path") == "/status" and operation["op"] == "add":
            return str(operation["value"].get("commitId", ""))
    return ""


def parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
