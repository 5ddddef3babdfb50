from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.contract.worlds import NOW, ended, scheduled, started, turn
from tests.kubernetes.instances import as_list

from perdure.engine.events import Ending, EndRequested, Failure, HistoryEvent, InstanceEnded
from perdure.engine.fold import replay
from perdure.engine.state import State
from perdure.engine.values import JsonObject, first_link
from perdure.kubernetes.codec import decode
from perdure.kubernetes.plan import Position, plan
from perdure.kubernetes.status import MANAGED, error_json, stalled_status, status_after
from perdure.ports import Controls, InstanceKey, Observed, Snapshot
from perdure.resources.instance import InstanceStatus

NO_STATUS: JsonObject = {}
LATER = datetime(2026, 6, 1, tzinfo=UTC)
KEY = InstanceKey("shop", "order-1", "uid-1")


def base(**controls: datetime) -> Snapshot:
    position = Position(
        status=None,
        is_present=False,
        length=0,
        digest=first_link(KEY.uid),
        segments=0,
        newest=None,
        hot=(),
    )
    return Snapshot(
        key=KEY,
        version=7,
        rev=None,
        generation=3,
        observed_generation=0,
        is_deleting=False,
        created_at=NOW - timedelta(seconds=1),
        annotations={},
        controls=Controls(definition="order", start_at=controls.get("start_at")),
        state=State(uid=KEY.uid, namespace=KEY.namespace, name=KEY.name),
        observed=Observed(),
        store_data=position,
    )


def shown(*events: HistoryEvent, before: JsonObject = NO_STATUS, **observed: object) -> JsonObject:
    decided = turn(base(), *events, observed=Observed(**observed))  # type: ignore[arg-type]
    status = status_after(decided, before, LATER, None)
    InstanceStatus.model_validate(status)
    return status


def conditions_of(status: JsonObject) -> dict[str, tuple[str, str]]:
    return {
        str(c["type"]): (str(c["status"]), str(c["reason"])) for c in as_list(status["conditions"])
    }


def test_a_pending_reason_is_message_condition_and_wait() -> None:
    status = shown(pending=("DefinitionNotFound", "there is no WorkflowDefinition order"))
    assert status["phase"] == "Pending"
    assert status["message"] == "there is no WorkflowDefinition order"
    assert status["waitingFor"] == [
        {
            "what": "Definition",
            "name": "order",
            "since": "2026-01-01T11:59:59.250000Z",
            "message": "there is no WorkflowDefinition order",
        }
    ]
    assert conditions_of(status)["Reconciling"] == ("True", "DefinitionNotFound")
    assert status["observed"] == {
        "pending": {
            "reason": "DefinitionNotFound",
            "message": "there is no WorkflowDefinition order",
        }
    }
    assert status["observedGeneration"] == 3


def test_a_later_start_is_a_wake_up() -> None:
    pending = Observed(pending=("StartsLater", "starts later"))
    status = status_after(turn(base(start_at=LATER), observed=pending), {}, NOW, None)
    assert status["wakeAt"] == "2026-06-01T00:00:00Z"
    (wait,) = as_list(status["waitingFor"])
    assert (wait["what"], wait["until"]) == ("Start", "2026-06-01T00:00:00Z")
    assert "Reconciling" not in conditions_of(status)


def test_stalled_is_shown_over_running() -> None:
    status = shown(started(), scheduled("a"), stalled=("Rejected", "the status is too large"))
    assert (status["phase"], status["message"]) == ("Stalled", "the status is too large")
    assert conditions_of(status)["Stalled"] == ("True", "Rejected")
    over = shown(started(), ended(), stalled=("Rejected", "the status is too large"))
    assert over["phase"] == "Succeeded"


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    before = shown(started())
    for condition in as_list(before["conditions"]):
        condition["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    running = shown(started(), scheduled("a"), before=before)
    over = shown(started(), ended(), before=before)
    assert times(running)["Succeeded"] == "2020-01-01T00:00:00Z"
    assert times(over)["Succeeded"] == "2026-06-01T00:00:00Z"


def times(status: JsonObject) -> dict[str, str]:
    return {str(c["type"]): str(c["lastTransitionTime"]) for c in as_list(status["conditions"])}


def test_failed_is_stalled_for_tools_that_know_no_other_word() -> None:
    error = Failure(type="HttpStatus", message="503", step="charge")
    status = shown(started(), InstanceEnded(ending=Ending.FAILED, error=error))
    conditions = conditions_of(status)
    assert conditions["Stalled"] == ("True", "InstanceFailed")
    assert conditions["Succeeded"] == ("False", "HttpStatus")
    assert status["error"] == {
        "type": "HttpStatus",
        "message": "503",
        "retryable": False,
        "step": "charge",
    }


def test_large_details_and_causes_are_left_to_the_history() -> None:
    cause = Failure(type="Inner", message="i" * 5000)
    shown_error = error_json(Failure(type="T", message="m", details="d" * 5000, cause=cause))
    assert shown_error == {"type": "T", "message": "m", "retryable": False}


def test_only_what_changed_is_written() -> None:
    first = plan(turn(base(), started()), NOW)
    assert [op["path"] for op in first.operations] == [
        "/metadata/uid",
        "/metadata/resourceVersion",
        "/status",
    ]
    assert first.position.status is not None
    running = base_at(first.position)
    second = plan(turn(running, scheduled("a"), commit_id="c2"), NOW)
    assert [(op["op"], op["path"]) for op in second.operations] == [
        ("test", "/metadata/uid"),
        ("test", "/status/rev"),
        ("test", "/status/history/digest"),
        ("replace", "/status/message"),
        ("add", "/status/waitingFor"),
        ("replace", "/status/conditions"),
        ("replace", "/status/rev"),
        ("replace", "/status/commitId"),
        ("replace", "/status/history/length"),
        ("replace", "/status/history/digest"),
        ("add", "/status/history/events/-"),
    ]


def test_the_end_tests_the_generation_and_removes_what_is_over() -> None:
    first = plan(turn(base(), started(), scheduled("a")), NOW)
    last = plan(turn(base_at(first.position), ended(), commit_id="c2"), NOW)
    operations = [(op["op"], op["path"]) for op in last.operations]
    assert ("test", "/metadata/generation") in operations
    assert ("remove", "/status/waitingFor") in operations


def test_the_decision_to_end_tests_the_generation() -> None:
    first = plan(turn(base(), started(), scheduled("a")), NOW)
    wanted = EndRequested(ending=Ending.FAILED)
    last = plan(turn(base_at(first.position), wanted, commit_id="c2"), NOW)
    assert ("test", "/metadata/generation") in [(op["op"], op["path"]) for op in last.operations]


def base_at(position: Position) -> Snapshot:
    """Return the snapshot whose history is the one that began with `started`."""
    empty = base()
    state = replay(empty.state, [decode(record.stored) for record in position.hot])
    return replace(empty, rev=1, state=state, store_data=position)


def test_a_stall_keeps_what_is_shown_and_says_why() -> None:
    before = shown(started(), scheduled("a"))
    status = stalled_status(before, "HistoryCorrupt", "it does not add up", 4, LATER)
    assert status["phase"] == "Stalled"
    assert status["waitingFor"] == before["waitingFor"]
    assert conditions_of(status)["Stalled"] == ("True", "HistoryCorrupt")
    assert set(status) <= MANAGED
