"""What definitions say of themselves: whether instances may start on them.

Source: docs/reference/workflowdefinition.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perdure.engine.values import JsonObject
from perdure.verification.bodies import is_deleting, items, part, text
from perdure.verification.evidence import Write
from perdure.verification.world import DEFINITIONS, Place


def last_written(writes: Iterable[Write]) -> Mapping[Place, Write]:
    """Return the newest write of each definition that stands in the end."""
    found = {(w.namespace, w.name): w for w in writes if w.resource == DEFINITIONS}
    return {
        place: write
        for place, write in found.items()
        if write.after is not None and not is_deleting(write.after)
    }


def readiness(definition: JsonObject | None) -> str:
    """Return what a definition says of itself as it is now: True or False; "" for nothing."""
    status = part(definition, "status")
    if status.get("observedGeneration") != part(definition, "metadata").get("generation"):
        return ""
    conditions = items(status.get("conditions"))
    return next((text(one.get("status")) for one in conditions if one.get("type") == "Ready"), "")
