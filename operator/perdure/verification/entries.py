"""What an entry of the log says, read from its description and not by what wrote it.

An entry is the spec of a WorkflowLog; its turns are JSON, deflated, in base64. Nothing here raises:
what cannot be read is an entry with a fault. Source: docs/log.md#entries.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.verification.bodies import number, part, text
from perdure.verification.chain import canonical

EMPTY, OPENING = "Empty", "Opening"
TURNS, CLAIM, RELEASED, CLOSED = "Turns", "Claim", "Released", "Closed"
KINDS = frozenset({EMPTY, OPENING, TURNS, CLAIM, RELEASED, CLOSED})
CODEC = "turns/1"
MAX_TURNS = 64 * 1024 * 1024
"""Bytes of turns in an entry that are looked at: what deflates to an entry is far less."""
_NAME = re.compile(r"g(\d+)-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an entry stands: the generation, the lane and the slot, by the name of the object."""

    generation: int
    lane: int
    number: int


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """One turn as the log keeps it; digests of the history before and after its events."""

    uid: str
    namespace: str
    name: str
    rev: int
    generation: int
    before: str
    after: str
    events: list[JsonObject]

    @property
    def key(self) -> tuple[str, int]:
        """Return what it is committed once for: uid and rev."""
        return self.uid, self.rev

    @property
    def commit_id(self) -> str:
        """Return the id on its first event, "" without one."""
        return text(part(self.events[0]).get("commitId")) if self.events else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a slot; `size` is that of its data in bytes, `fault` why it cannot be read."""

    generation: int
    lanes: int
    lane: int
    seq: int
    kind: str
    incarnation: str
    nonce: str
    turns: tuple[LoggedTurn, ...]
    carried: tuple[LoggedTurn, ...]
    next_lanes: int
    size: int
    fault: str

    @property
    def standing(self) -> tuple[LoggedTurn, ...]:
        """Return all the turns that stand in it."""
        return self.turns + self.carried


def slot_of(name: str) -> Slot | None:
    """Return the slot whose object has this name, None where it is none of the log."""
    found = _NAME.fullmatch(name)
    return None if found is None else Slot(*(int(group) for group in found.groups()))


def lane_of(uid: str, lanes: int) -> int:
    """Return the lane of an instance: the first eight bytes of the sha256 of its uid, mod lanes."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % lanes


def entry_of(body: JsonObject) -> Entry:
    """Return the entry in a WorkflowLog."""
    spec = part(body, "spec")
    kind, codec, data = text(spec.get("kind")), spec.get("codec"), text(spec.get("data"))
    turns, fault = _turns_in(data)
    if kind not in KINDS or codec != CODEC:
        fault = f"its kind is {kind!r}, its codec {codec!r}"
    return Entry(
        generation=number(spec.get("generation")),
        lanes=number(spec.get("lanes")),
        lane=number(spec.get("lane")),
        seq=number(spec.get("seq")),
        kind=kind,
        incarnation=text(spec.get("incarnation")),
        nonce=text(spec.get("nonce")),
        turns=() if fault else turns["turns"],
        carried=() if fault else turns["carried"],
        next_lanes=number(spec.get("nextLanes")),
        size=len(data.encode()),
        fault=fault,
    )


def _turns_in(data: str) -> tuple[dict[str, tuple[LoggedTurn, ...]], str]:
    """Return the new and the carried turns, and why they cannot be read."""
    found: dict[str, tuple[LoggedTurn, ...]] = {"turns": (), "carried": ()}
    if not data:
        return found, ""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(base64.b64decode(data, validate=True), MAX_TURNS)
        document: Json = json.loads(plain)
        if b"\\ud" in plain:
            canonical(document)  # Raises for half a character, of which nothing can be hashed.
    except (ValueError, zlib.error, RecursionError) as error:
        return found, f"its data cannot be read: {error}"
    for name in found:
        listed = part(document).get(name)
        turns = [_turn(one) for one in listed] if isinstance(listed, list) else [None]
        found[name] = tuple(turn for turn in turns if turn is not None)
        if len(found[name]) != len(turns):
            return found, f"its {name} are none"
    return found, ""


def _turn(document: Json) -> LoggedTurn | None:
    """Return a turn, None where it is none."""
    turn = part(document)
    events = turn.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        return None
    return LoggedTurn(
        uid=text(turn.get("uid")),
        namespace=text(turn.get("namespace")),
        name=text(turn.get("name")),
        rev=number(turn.get("rev")),
        generation=number(turn.get("generation")),
        before=text(turn.get("before")),
        after=text(turn.get("after")),
        events=[part(event) for event in events],
    )
