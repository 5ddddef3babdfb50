"""Short ways to write definitions in tests."""

from __future__ import annotations

from perdure.engine.values import Json, JsonObject


def flow(*steps: JsonObject, **fields: Json) -> JsonObject:
    """Return the spec of a definition (or a flow) of these steps."""
    return {"steps": list(steps), **fields}


def call_http(**fields: Json) -> JsonObject:
    """Return the leaf that calls a service."""
    return {"http": {"service": "shop", "path": "/", **fields}}


def http(name: str, **fields: Json) -> JsonObject:
    """Return a step that calls a service."""
    return {"name": name, **call_http(), **fields}


def put(name: str, value: Json = None, **fields: Json) -> JsonObject:
    """Return a step that is over at once, with this output."""
    shaped: JsonObject = {} if value is None else {"output": value}
    return {"name": name, "set": {"x": 1}, **shaped, **fields}


def wait(name: str, length: str = "10s", **fields: Json) -> JsonObject:
    return {"name": name, "wait": {"for": length}, **fields}


def event(name: str, event_name: str = "approved", **fields: Json) -> JsonObject:
    """Return a step that waits for an event; fields of the verb and of the step are told apart."""
    verb: JsonObject = {"name": event_name}
    for key in ("where", "count", "onTimeout"):
        if key in fields:
            verb[key] = fields.pop(key)
    return {"name": name, "event": verb, **fields}


def fail(name: str, kind: str = "Broken", **fields: Json) -> JsonObject:
    return {"name": name, "raise": {"type": kind}, **fields}


def back(name: str, value: Json = None, **fields: Json) -> JsonObject:
    return {"name": name, "return": {} if value is None else {"value": value}, **fields}


def call(name: str, flow_name: str, params: JsonObject | None = None, **fields: Json) -> JsonObject:
    verb: JsonObject = {"flow": flow_name}
    if params is not None:
        verb["with"] = params
    return {"name": name, "call": verb, **fields}


X: JsonObject = {"x": 0}
"""The variable that `put` sets."""
