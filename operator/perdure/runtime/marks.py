"""The mark on a revision that nobody needs: an annotation that says since when.

It settles the race between a deletion and an acceptance that pins the revision meanwhile. These
are two objects, and either process may stand still for any time between any two of its calls.
The collector deletes what it read with a mark, only then listed definitions and instances, and
found needed by none of them; the deletion tests uid and resourceVersion of what it read.
Whoever comes to need a revision writes that down first (the pin, the definition's status), looks
at the revision afterwards, takes a mark off, and writes the revision again where it is gone.

- Written down before that list was read: the list shows it, and nothing is deleted.
- Written down after it: so is the look, and it finds what the collector read, or later. The mark
  is taken off before the deletion comes: its precondition fails. Or the deletion came before:
  the revision is gone, or taking the mark off fails, and the next look finds it gone. Written
  again it has another uid, so that no deletion or patch that is still under way can hit it.
- A mark that lands after the look is read after it, too, and so are the lists that follow it.

Whoever needs a revision because a user named it (`definitionRef.revision`) is in the list from
its creation, or looks after the list: before it pins, so that it may even die anywhere. All others
read the definition while the revision was current. To die between pin and look harms them
only if a deletion was under way just then, and marks stand for an hour before one is.

A mark is written once, and again only after somebody who needed the revision took it off. One that
stays on a revision that is needed after all (its acceptance died) changes nothing: nobody deletes
for the mark alone, and nobody writes.

Source: docs/architecture.md#revisions
"""

from __future__ import annotations

from datetime import datetime

from perdure.engine.values import JsonObject

UNNEEDED_SINCE = "perdure.dev/unneeded-since"
_PATH = "/metadata/annotations/perdure.dev~1unneeded-since"


def unneeded_since(body: JsonObject) -> datetime | None:
    """Return when the revision was marked; None without a mark, or with one that is no time."""
    value = _annotations(body).get(UNNEEDED_SINCE)
    try:
        since = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return None if since.tzinfo is None else since


def is_marked(body: JsonObject) -> bool:
    """Return whether there is a mark, readable or not."""
    return UNNEEDED_SINCE in _annotations(body)


def marking(body: JsonObject, now: datetime) -> list[JsonObject]:
    """Return the JSON patch that marks the revision as it was read; `now` is aware UTC."""
    text = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    if _annotations(body):
        return [*_as_read(body), {"op": "add", "path": _PATH, "value": text}]
    annotations: JsonObject = {UNNEEDED_SINCE: text}
    return [*_as_read(body), {"op": "add", "path": "/metadata/annotations", "value": annotations}]


def unmarking(body: JsonObject) -> list[JsonObject]:
    """Return the JSON patch that takes the mark off the revision as it was read."""
    return [*_as_read(body), {"op": "remove", "path": _PATH}]


def _as_read(body: JsonObject) -> list[JsonObject]:
    metadata = body["metadata"]
    assert isinstance(metadata, dict), "a revision without metadata"
    return [
        {"op": "test", "path": f"/metadata/{field}", "value": metadata[field]}
        for field in ("uid", "resourceVersion")
    ]


def _annotations(body: JsonObject) -> JsonObject:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}
