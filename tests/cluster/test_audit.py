"""Reading audit records, from a file written by hand."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.audit import AuditLog, AuditRecord


def event(user: str, verb: str, **target: str) -> str:
    content = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": "ResponseComplete",
        "requestURI": "/",
        "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "userAgent": "someone/1",
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-05-04T03:02:01.123456Z",
    }
    return json.dumps(content | ({"objectRef": target} if target else {}))


def test_a_record_holds_the_parts_of_the_request(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    target = {
        "resource": "workflowinstances",
        "subresource": "status",
        "namespace": "shop",
        "name": "order-1",
        "apiGroup": "perdure.dev",
    }
    path.write_text(event("perdure-operator", "patch", **target) + "\n")
    (record,) = AuditLog(path).records()
    assert record == AuditRecord(
        time=datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC),
        user="perdure-operator",
        user_agent="someone/1",
        verb="patch",
        group="perdure.dev",
        resource="workflowinstances",
        subresource="status",
        namespace="shop",
        name="order-1",
        status=200,
    )
    assert record.is_write


def test_reading_starts_at_an_offset_and_leaves_out_a_line_still_being_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    assert log.end() == 0
    assert list(log.records()) == []

    path.write_text(event("a", "create", resource="pods") + "\n")
    middle = log.end()
    with path.open("a") as file:
        file.write(event("b", "get", resource="pods") + "\n" + event("b", "delete")[:-5])
    assert [record.user for record in log.records(middle)] == ["b"]
    assert log.writes("b") == []

    with path.open("a") as file:
        file.write(event("b", "delete")[-5:] + "\n")
    assert [record.verb for record in log.writes("b", middle)] == ["delete"]
