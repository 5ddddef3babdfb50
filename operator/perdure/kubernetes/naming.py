"""Names, labels and annotations of the objects that the store writes."""

from __future__ import annotations

import hashlib

INSTANCE_UID_LABEL = "perdure.dev/instance-uid"
INSTANCE_LABEL = "perdure.dev/instance"
LOG_LANE_LABEL = "perdure.dev/log-lane"
"""Generation and lane of a slot, such as `g1-0`: finds all slots of a lane."""
LOG_SLOT_LABEL = "perdure.dev/log-slot"
"""The number of a slot in its lane: finds the first slots of all lanes."""
EVENTS_ANNOTATION = "perdure.dev/events"
FIRST_AT_ANNOTATION = "perdure.dev/first-at"
LAST_AT_ANNOTATION = "perdure.dev/last-at"
TYPES_ANNOTATION = "perdure.dev/types"


def uid_hash(uid: str) -> str:
    """Return 16 hex digits for an instance: names must differ for each uid."""
    return hashlib.sha256(uid.encode()).hexdigest()[:16]
