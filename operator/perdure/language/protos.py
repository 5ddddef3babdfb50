"""Protobuf at both ends of the CEL library: message types for its checker, and its checked trees.

`messages_of` turns the records of a scope into message types, which is how the checker learns
property names. `checked_tree` reads what it made of an expression: the nodes, their types and
their places. Source: `cel/expr/syntax.proto` and `checked.proto` of the CEL specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)

from perdure.language.types import ListOf, MapOf, Record, Simple, Type

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "perdure.record"
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WELL_KNOWN = {
    Simple.TIME: ".google.protobuf.Timestamp",
    Simple.SPAN: ".google.protobuf.Duration",
}


@dataclass(frozen=True, slots=True)
class Messages:
    """The message types of a scope: `records` by full name, `types` of the top-level names.

    Types are signatures as the CEL library reads them (`map<string, dyn>`).
    """

    pool: descriptor_pool.DescriptorPool
    records: Mapping[str, Record]
    types: Mapping[str, str]


def _copy(descriptor: Any) -> descriptor_pb2.FileDescriptorProto:
    copy = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(copy)
    return copy


_WELL_KNOWN_FILES = tuple(
    _copy(module.DESCRIPTOR) for module in (any_pb2, struct_pb2, timestamp_pb2, duration_pb2)
)


class _Builder:
    """Collects the message types of one scope; equal record objects share one type."""

    def __init__(self) -> None:
        self.file = descriptor_pb2.FileDescriptorProto(
            name="perdure/record.proto",
            package=_PACKAGE,
            syntax="proto2",  # where names that differ in underscores or case may live together
            dependency=[file.name for file in _WELL_KNOWN_FILES],
        )
        self.records: dict[str, Record] = {}
        self._names: dict[int, str] = {}

    def name_of(self, record: Record) -> str:
        if name := self._names.get(id(record)):
            return name
        name = f"{_PACKAGE}.R{len(self._names)}"
        self._names[id(record)] = name
        self.records[name] = record
        message = self.file.message_type.add(name=name.rpartition(".")[2])
        number = 0
        for key, type_ in record.fields.items():
            # Other names cannot be fields; they are read as record["a-b"], which is checked apart.
            if _FIELD_NAME.fullmatch(key):
                number += 1 if number != 18_999 else 1_001  # 19000 to 19999 are protobuf's own.
                self._add(message, key, number, type_)
        return name

    def _add(
        self, message: descriptor_pb2.DescriptorProto, name: str, number: int, type_: Type
    ) -> None:
        field = message.field.add(
            name=name, number=number, json_name=f"f{number}", label=_Field.LABEL_OPTIONAL
        )
        match type_:
            case ListOf(item):
                field.label = _Field.LABEL_REPEATED
                self._fill(field, item)
            case MapOf(value):
                entry = message.nested_type.add()
                entry.options.map_entry = True
                self._add(entry, "key", 1, Simple.TEXT)
                self._add(entry, "value", 2, Simple.DYN if isinstance(value, ListOf) else value)
                field.label = _Field.LABEL_REPEATED
                field.type = _Field.TYPE_MESSAGE
                # A map entry must be called after its field.
                entry.name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
                entry.name += "Entry"
                field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"
            case _:
                self._fill(field, type_)

    def _fill(self, field: descriptor_pb2.FieldDescriptorProto, type_: Type) -> None:
        match type_:
            case Simple.BOOL:
                field.type = _Field.TYPE_BOOL
            case Simple.TEXT:
                field.type = _Field.TYPE_STRING
            case Simple.TIME | Simple.SPAN:
                field.type, field.type_name = _Field.TYPE_MESSAGE, _WELL_KNOWN[type_]
            case Record():
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{self.name_of(type_)}"
            case _:
                field.type, field.type_name = _Field.TYPE_MESSAGE, ".google.protobuf.Value"

    def signature(self, type_: Type) -> str:
        match type_:
            case Simple.BOOL:
                return "bool"
            case Simple.TEXT:
                return "string"
            case Simple.TIME | Simple.SPAN:
                return _WELL_KNOWN[type_][1:]
            case Record():
                return self.name_of(type_)
            case ListOf(item):
                return f"list<{self.signature(item)}>"
            case MapOf(value):
                return f"map<string, {self.signature(value)}>"
            case _:
                return "dyn"


def messages_of(names: Mapping[str, Type]) -> Messages:
    """Return the message types for the records in a scope's top-level names."""
    builder = _Builder()
    types = {name: builder.signature(type_) for name, type_ in names.items()}
    pool = descriptor_pool.DescriptorPool()
    for file in _WELL_KNOWN_FILES:
        pool.Add(file)
    pool.Add(builder.file)
    return Messages(pool, builder.records, types)


# The checked tree. Only what is read here is declared; protobuf keeps unknown fields.

_SYNTAX: Final = {
    "Reference": {"name": (1, "string"), "overload_id": (3, "string*")},
    "ListType": {"elem_type": (1, "Type")},
    "MapType": {"key_type": (1, "Type"), "value_type": (2, "Type")},
    "AbstractType": {"name": (1, "string"), "parameter_types": (2, "Type*")},
    "Type": {
        "dyn": (1, "bytes?"),
        "null": (2, "int64?"),
        "primitive": (3, "int64?"),
        "well_known": (5, "int64?"),
        "list_type": (6, "ListType"),
        "map_type": (7, "MapType"),
        "message_type": (9, "string?"),
        "abstract_type": (14, "AbstractType"),
    },
    "Constant": {"int64_value": (3, "int64?"), "string_value": (6, "string?")},
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "Expr*")},
    "CreateList": {"elements": (1, "Expr*")},
    "Entry": {"id": (1, "int64"), "map_key": (3, "Expr"), "value": (4, "Expr")},
    "CreateStruct": {"message_name": (1, "string"), "entries": (2, "Entry*")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
        "iter_var2": (8, "string"),
    },
    "Expr": {
        "id": (2, "int64"),
        "const_expr": (3, "Constant"),
        "ident_expr": (4, "Ident"),
        "select_expr": (5, "Select"),
        "call_expr": (6, "Call"),
        "list_expr": (7, "CreateList"),
        "struct_expr": (8, "CreateStruct"),
        "comprehension_expr": (9, "Comprehension"),
    },
    "TypeEntry": {"key": (1, "int64"), "value": (2, "Type")},
    "PositionEntry": {"key": (1, "int64"), "value": (2, "int32")},
    "SourceInfo": {"positions": (4, "PositionEntry*")},
    "CheckedExpr": {
        "type_map": (3, "TypeEntry*"),
        "expr": (4, "Expr"),
        "source_info": (5, "SourceInfo"),
    },
}
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "bool": _Field.TYPE_BOOL,
}


def _tree_pool() -> descriptor_pool.DescriptorPool:
    # proto2, since there every field tells whether it is there.
    file = descriptor_pb2.FileDescriptorProto(
        name="perdure/tree.proto", package="cel.expr", syntax="proto2"
    )
    for name, fields in _SYNTAX.items():
        message = file.message_type.add(name=name)
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for field_name, (number, kind) in fields.items():
            label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if name == "Expr" and field_name != "id":
                field.oneof_index = 0
            bare = kind.rstrip("*?")
            if bare in _SCALARS:
                field.type = _SCALARS[bare]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".cel.expr.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_TREE_POOL = _tree_pool()
_CheckedExpr: Any = message_factory.GetMessageClass(
    _TREE_POOL.FindMessageTypeByName("cel.expr.CheckedExpr")
)
Expr: Any = message_factory.GetMessageClass(_TREE_POOL.FindMessageTypeByName("cel.expr.Expr"))

_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN_TYPES = {2: "timestamp", 3: "duration"}


class CheckedTree:
    """A checked expression: its nodes, with type and place."""

    def __init__(self, serialized: bytes) -> None:
        envelope = any_pb2.Any.FromString(serialized)
        self._url = envelope.type_url
        self._checked: Any = _CheckedExpr.FromString(envelope.value)
        self._types = {entry.key: entry.value for entry in self._checked.type_map}
        self._places = {e.key: e.value for e in self._checked.source_info.positions}
        self._fresh = 1 + max((*self._types, *self._places), default=0)

    @property
    def root(self) -> Any:
        """The outermost node."""
        return self._checked.expr

    def type_of(self, node: Any) -> str:
        """Return the type that the checker found, as its messages write it."""
        found = self._types.get(node.id)
        return _written(found) if found is not None else "dyn"

    def place_of(self, node: Any) -> int:
        """Return the offset in the source, from 0; that of the sign for operators and calls."""
        return int(self._places.get(node.id, 0))

    def wrap(self, node: Any, function: str) -> None:
        """Replace `node` in its place by a call of `function` on it."""
        inner = Expr()
        inner.CopyFrom(node)
        fresh = self._fresh
        self._fresh += 1
        self._places[fresh] = self.place_of(node)
        if node.id in self._types:
            self._types[fresh] = self._types[node.id]
        node.Clear()
        node.id = fresh
        node.call_expr.function = function
        node.call_expr.args.append(inner)

    def serialized(self, node: Any = None) -> bytes:
        """Return this tree, or the part of it below `node`, as the library reads it."""
        checked = self._checked
        if node is not None:
            checked = _CheckedExpr()
            checked.CopyFrom(self._checked)
            checked.expr.CopyFrom(node)
        envelope = any_pb2.Any(type_url=self._url, value=checked.SerializeToString())
        return envelope.SerializeToString()


def _written(type_: Any) -> str:
    if type_.HasField("message_type"):
        return str(type_.message_type)
    if type_.HasField("primitive"):
        return _PRIMITIVES.get(type_.primitive, "dyn")
    if type_.HasField("well_known"):
        return _WELL_KNOWN_TYPES.get(type_.well_known, "dyn")
    if type_.HasField("null"):
        return "null_type"
    if type_.HasField("list_type"):
        return f"list({_written(type_.list_type.elem_type)})"
    if type_.HasField("map_type"):
        inner = type_.map_type
        return f"map({_written(inner.key_type)}, {_written(inner.value_type)})"
    if type_.HasField("abstract_type"):
        inside = ", ".join(_written(one) for one in type_.abstract_type.parameter_types)
        return f"{type_.abstract_type.name}({inside})"
    return "dyn"


def children_of(node: Any) -> Iterator[Any]:
    """Yield the nodes directly below, in the order of the source where there is one."""
    match kind_of(node):
        case "select_expr":
            yield node.select_expr.operand
        case "call_expr":
            if node.call_expr.HasField("target"):
                yield node.call_expr.target
            yield from node.call_expr.args
        case "list_expr":
            yield from node.list_expr.elements
        case "struct_expr":
            for entry in node.struct_expr.entries:
                if entry.HasField("map_key"):
                    yield entry.map_key
                yield entry.value
        case "comprehension_expr":
            inner = node.comprehension_expr
            yield from (
                inner.iter_range,
                inner.accu_init,
                inner.loop_condition,
                inner.loop_step,
                inner.result,
            )
        case _:
            return


def kind_of(node: Any) -> str:
    """Return which of `const_expr`, `ident_expr`, … this node is."""
    return node.WhichOneof("kind") or ""


def descend(node: Any) -> Iterator[Any]:
    """Yield `node` and all nodes below it, inner ones first."""
    for child in children_of(node):
        yield from descend(child)
    yield node
