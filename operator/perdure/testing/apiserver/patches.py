"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386) as the API server applies them.

Where it strays from the RFCs so does this: `replace` of a field that is missing adds it; a value
that is not given, or copied from where there is none, is null; an index may count from the end;
`test` compares JSON as it is written: 1.0 is not 1, and text with `<`, `>`, `&` has to be escaped
as Go escapes it.
Documents are never changed: what is on the way to a change is copied.
"""

from __future__ import annotations

import re
from typing import TypeAlias, cast

import orjson

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.refusals import Refusal, bad_request, patch_failed, too_large

Operation: TypeAlias = JsonObject
Container: TypeAlias = "JsonObject | list[Json]"

INDEX = re.compile(r"[+-]?[0-9]+")
ESCAPED_BY_GO = re.compile("[<>&\u2028\u2029]")
BEYOND_ASCII = re.compile("[^\x00-\x7f]")


def parse_operations(body: bytes, most: int) -> list[Operation]:
    """Return the operations. Raises Refusal for what is no list of at most so many objects."""
    try:
        operations = orjson.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(operations, list):
        raise _not_decoded(operations, "[]handlers.jsonPatchOp")
    for each in operations:
        if not isinstance(each, dict):
            raise _not_decoded(each, "handlers.jsonPatchOp")
    if not all(isinstance(each.get("path", ""), str) for each in operations):
        text = "json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string"
        raise bad_request(f"error decoding patch: {text}")
    if len(operations) > most:
        raise too_large(
            f"The allowed maximum operations in a JSON patch is {most}, got {len(operations)}"
        )
    return operations


def _not_decoded(value: object, wanted: str) -> Refusal:
    names: dict[type, str] = {dict: "object", list: "array", str: "string"}
    found = names.get(type(value), "number")
    text = f"json: cannot unmarshal {found} into Go value of type {wanted}"
    return bad_request(f"error decoding patch: {text}")


def apply_operations(document: JsonObject, operations: list[Operation], text: bytes) -> Json:
    """Return the document after all operations; `text` is the patch as it was written.

    Raises Refusal if one of them does not apply, or a test fails.
    """
    patched: list[Json] = [document]
    for operation in operations:
        _Change(patched, text).apply(operation)
    return patched[0]


class _Change:
    """One operation on the document, which is the only item of `root`."""

    def __init__(self, root: list[Json], text: bytes) -> None:
        self._root = root
        self._text = text

    def apply(self, operation: Operation) -> None:
        path = operation.get("path")
        if not isinstance(path, str):
            raise patch_failed()
        match operation.get("op"):
            case "test":
                self._test(path, operation.get("value"))
            case "add":
                self._add(path, operation.get("value"))
            case "replace":
                self._replace(path, operation.get("value"))
            case "remove":
                self._remove(path)
            case "copy":
                self._add(path, self._get(_origin_of(operation)))
            case "move":
                value = self._get(_origin_of(operation))
                self._remove(_origin_of(operation))
                self._add(path, value)
            case _:
                raise patch_failed()

    # --- reading ------------------------------------------------------------------------

    def _find(self, path: str) -> tuple[Container, str]:
        *parents, key = _steps(path)
        container = self._root[0]
        for step in parents:
            container = _item(container, step)
        if not isinstance(container, dict | list):
            raise patch_failed()
        return container, key

    def _get(self, path: str) -> Json:
        container, key = self._find(path)
        return _item(container, key)

    def _test(self, path: str, wanted: Json) -> None:
        if not _written_alike(self._get(path), wanted, self._text):
            raise patch_failed()

    # --- changing -----------------------------------------------------------------------

    def _own(self, path: str) -> tuple[Container, str]:
        """Return a container that may be changed: it and all around it are copies."""
        *parents, key = _steps(path)
        self._find(path)  # raises before anything is copied
        container: Container = self._root
        for step in ["0", *parents]:
            container = _copied_item(container, step)
        return container, key

    def _add(self, path: str, value: Json) -> None:
        container, key = self._own(path)
        if isinstance(container, dict):
            container[key] = value
        elif key == "-":
            container.append(value)
        else:
            container.insert(_index(key, len(container) + 1), value)

    def _replace(self, path: str, value: Json) -> None:
        container, key = self._own(path)
        if isinstance(container, dict):
            container[key] = value
        else:
            container[_index(key, len(container))] = value

    def _remove(self, path: str) -> None:
        container, key = self._own(path)
        if isinstance(container, list):
            del container[_index(key, len(container))]
        elif key in container:
            del container[key]
        else:
            raise patch_failed()


def _steps(path: str) -> list[str]:
    """Return the keys of a path; what stands before the first slash does not count."""
    if "/" not in path:
        raise patch_failed()
    steps = path.split("/")[1:]
    if "~" in path:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in steps]
    return steps


def _item(container: Json, key: str) -> Json:
    """Return what stands at a key, None for a field that is missing."""
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[_index(key, len(container))]
    raise patch_failed()


def _copied_item(container: Container, key: str) -> Container:
    """Put a copy in the place of a dict or list, and return it."""
    inner = _item(container, key)
    copied = dict(inner) if isinstance(inner, dict) else list(cast("list[Json]", inner))
    if isinstance(container, dict):
        container[key] = copied
    else:
        container[_index(key, len(container))] = copied
    return copied


def _index(key: str, size: int) -> int:
    """Return the index of one of `size` places; a negative one counts from the end."""
    if not INDEX.fullmatch(key):
        raise patch_failed()
    index = int(key)
    if not -size <= index < size:
        raise patch_failed()
    return index % size


def _origin_of(operation: Operation) -> str:
    origin = operation.get("from")
    if not isinstance(origin, str):
        raise patch_failed()
    return origin


def _written_alike(found: Json, wanted: Json, text: bytes) -> bool:
    """Say whether two values are written with the same characters, the order of keys aside."""
    if type(found) is not type(wanted):
        return False
    if isinstance(found, dict):
        other = cast("JsonObject", wanted)
        return found.keys() == other.keys() and all(
            _written_alike(value, other[key], text) for key, value in found.items()
        )
    if isinstance(found, list):
        items = cast("list[Json]", wanted)
        return len(found) == len(items) and all(
            _written_alike(one, two, text) for one, two in zip(found, items, strict=True)
        )
    if isinstance(found, str):
        return found == wanted and _is_escaped_by_go(found, text)
    return found == wanted


def _is_escaped_by_go(value: str, text: bytes) -> bool:
    """Say whether the patch writes the special characters of a value as the server does.

    A patch that has such a character somewhere is taken to write it so everywhere.
    """
    if value.isascii() and not ESCAPED_BY_GO.search(value):
        return True
    return all(
        (character.encode() in text) != bool(ESCAPED_BY_GO.match(character))
        for character in {*ESCAPED_BY_GO.findall(value), *BEYOND_ASCII.findall(value)}
    )


# --- merge patch ----------------------------------------------------------------------------


def parse_merge(body: bytes) -> JsonObject:
    """Return the patch. Raises Refusal for what is no object."""
    try:
        patch = orjson.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise _not_decoded(patch, "map[string]interface {}")
    return patch


def merge(document: JsonObject, patch: JsonObject) -> JsonObject:
    """Return the document with the patch merged in; null removes a field."""
    merged = dict(document)
    for key, value in patch.items():
        current = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(current, dict) and isinstance(value, dict):
            merged[key] = merge(current, value)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Json) -> Json:
    """Return a new value without the fields that are null, those inside lists included."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
