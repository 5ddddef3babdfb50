"""The API server's audit log as typed records: who did what, and how it was answered.

One record per request, written when its answer is complete (for a watch: when it ends);
see https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/. The log is a file that
only grows, so a moment is a byte offset: take `end()` before and read `records(from)` after.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One answered request; texts are empty where the request had no such part.

    `verb` is the API verb (`get`, `list`, `watch`, `create`, `patch` …), `resource` the
    plural with no group, `status` the HTTP status, `time` when the answer was complete.
    """

    time: datetime
    user: str
    user_agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    status: int

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES


class AuditLog:
    """The audit log of one cluster."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def end(self) -> int:
        """Return the offset behind all that is written so far."""
        return self._path.stat().st_size if self._path.exists() else 0

    def records(self, start: int = 0) -> Iterator[AuditRecord]:
        """Yield the complete records from offset `start` on, in the order of the log.

        The answer reaches its client a moment before the record is written: a test that
        expects a record polls for it, one that expects none writes a marker first.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            if start > 0:
                # Where a record was just being written then, it is one from before.
                file.seek(start - 1)
                file.readline()
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield record(json.loads(line))

    def writes(self, user: str, start: int = 0) -> list[AuditRecord]:
        """Return the writes that `user` (as in a record) tried since offset `start`."""
        return [each for each in self.records(start) if each.user == user and each.is_write]


def record(event: dict[str, Any]) -> AuditRecord:
    """Read one `Event` of audit.k8s.io/v1."""
    target = event.get("objectRef", {})
    return AuditRecord(
        time=datetime.fromisoformat(event["stageTimestamp"]),
        user=event["user"].get("username", ""),
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
    )
