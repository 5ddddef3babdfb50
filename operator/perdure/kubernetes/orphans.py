"""Which WorkflowHistory objects of an instance nothing will ever refer to.

A segment is an orphan when the committed chain covers its first event by another segment: the
commit that it was made for was based on a shorter chain and must fail. A payload is one when the
event of its id is committed and does not refer to it. Both stay true for ever, so whoever deletes
them need not hurry. What is neither used nor an orphan may become either by the next commit.
Source: docs/architecture.md#history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.kubernetes.codec import payload_keys
from perdure.kubernetes.histories import metadata_of, spec_of
from perdure.kubernetes.instances import Head
from perdure.kubernetes.loading import hot_tail
from perdure.kubernetes.payloads import references


@dataclass(frozen=True, slots=True)
class Judged:
    """The orphans among the objects of an instance, and whether some others may become one."""

    orphans: list[JsonObject]
    is_open: bool


async def judged(found: Sequence[JsonObject], uid: str, head: Head) -> Judged:
    """Judge all the objects of an instance whose history stands at `head`.

    Raises HistoryCorruptError when a segment of the chain is not among them.
    """
    specs = {str(metadata_of(each)["name"]): spec_of(each) for each in found}

    async def find(name: str) -> JsonObject | None:
        return specs.get(name)

    used: set[str] = set()
    tail = hot_tail(uid, head)
    while tail.previous is not None:
        used.add(tail.previous.name)
        await tail.extend(find)
    for record in tail.after(0):
        used.update(each.ref for each in references(record.stored, payload_keys(record.stored)))
    unused = [each for each in found if metadata_of(each)["name"] not in used]
    orphans = [each for each in unused if _is_orphan(each, head)]
    return Judged(orphans, is_open=len(orphans) < len(unused))


def _is_orphan(each: JsonObject, head: Head) -> bool:
    """Return whether an unused object is one for ever."""
    spec = spec_of(each)
    first_id: Json = spec.get("firstId")
    if not isinstance(first_id, int):
        return False
    if spec.get("kind") == "Segment":
        return first_id < head.first_id
    return spec.get("kind") == "Payload" and first_id <= head.length
