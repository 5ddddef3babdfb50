"""WorkflowLog: one slot of the log of turns. Source: docs/log.md#entries.

The rules are for late and mistaken writers: a slot only goes forward, whatever is paused, late, or
deleted and created again. They name what is cheap first, so that an equality of the data is looked
at only where nothing else decides.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from perdure.resources.base import Count, Integer, Rule, SpecModel

# An entry is gathered while another one is written: larger ones would make all turns wait longer.
MAX_DATA = 256 * 1024
MAX_LANES = 64
# The identity of a process, which is part of the name of its Lease, and 17 characters of its start.
MAX_INCARNATION = 270

_BLANK = ("Empty", "Opening")


class LogSpec(SpecModel):
    generation: Annotated[Integer, Field(ge=1)] = Field(
        description="Which set of lanes the slot belongs to, counted from 1."
    )
    lanes: int = Field(ge=1, le=MAX_LANES, description="How many lanes the generation has.")
    lane: int = Field(ge=0, le=MAX_LANES - 1, description="Which of them it is, counted from 0.")
    seq: Count = Field(
        description="The number of the entry in its lane, counted from 1; 0 as long as there is "
        "none."
    )
    kind: Literal["Opening", "Empty", "Turns", "Claim", "Released", "Closed"] = Field(
        description="Opening: the slots of the generation are being created. Empty: no entry yet. "
        "Turns: turns of instances. Claim: its writer owns the lane from here on. Released: its "
        "writer owns it no more. Closed: the lane belongs to a generation that is over."
    )
    incarnation: str = Field(max_length=MAX_INCARNATION, description="The process that wrote it.")
    nonce: str = Field(max_length=63, description="Of one try to write it.")
    codec: str = Field(max_length=63, description="The name and version of the stored form.")
    data: str = Field(
        max_length=MAX_DATA,
        description="The turns, as JSON, deflated, in base64; empty without any.",
    )
    heir: str | None = Field(
        default=None, max_length=MAX_INCARNATION, description="Who should claim a Released lane."
    )
    next_lanes: Annotated[int, Field(ge=1, le=MAX_LANES)] | None = Field(
        default=None, description="How many lanes the generation after a Closed one has."
    )

    RULES: ClassVar = (
        Rule(
            message="lane counts from 0 and is below lanes: choose one of the lanes that there are",
            cel="self.lane < self.lanes",
            holds=lambda data: _is_below(data.get("lane"), data.get("lanes")),
        ),
        Rule(
            message="seq is 0 in a slot that is Opening or Empty and at least 1 in any other: "
            "correct seq or kind",
            cel=f"(self.seq == 0) == (self.kind in {list(_BLANK)!r})",
            holds=lambda data: _is_numbered(data.get("seq"), data.get("kind")),
        ),
        Rule(
            message="heir belongs to an entry that is Released: leave it out",
            cel="!has(self.heir) || self.kind == 'Released'",
            holds=lambda data: "heir" not in data or data.get("kind") == "Released",
        ),
        Rule(
            message="nextLanes belongs to an entry that is Closed, and that needs it: set it there "
            "and leave it out elsewhere",
            cel="has(self.nextLanes) == (self.kind == 'Closed')",
            holds=lambda data: _has_next_lanes_if_closed(data),
        ),
        Rule(
            message="generation, lanes and lane of a slot do not change: another number of lanes "
            "is another generation, with slots of its own",
            cel="self.generation == oldSelf.generation && self.lanes == oldSelf.lanes && "
            "self.lane == oldSelf.lane",
        ),
        Rule(
            message="an entry replaces only one with a lower seq: read the slot anew, somebody "
            "else has written there",
            cel="self.seq > oldSelf.seq || (oldSelf.kind == 'Opening' && self.kind == 'Empty') || "
            "self == oldSelf",
        ),
        Rule(
            message="a closed lane takes no entry any more: write to the lanes of the next "
            "generation",
            cel="oldSelf.kind != 'Closed' || self == oldSelf",
        ),
    )


def _is_below(lane: object, lanes: object) -> bool:
    return type(lane) is not int or type(lanes) is not int or lane < lanes


def _is_numbered(seq: object, kind: object) -> bool:
    if type(seq) is not int or not isinstance(kind, str):
        return True  # Not ours to judge: the types are checked elsewhere.
    return (seq == 0) == (kind in _BLANK)


def _has_next_lanes_if_closed(data: Mapping[str, Any]) -> bool:
    kind = data.get("kind")
    return not isinstance(kind, str) or ("nextLanes" in data) == (kind == "Closed")
