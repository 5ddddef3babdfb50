"""The CRDs on a real API server: what it accepts, fills in, keeps and refuses."""

import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.cluster import Cluster
from tests.cluster.connection import api_error
from tests.cluster.errors import ApiError, ClusterError
from tests.cluster.waiting import wait_for
from tests.resources.manifests import (
    FULL,
    WRONG,
    Manifest,
    definition,
    event,
    history,
    instance,
    log,
)

from perdure.resources.base import API_VERSION
from perdure.resources.kinds import KINDS

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "crds"


class Place:
    """One namespace, and short ways to its objects."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True) -> str:
        done = self.cluster.kubectl("-n", self.namespace, *args, input=stdin, check=check)
        return done.stdout + done.stderr

    def apply(self, manifest: Manifest) -> str:
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def url(self, kind: str, name: str = "") -> str:
        path = f"/apis/{API_VERSION}/namespaces/{self.namespace}/{KINDS[kind].plural}"
        return f"{path}/{name}" if name else path

    def create(self, manifest: Manifest) -> Manifest:
        return self.call("POST", self.url(manifest["kind"]), manifest)

    def get(self, kind: str, name: str) -> Manifest:
        return self.cluster.connection.call("GET", self.url(kind, name))  # type: ignore[no-any-return]

    def merge(self, kind: str, name: str, change: Manifest, *, subresource: str = "") -> Manifest:
        path = f"{self.url(kind, name)}/{subresource}".rstrip("/")
        return self.call("PATCH", path, change, "application/merge-patch+json")

    def patch(self, kind: str, name: str, *operations: Manifest, subresource: str = "") -> Manifest:
        path = f"{self.url(kind, name)}/{subresource}".rstrip("/")
        return self.call("PATCH", path, list(operations), "application/json-patch+json")

    def status(self, name: str, status: Manifest | None) -> Manifest:
        return self.merge("WorkflowInstance", name, {"status": status}, subresource="status")

    def call(self, method: str, path: str, body: Any, form: str = "application/json") -> Manifest:
        """Return the object that came back; raises ApiError for what the server refuses."""
        known = self.cluster.connection
        sent = http.client.HTTPSConnection("127.0.0.1", known.port, context=known.tls)
        try:
            headers = {"Accept": "application/json", "Content-Type": form}
            sent.request(method, path, json.dumps(body), headers)
            answer = sent.getresponse()
            text = answer.read().decode()
        finally:
            sent.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise api_error(f"{method} {path}", answer.status, text)
        return json.loads(text)  # type: ignore[no-any-return]


@pytest.fixture(scope="module", autouse=True)
def discovered(cluster: Cluster) -> None:
    """Wait until kubectl knows all kinds: discovery comes a moment after a CRD is established.

    `api-resources` asks anew each time, and refreshes what kubectl remembers.
    """

    def look() -> bool:
        listed = cluster.kubectl("api-resources", "--api-group=perdure.dev", "--no-headers")
        return len(listed.stdout.splitlines()) == len(KINDS)

    wait_for(look, "the discovery of all kinds", 30.0)


@pytest.fixture
def place(cluster: Cluster, namespace: str) -> Place:
    return Place(cluster, namespace)


# --- apply, explain, get -----------------------------------------------------------------


def test_the_crds_can_be_applied_by_the_client_and_again(cluster: Cluster) -> None:
    for _ in range(2):
        done = cluster.kubectl(
            "apply", "--server-side=false", "--dry-run=server", "-f", str(CRDS), check=True
        )
        assert done.stdout.count("perdure.dev") == len(KINDS)


def test_the_server_has_nothing_to_complain_about_the_schemas(cluster: Cluster) -> None:
    for kind in KINDS.values():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.plural}.perdure.dev"
        conditions = cluster.connection.call("GET", path)["status"]["conditions"]
        states = {each["type"]: each["status"] for each in conditions}
        assert states["Established"] == "True"
        assert states.get("NonStructuralSchema", "False") == "False"


def test_a_definition_with_everything_is_kept_as_it_was_written(place: Place) -> None:
    place.apply(definition(**FULL))
    assert place.get("WorkflowDefinition", "order")["spec"] == FULL


def test_the_largest_definition_is_accepted(place: Place) -> None:
    steps = [{"name": f"s{i}", "wait": {"for": "1s"}, "catch": [{}]} for i in range(200)]
    flows = [{"name": f"f{i}", "steps": steps[:100]} for i in range(50)]
    place.create(definition(steps=steps, flows=flows))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("wfd.spec.steps.http", ["The HTTP method", "percent-encoded", "result.code < 400"]),
        ("wfd.spec.steps.retry", ["attempts", "the first one included", "jitter"]),
        ("wfd.spec.steps.switch.cases.do.http.poll.every", ["The time between two polls"]),
        ("wfd.spec.steps.catch", ["Every error if not set"]),
        ("wfd.spec.flows", ["the caller passes them by with"]),
        ("wfi.spec", ["Pause: nothing new starts", "append-only"]),
        ("wfi.status.waitingFor", ["Since when it waits"]),
        ("wfe.spec", ["the same id counts once"]),
        ("wfh.spec.events", ["oldest first"]),
    ],
)
def test_kubectl_explains_the_fields(cluster: Cluster, path: str, words: list[str]) -> None:
    text = " ".join(cluster.kubectl("explain", path).stdout.split())
    for word in words:
        assert word in text


def test_the_short_names_and_the_category_find_the_kinds(place: Place) -> None:
    for made in (definition(), instance(), event(), history(), log()):
        place.apply(made)
    for kind in KINDS.values():
        assert kind.singular in place.kubectl("get", kind.short, "-o", "name")
    found = place.kubectl("get", "perdure", "-o", "name").splitlines()
    people = {kind.singular for kind in KINDS.values()} - {"workflowlog"}  # of which are hundreds
    assert {name.partition(".")[0] for name in found} == people
    assert len(found) == len(people)


def test_what_an_instance_leaves_out_is_filled_in(place: Place) -> None:
    spec = place.create(instance())["spec"]
    assert spec == {"definitionRef": {"name": "order"}, "suspend": False, "events": []}


def test_the_columns_show_what_people_ask_first(place: Place) -> None:
    place.create(instance())
    waiting = [{"what": "Event", "name": "approved"}, {"what": "Timer", "name": "pause"}]
    place.status("order-1", {"phase": "Running", "progress": "3/5", "waitingFor": waiting})
    head, row = place.kubectl("get", "wfi").splitlines()
    assert head.split("  ")[0] == "NAME"
    assert [each.strip() for each in head.split("   ") if each.strip()] == [
        "NAME",
        "DEFINITION",
        "PHASE",
        "PROGRESS",
        "WAITING FOR",
        "AGE",
    ]
    assert row.split()[:5] == ["order-1", "order", "Running", "3/5", "approved"]


def test_the_columns_of_the_other_kinds(place: Place) -> None:
    place.create(definition())
    place.create(event())
    segment = history()
    segment["metadata"]["annotations"] = {"perdure.dev/types": "TimerFired"}
    place.create(segment)
    ready = {"type": "Ready", "status": "True", "reason": "Checked", "message": "fine"}
    revision = {"name": "order-abc", "digest": "d"}
    place.merge(
        "WorkflowDefinition",
        "order",
        {"status": {"conditions": [ready], "revision": revision}},
        subresource="status",
    )
    refused = {"type": "Refused", "status": "True", "reason": "Ended"}
    place.merge("WorkflowEvent", "e1", {"status": {"conditions": [refused]}}, subresource="status")
    assert columns(place, "wfd")[:2] == ["True", "order-abc"]
    assert columns(place, "wfe")[:4] == ["order-1", "approved", "Refused", "Ended"]
    assert columns(place, "wfh")[:4] == ["Segment", "1", "2", "TimerFired"]


def columns(place: Place, short: str) -> list[str]:
    return place.kubectl("get", short, "--no-headers").split()[1:]


def test_instances_and_events_are_selected_by_their_fields(place: Place) -> None:
    place.create(instance("one"))
    place.create(instance("two", definitionRef={"name": "other"}, suspend=True))
    place.status("two", {"phase": "Suspended"})
    place.create(event("e1", instance="one"))
    place.create(event("e2", instance="two"))
    select = {
        "wfi": ("spec.definitionRef.name=other", "status.phase=Suspended", "spec.suspend=true"),
        "wfe": ("spec.instance=two",),
    }
    for short, selectors in select.items():
        for selector in selectors:
            found = place.kubectl("get", short, "-o", "name", "--field-selector", selector)
            assert [name.split("/")[1] for name in found.split()] == [
                "two" if short == "wfi" else "e2"
            ]


def test_a_field_that_is_not_there_is_refused_by_kubectl_with_its_path(place: Place) -> None:
    wrong = definition(steps=[{"name": "a", "htpp": {"service": "x"}}])
    with pytest.raises(ClusterError, match=r'unknown field "spec.steps\[0\].htpp"'):
        place.apply(wrong)


# --- the server and the offline check agree ----------------------------------------------


@pytest.mark.parametrize(("manifest", "path"), [case[:2] for case in WRONG.values()], ids=WRONG)
def test_the_server_refuses_what_the_offline_check_refuses_at_the_same_place(
    place: Place, manifest: Manifest, path: str
) -> None:
    with pytest.raises(ApiError) as caught:
        place.call("POST", place.url(manifest["kind"]) + "?fieldValidation=Strict", manifest)
    assert caught.value.status in (400, 422)
    # A rule over the whole object has no path there, and one over a list has the list's.
    assert (path in str(caught.value)) or path in ("metadata.name", "spec"), str(caught.value)


# --- events ------------------------------------------------------------------------------


def added(**fields: Any) -> Manifest:
    return {"op": "add", "path": "/spec/events/-", "value": fields}


def test_an_event_is_appended_by_one_json_patch(place: Place) -> None:
    place.create(instance())
    operation = json.dumps([added(id="e1", name="approved", data={"by": "ann"})])
    place.kubectl("patch", "wfi", "order-1", "--type=json", "-p", operation)
    events = place.get("WorkflowInstance", "order-1")["spec"]["events"]
    assert events == [{"id": "e1", "name": "approved", "data": {"by": "ann"}}]


def test_the_same_event_id_twice_is_refused(place: Place) -> None:
    place.create(instance())
    place.patch("WorkflowInstance", "order-1", added(id="e1", name="approved"))
    with refused("Duplicate value"):
        place.patch("WorkflowInstance", "order-1", added(id="e1", name="approved"))


def test_events_of_two_field_managers_are_merged_by_id(place: Place) -> None:
    for manager, id_ in (("one", "e1"), ("two", "e2")):
        sent = json.dumps(instance(events=[{"id": id_, "name": "approved"}]))
        place.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=sent)
    events = place.get("WorkflowInstance", "order-1")["spec"]["events"]
    assert [one["id"] for one in events] == ["e1", "e2"]


def test_applying_the_manifest_again_keeps_the_events_and_the_pause(place: Place) -> None:
    place.apply(instance())
    place.patch("WorkflowInstance", "order-1", added(id="e1", name="approved"))
    place.merge("WorkflowInstance", "order-1", {"spec": {"suspend": True}})
    place.apply(instance())
    spec = place.get("WorkflowInstance", "order-1")["spec"]
    assert [one["id"] for one in spec["events"]] == ["e1"]
    assert spec["suspend"] is True


@pytest.mark.parametrize(("count", "is_accepted"), [(31, True), (32, True), (33, False)])
def test_an_instance_holds_at_most_32_events(place: Place, count: int, is_accepted: bool) -> None:
    events = [{"id": f"e{i}", "name": "approved"} for i in range(count)]
    if is_accepted:
        place.create(instance(events=events))
        return
    with refused("spec.events holds at most 32 events: send further ones as WorkflowEvent"):
        place.create(instance(events=events))


# --- what does not change ----------------------------------------------------------------


class refused:  # noqa: N801 - reads as a verb, like pytest.raises
    """Expect that the server refuses with 422, or kubectl with the same, and with these words."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        assert error is not None, f"accepted, but expected: {self.words}"
        if not isinstance(error, ApiError):
            return False
        assert error.status == 422, str(error)
        assert self.words in str(error), str(error)
        return True


FIXED: dict[str, Any] = {
    "input": {"a": {"b": 1}},
    "startAt": "2030-01-01T00:00:00Z",
    "timeout": "1h",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"definitionRef": {"name": "other"}}, "definitionRef does not change"),
        ({"definitionRef": {"revision": "order-1"}}, "definitionRef does not change"),
        ({"input": {"a": {"b": 2}}}, "input does not change"),
        ({"input": {"a": None, "c": 1, "d": 2}}, "input does not change"),
        ({"input": None}, "input does not change"),
        ({"startAt": "2031-01-01T00:00:00Z"}, "startAt does not change"),
        ({"startAt": None}, "startAt does not change"),
        ({"timeout": "2h"}, "timeout does not change"),
        ({"timeout": None}, "timeout does not change"),
    ],
)
def test_what_an_instance_runs_does_not_change(place: Place, change: Manifest, words: str) -> None:
    place.create(instance(**FIXED))
    with refused(words):
        place.merge("WorkflowInstance", "order-1", {"spec": change})


def test_a_renamed_key_of_the_input_is_the_one_change_that_the_server_overlooks(
    place: Place,
) -> None:
    place.create(instance(input={"a": 1, "b": 2}))
    place.merge("WorkflowInstance", "order-1", {"spec": {"input": {"b": None, "c": 2}}})


@pytest.mark.parametrize("field", ["input", "startAt", "timeout"])
def test_what_was_absent_stays_absent(place: Place, field: str) -> None:
    place.create(instance())
    with refused(f"{field} does not change"):
        place.merge("WorkflowInstance", "order-1", {"spec": {field: FIXED[field]}})


def test_the_controls_of_an_instance_change_at_any_time(place: Place) -> None:
    place.create(instance(**FIXED))
    for change in (
        {"suspend": True, "suspendReason": "incident 7"},
        {"suspend": False, "suspendReason": None},
        {"retention": {"failed": "1d"}},
        {"retention": None},
        {"terminate": {"reason": "cancelled"}},
    ):
        place.merge("WorkflowInstance", "order-1", {"spec": change})


@pytest.mark.parametrize("change", [None, {"reason": "another"}, {"reason": None}])
def test_terminate_is_set_once(place: Place, change: Manifest | None) -> None:
    place.create(instance(terminate={"reason": "cancelled"}))
    with refused("terminate is set once"):
        place.merge("WorkflowInstance", "order-1", {"spec": {"terminate": change}})


SENT: list[Manifest] = [{"id": "e1", "name": "approved", "data": [1]}, {"id": "e2", "name": "b"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([SENT[1]], "spec.events is append-only"),
        ([], "spec.events is append-only"),
        (None, "spec.events is append-only"),
        ([SENT[0] | {"name": "x"}, SENT[1]], "an event that was sent does not change"),
        ([SENT[0] | {"data": [2]}, SENT[1]], "an event that was sent does not change"),
        ([{"id": "e1", "name": "approved"}, SENT[1]], "an event that was sent does not change"),
        ([SENT[0], SENT[1] | {"data": 1}], "an event that was sent does not change"),
    ],
)
def test_events_that_were_sent_stay(place: Place, change: Any, words: str) -> None:
    place.create(instance(events=SENT))
    with refused(words):
        place.merge("WorkflowInstance", "order-1", {"spec": {"events": change}})


def test_events_may_be_reordered_and_appended(place: Place) -> None:
    place.create(instance(events=SENT))
    more = [SENT[1], SENT[0], {"id": "e3", "name": "c"}]
    place.merge("WorkflowInstance", "order-1", {"spec": {"events": more}})


@pytest.mark.parametrize("change", [{"name": "x"}, {"data": {"a": 2}}, {"data": None}, {"id": "i"}])
def test_a_workflow_event_does_not_change(place: Place, change: Manifest) -> None:
    place.create(event(data={"a": 1}))
    with refused("a WorkflowEvent does not change"):
        place.merge("WorkflowEvent", "e1", {"spec": change})


EVENTS = [{"id": 1, "type": "A", "x": {"y": 1}}, {"id": 2, "type": "B"}]


@pytest.mark.parametrize(
    "change",
    [
        {"lastId": 3},
        {"events": [EVENTS[0]]},
        {"events": [{"id": 1, "type": "A", "x": {"y": 2}}, EVENTS[1]]},
        {"events": [{"id": 1, "type": "A", "z": {"y": 1}}, EVENTS[1]]},
        {"data": "AAAA"},
    ],
)
def test_a_workflow_history_does_not_change(place: Place, change: Manifest) -> None:
    place.create(history(events=EVENTS))
    with refused("a WorkflowHistory does not change"):
        place.merge("WorkflowHistory", "h1", {"spec": change})


def test_a_definition_may_change(place: Place) -> None:
    place.create(definition())
    changed = [{"name": "b", "wait": {"for": "2s"}}]
    place.merge("WorkflowDefinition", "order", {"spec": {"steps": changed}})


@pytest.mark.parametrize(
    ("make", "length", "is_accepted"),
    [
        (definition, 51, True),
        (definition, 52, True),
        (definition, 53, False),
        (instance, 62, True),
        (instance, 63, True),
        (instance, 64, False),
    ],
)
def test_names_have_a_bound(
    place: Place, make: Callable[[str], Manifest], length: int, is_accepted: bool
) -> None:
    made = make("a" * length)
    if is_accepted:
        place.create(made)
        return
    with refused(f"has at most {length - 1} characters"):
        place.create(made)


# --- a finished instance -----------------------------------------------------------------

COMPLETED = {
    "type": "Completed",
    "status": "True",
    "reason": "Succeeded",
    "message": "",
    "lastTransitionTime": "2030-01-01T00:00:00Z",
    "observedGeneration": 1,
}
SUCCEEDED = COMPLETED | {"type": "Succeeded"}
SUSPENDED = COMPLETED | {"type": "Suspended", "status": "False"}
FINISHED: Manifest = {
    "rev": 7,
    "commitId": "c7",
    "observedGeneration": 1,
    "phase": "Succeeded",
    "conditions": [SUCCEEDED, COMPLETED, SUSPENDED],
    "startedAt": "2030-01-01T00:00:00Z",
    "completedAt": "2030-01-01T00:00:01Z",
    "revision": {"name": "order-abc", "digest": "d"},
    "output": {"tracking": 12},
    "error": {"type": "CardDeclined", "details": {"a": 1}, "cause": {"type": "X"}},
    "history": {"version": 1, "length": 2, "digest": "d", "segments": {"count": 0}}
    | {"events": EVENTS},
}
SEEN: Manifest = {"rev": 8, "commitId": "c8", "observedGeneration": 2}
STAYS = "a finished instance stays finished"
RESULT = "the result of a finished instance does not change"
CONDITIONS = "the conditions Succeeded and Completed of a finished instance do not change"
STATUS = "the status of a finished instance does not change, the output included"


def finished(place: Place, phase: str = "Succeeded") -> None:
    place.create(instance())
    place.status("order-1", {"rev": 6, "commitId": "c6", "phase": "Running"})
    place.status("order-1", FINISHED | {"phase": phase})


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Terminated"])
def test_an_ended_instance_takes_no_events(place: Place, phase: str) -> None:
    finished(place, phase)
    with refused("the instance has ended and takes no events any more"):
        place.patch("WorkflowInstance", "order-1", added(id="late", name="approved"))


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Terminated"])
@pytest.mark.parametrize("to", ["Running", "Stalled", None])
def test_an_ended_phase_is_the_last(place: Place, phase: str, to: str | None) -> None:
    finished(place, phase)
    with refused(STAYS):
        place.status("order-1", {"phase": to} | SEEN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"history": {"digest": "x"}}, RESULT),
        ({"history": {"length": 3}}, RESULT),
        ({"history": {"events": [EVENTS[0]]}}, RESULT),
        ({"history": {"events": [EVENTS[0], {"id": 2, "typo": "B"}]}}, RESULT),
        ({"history": None}, RESULT),
        ({"error": {"message": "x"}}, RESULT),
        ({"error": {"details": {"a": 2}}}, RESULT),
        ({"error": None}, RESULT),
        ({"completedAt": "2030-01-01T00:00:02Z"}, RESULT),
        ({"revision": {"digest": "x"}}, RESULT),
        ({"conditions": None}, CONDITIONS),
        ({"conditions": [COMPLETED]}, CONDITIONS),
        ({"conditions": [SUCCEEDED | {"status": "False"}, COMPLETED]}, CONDITIONS),
    ],
)
def test_the_result_of_a_finished_instance_is_kept_even_from_a_newer_commit(
    place: Place, change: Manifest, words: str
) -> None:
    finished(place)
    with refused(words):
        place.status("order-1", change | SEEN)


@pytest.mark.parametrize(
    "change",
    [
        {"output": {"tracking": 13}},
        {"output": "none"},
        {"output": None},
        {"message": "all is well"},
        {"rev": 8},
        {"commitId": "x"},
        {"output": {"tracking": 13}, "rev": 8},
    ],
)
def test_an_administrator_cannot_edit_the_status_of_a_finished_instance(
    place: Place, change: Manifest
) -> None:
    finished(place)
    operation = json.dumps({"status": change})
    text = place.kubectl(
        "patch", "wfi", "order-1", "--subresource=status", "--type=merge", "-p", operation,
        check=False,
    )  # fmt: skip
    assert STATUS in text
    assert FINISHED.items() <= place.get("WorkflowInstance", "order-1")["status"].items()


def test_the_operator_notes_a_newer_generation_of_a_finished_instance(place: Place) -> None:
    finished(place)
    place.merge("WorkflowInstance", "order-1", {"spec": {"retention": {"succeeded": "1h"}}})
    conditions = [one | {"observedGeneration": 2} for one in FINISHED["conditions"]]
    place.status("order-1", SEEN | {"conditions": conditions})
    place.status("order-1", {})


def test_a_finished_instance_still_takes_its_controls_and_can_be_deleted(place: Place) -> None:
    finished(place)
    place.merge("WorkflowInstance", "order-1", {"spec": {"terminate": {"reason": "late"}}})
    place.merge("WorkflowInstance", "order-1", {"spec": {"retention": {"succeeded": "1h"}}})
    place.kubectl("delete", "wfi", "order-1")


def test_the_commit_counter_only_grows(place: Place) -> None:
    place.create(instance())
    place.status("order-1", {"rev": 6, "phase": "Running"})
    for rev in (5, None):
        with refused("status.rev only grows"):
            place.status("order-1", {"rev": rev})
    place.status("order-1", {"rev": 6, "phase": "Suspended"})
    place.status("order-1", {"rev": 7})


def test_a_status_is_not_removed(place: Place) -> None:
    place.create(instance())
    place.status("order-1", {"rev": 1})
    with refused("the status of an instance is its memory"):
        operation = {"op": "remove", "path": "/status"}
        place.patch("WorkflowInstance", "order-1", operation, subresource="status")


def test_events_of_the_history_are_kept_whatever_they_hold(place: Place) -> None:
    events = [{"id": 1, "new": {"deep": [1, None, {"a": 1.5}]}, "type": "Unheard"}, {"id": 2}]
    place.create(instance())
    written = {"history": {"version": 9, "events": events, "length": 2, "digest": "d"}}
    place.status("order-1", {"rev": 1} | written)
    stored = place.get("WorkflowInstance", "order-1")["status"]["history"]
    assert stored == written["history"]


def test_an_event_is_appended_to_the_history_by_a_patch(place: Place) -> None:
    place.create(instance())
    place.status("order-1", {"rev": 1, "history": {"events": [], "length": 0, "digest": "d"}})
    place.patch(
        "WorkflowInstance",
        "order-1",
        {"op": "test", "path": "/status/rev", "value": 1},
        {"op": "add", "path": "/status/history/events/-", "value": {"id": 1}},
        subresource="status",
    )


@pytest.mark.parametrize("output", [0, "x", [1, {"a": None}], {"a": {"b": []}}, True, 1.5])
def test_an_output_is_any_json(place: Place, output: Any) -> None:
    place.create(instance())
    place.status("order-1", {"rev": 1})
    add = {"op": "add", "path": "/status/output", "value": output}
    place.patch("WorkflowInstance", "order-1", add, subresource="status")
    assert place.get("WorkflowInstance", "order-1")["status"]["output"] == output


def test_the_fields_of_an_error_may_be_null(place: Place) -> None:
    error: Mapping[str, Any] = {
        "type": "X",
        **dict.fromkeys(("message", "code", "retryable", "step", "attempt", "details", "cause")),
    }
    place.create(instance())
    add = {"op": "add", "path": "/status", "value": {"rev": 1, "error": dict(error)}}
    place.patch("WorkflowInstance", "order-1", add, subresource="status")
