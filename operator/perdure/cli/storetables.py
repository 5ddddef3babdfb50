"""Reports of `perdure store` as text: tables for people, JSON for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from perdure.engine.values import JsonObject
from perdure.kubernetes.leases import identity_of
from perdure.kubernetes.log.draining import LaneDrained
from perdure.kubernetes.log.replicas import Holder
from perdure.kubernetes.log.resizing import Resized
from perdure.kubernetes.log.slots import Generation
from perdure.kubernetes.log.standing import LaneStanding
from perdure.kubernetes.log.surveying import Survey
from perdure.lanes.entry import EntryKind

HEAD = ("LANE", "SEQ", "KIND", "WRITER", "OWNER", "TURNS", "INSTANCES", "UNSHOWN", "BYTES")


def absent(namespace: str, *, is_json: bool) -> str:
    if is_json:
        return json.dumps({"namespace": namespace, "generation": None, "lanes": []}, indent=2)
    return f'there is no log of turns in namespace "{namespace}"'


def as_json(namespace: str, survey: Survey, lanes: Sequence[LaneStanding]) -> str:
    """Return the report that docs/reference/store.md describes."""
    document = {
        "namespace": namespace,
        "generation": survey.generation.number,
        "isOpening": survey.is_opening,
        "lanes": [_document(lane) for lane in lanes],
    }
    return json.dumps(document, indent=2)


def _document(lane: LaneStanding) -> JsonObject:
    newest = lane.newest
    document: JsonObject = {
        "lane": lane.lane,
        "seq": 0 if newest is None else newest.seq,
        "kind": None if newest is None else str(newest.kind),
        "writer": newest.incarnation if newest is not None and newest.seq else None,
        "owners": [
            {"incarnation": holder.incarnation, "isLiving": holder.is_living}
            for holder in lane.holders
        ],
        "turns": lane.turns,
        "instances": lane.instances,
        "unshown": lane.unshown,
        "bytes": lane.size,
        "damage": [*lane.damage],
    }
    if newest is not None and newest.next_lanes is not None:
        document["nextLanes"] = newest.next_lanes
    return document


def as_table(namespace: str, survey: Survey, lanes: Sequence[LaneStanding]) -> str:
    generation = survey.generation
    lines = [f'log of namespace "{namespace}": generation {generation.number}']
    lines += _aligned([HEAD, *map(_row, lanes)])
    if survey.is_opening:
        lines.append(
            f"its slots are being created: an operator with --lanes {generation.lanes} goes on"
        )
    for number in sorted({_closed_for(lane) for lane in lanes} - {0}):
        lines.append(f"closed for {number} lanes: `perdure store resize {number}` goes on")
    for lane in lanes:
        lines += [f"lane {lane.lane} is damaged: {words}" for words in lane.damage]
    if any(lane.damage for lane in lanes):
        lines.append(
            "what to do: restore etcd from a backup, or accept the loss with `perdure store repair`"
        )
    return "\n".join(lines)


def _closed_for(lane: LaneStanding) -> int:
    return (lane.newest.next_lanes or 0) if lane.newest is not None else 0


def _row(lane: LaneStanding) -> tuple[str, ...]:
    newest = lane.newest
    return (
        str(lane.lane),
        "?" if newest is None else str(newest.seq),
        "?" if newest is None else str(newest.kind),
        "-" if newest is None or newest.seq == 0 else newest.incarnation,
        ", ".join(map(_owner, lane.holders)) or "-",
        str(lane.turns),
        str(lane.instances),
        str(lane.unshown),
        str(lane.size),
    )


def _owner(holder: Holder) -> str:
    name = identity_of(holder.incarnation)
    return name if holder.is_living else f"{name} (dead)"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def drained(lane: LaneDrained) -> str:
    if lane.fault is not None:
        return f"lane {lane.lane}: not drained: {lane.fault}"
    if lane.is_closed:
        return f"lane {lane.lane}: {EntryKind.CLOSED}, so all of it was shown before"
    turns = f"{lane.turns} turn" if lane.turns == 1 else f"{lane.turns} turns"
    return f"lane {lane.lane}: {turns} shown that no status showed; released"


def resized(before: Generation | None, result: Resized) -> str:
    now = result.generation
    if before == now:
        return f"generation {now.number} of the log has {now.lanes} lanes"
    return (
        f"generation {now.number} of the log is open, with {now.lanes} lanes: start the operators "
        f"with --lanes {now.lanes}"
    )
