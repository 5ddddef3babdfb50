"""Realistic scopes, and bindings that go with them, for the tests of expressions and templates."""

from __future__ import annotations

from perdure.engine.values import Json
from perdure.language.expressions import Scope
from perdure.language.types import (
    Bool,
    Dyn,
    ListOf,
    Number,
    Record,
    Text,
    Time,
    Type,
    type_of_schema,
)

SCHEMA: Json = {
    "type": "object",
    "required": ["orderId", "amount"],
    "properties": {
        "orderId": {"type": "string"},
        "amount": {"type": "number", "minimum": 0},
        "coupon": {"type": "string"},
        "express": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "customer": {"$ref": "#/$defs/customer"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string"},
                    "quantity": {"type": "integer"},
                    "price": {"type": "number"},
                },
            },
        },
        "ship-to": {"type": "string"},
        "extra": {"type": "object"},
    },
    "$defs": {
        "customer": {
            "type": "object",
            "properties": {
                "email": {"type": "string"},
                "vip": {"type": "boolean"},
                "address": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                },
            },
        }
    },
}

_ERROR = Record(
    {
        "type": Text,
        "message": Text,
        "code": Dyn,
        "retryable": Bool,
        "step": Dyn,
        "attempt": Number,
        "details": Dyn,
        "cause": Dyn,
    },
    "error",
)
_EVENT = Record({"id": Text, "name": Text, "data": Dyn, "time": Time}, "event")


def _step(name: str, output: Type = Dyn) -> Record:
    return Record({"status": Text, "output": output, "error": _ERROR}, f"steps.{name}")


SCOPE = Scope(
    {
        "input": type_of_schema(SCHEMA),
        "workflow": Record(
            {"name": Text, "uid": Text, "namespace": Text, "now": Time, "startedAt": Time},
            "workflow",
        ),
        "vars": Record({"total": Dyn, "attempts": Number}, "vars"),
        "steps": Record(
            {
                "reserve": _step("reserve"),
                "charge": _step("charge"),
                "approved": _step("approved", _EVENT),
            },
            "steps",
        ),
        "error": _ERROR,
        "event": _EVENT,
        "result": Dyn,
        "item": Dyn,
        "index": Number,
        "line": Record({"sku": Text, "quantity": Number}, "line"),
        "regions": ListOf(Text),
    }
)

BINDINGS: dict[str, Json] = {
    "input": {
        "orderId": "o-1",
        "amount": 12,
        "coupon": "WELCOME",
        "express": True,
        "note": None,
        "tags": ["a", "b"],
        "labels": {"team": "x"},
        "customer": {"email": "a@b.c", "vip": True, "address": {"city": "Ulm", "country": "DE"}},
        "lines": [
            {"sku": "s1", "quantity": 2, "price": 1.5},
            {"sku": "s2", "quantity": 1, "price": 10},
        ],
        "ship-to": "home",
        "extra": {"gift": {"text": "hi"}},
    },
    "workflow": {
        "name": "order-1",
        "uid": "u",
        "namespace": "shop",
        "now": "2026-01-02T00:00:00Z",
        "startedAt": "2026-01-01T12:00:00.5Z",
    },
    "vars": {"total": 3.5, "attempts": 0},
    "steps": {
        "reserve": {"status": "Succeeded", "output": {"id": "r-1", "items": [1, 2]}},
        "charge": {"status": "Skipped"},
        "approved": {
            "status": "Succeeded",
            "output": {
                "id": "e",
                "name": "ok",
                "data": {"by": "me"},
                "time": "2026-01-01T00:00:00Z",
            },
        },
    },
    "error": {
        "type": "HttpStatus",
        "message": "no",
        "code": 503,
        "retryable": True,
        "step": None,
        "attempt": 1,
        "details": None,
        "cause": None,
    },
    "event": {"id": "e", "name": "ok", "data": {"order": "o-1"}, "time": "2026-01-01T00:00:00Z"},
    "result": {"code": 200, "headers": {"location": "/x"}, "body": {"state": "done"}},
    "item": {"sku": "s1"},
    "index": 0,
    "line": {"sku": "s1", "quantity": 2},
    "regions": ["eu", "us"],
}
