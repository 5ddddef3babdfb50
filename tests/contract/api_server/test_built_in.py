"""The kinds of Kubernetes itself that this project uses."""

import pytest
from tests.contract.api_server.port import Body, Result
from tests.contract.api_server.space import Space

LEASE = {
    "holderIdentity": "me",
    "leaseDurationSeconds": 15,
    "renewTime": "2026-01-01T00:00:00.123456Z",
    "leaseTransitions": 0,
}


def named(name: str, **fields: object) -> Body:
    return {"metadata": {"name": name}, **fields}


def lease(space: Space, **spec: object) -> Result:
    return space.post(named("l", spec={**LEASE, **spec}), "leases")


# --- leases ---------------------------------------------------------------------------------


def test_a_lease_has_neither_generation_nor_defaults(space: Space) -> None:
    result = lease(space)
    assert (result.status, result.spec) == (201, LEASE)
    assert (result.body["apiVersion"], result.body["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert "generation" not in result.metadata


def test_a_lease_without_a_spec_gets_an_empty_one(space: Space) -> None:
    assert space.post(named("l"), "leases").spec == {}


def test_a_lease_is_renewed_by_its_version(space: Space) -> None:
    body = lease(space).body
    body["spec"]["renewTime"] = "2026-01-01T00:00:02.000000Z"
    renewed = space.put(body, "leases")
    assert (renewed.status, renewed.spec["renewTime"]) == (200, "2026-01-01T00:00:02.000000Z")
    result = space.put(body, "leases")
    assert (result.status, result.reason) == (409, "Conflict")
    assert result.message == (
        'Operation cannot be fulfilled on leases.coordination.k8s.io "l": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )


def test_a_lease_that_stays_as_it_is_is_no_write(space: Space) -> None:
    created = lease(space)
    assert space.put(created.body, "leases").body == created.body


def test_a_lease_is_not_replaced_without_a_version(space: Space) -> None:
    body = lease(space).body
    del body["metadata"]["resourceVersion"]
    result = space.put(body, "leases")
    assert (result.status, result.fields) == (422, {"metadata.resourceVersion"})


def test_a_lease_can_be_created_by_replacing_nothing(space: Space) -> None:
    body = named("l", spec=LEASE)
    body["metadata"]["resourceVersion"] = "5"
    result = space.put(body, "leases")
    assert (result.status, result.spec) == (201, LEASE)


def test_an_empty_holder_is_kept(space: Space) -> None:
    assert lease(space, holderIdentity="").spec["holderIdentity"] == ""


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "yesterday", 5]
)
def test_times_of_leases_have_microseconds(space: Space, time: object) -> None:
    result = lease(space, renewTime=time)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message.startswith('Lease in version "v1" cannot be handled as a Lease: ')


@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("leaseDurationSeconds", 0, "greater than 0"),
        ("leaseTransitions", -1, "greater than or equal to 0"),
    ],
)
def test_numbers_of_leases_have_a_least(space: Space, field: str, value: int, bound: str) -> None:
    result = lease(space, **{field: value})
    assert result.status == 422
    assert result.causes == {(f"spec.{field}", f"Invalid value: {value}: must be {bound}")}


def test_a_wrong_type_in_a_patch_cannot_be_decoded(space: Space) -> None:
    lease(space)
    result = space.merge("l", {"spec": {"holderIdentity": 5}}, "leases")
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message.startswith(' "" is invalid: patch: Invalid value: "')


def test_unknown_fields_of_leases_are_dropped(space: Space) -> None:
    assert lease(space, bogus=1).spec == LEASE


# --- revisions ------------------------------------------------------------------------------


def revision(space: Space, **fields: object) -> Result:
    return space.post(named("r", **fields), "controllerrevisions")


def test_the_data_of_a_revision_is_kept_as_it_is(space: Space) -> None:
    result = revision(space, data={"z": 1.5, "a": {"c": None, "b": [1]}}, revision=3)
    assert result.status == 201
    assert '"data":{"z":1.5,"a":{"c":null,"b":[1]}}' in result.text.replace(" ", "")
    assert result.body["revision"] == 3


def test_a_revision_has_data(space: Space) -> None:
    result = revision(space, revision=1)
    assert result.causes == {("data", "Required value: data is mandatory")}


def test_the_data_of_a_revision_is_an_object(space: Space) -> None:
    result = revision(space, data="x", revision=1)
    assert result.causes == {("data", "Required value: data must be a valid JSON object")}


def test_the_number_of_a_revision_is_not_negative(space: Space) -> None:
    result = revision(space, data={}, revision=-1)
    message = "Invalid value: -1: must be greater than or equal to 0"
    assert result.causes == {("revision", message)}


def test_the_data_of_a_revision_does_not_change(space: Space) -> None:
    body = revision(space, data={"a": 1}, revision=1).body
    body["data"] = {"a": 2}
    result = space.put(body, "controllerrevisions")
    assert (result.status, result.reason) == (422, "Invalid")
    ((field, message),) = result.causes
    assert (field, message.rpartition(": ")[2]) == ("data", "field is immutable")


def test_the_number_of_a_revision_may_change(space: Space) -> None:
    body = revision(space, data={"a": 1}, revision=1).body
    body["revision"] = 2
    result = space.put(body, "controllerrevisions")
    assert result.status == 200, result.text
    assert result.body["revision"] == 2


# --- others ---------------------------------------------------------------------------------


def test_a_config_map_holds_text(space: Space) -> None:
    result = space.post(named("c", data={"a": "1"}), "configmaps")
    assert (result.status, result.body["data"]) == (201, {"a": "1"})
    refused = space.post(named("d", data={"a": 1}), "configmaps")
    assert (refused.status, refused.reason) == (400, "BadRequest")
    assert refused.message.startswith(
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal'
    )


def test_a_config_map_may_be_replaced_without_a_version(space: Space) -> None:
    space.post(named("c", data={"a": "1"}), "configmaps")
    result = space.put(named("c", data={"a": "2"}), "configmaps")
    assert (result.status, result.body["data"]) == (200, {"a": "2"})


def test_an_immutable_config_map_does_not_change(space: Space) -> None:
    space.post(named("c", data={"a": "1"}, immutable=True), "configmaps")
    result = space.merge("c", {"data": {"a": "2"}}, "configmaps")
    message = "Forbidden: field is immutable when `immutable` is set"
    assert result.causes == {("data", message)}


def test_a_secret_is_written_as_text_and_read_in_base64(space: Space) -> None:
    result = space.post(named("s", stringData={"a": "1"}, data={"b": "Yg=="}), "secrets")
    assert result.status == 201
    assert result.body["data"] == {"a": "MQ==", "b": "Yg=="}
    assert (result.body["type"], "stringData" in result.body) == ("Opaque", False)


def test_the_data_of_a_secret_is_base64(space: Space) -> None:
    result = space.post(named("s", data={"b": "???"}), "secrets")
    assert (result.status, result.message) == (
        400,
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
    )


def test_the_ports_of_a_service_are_completed(space: Space) -> None:
    result = space.post(named("s", spec={"ports": [{"port": 80}]}), "services")
    assert result.status == 201
    assert result.spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert result.spec["type"] == "ClusterIP"


def test_a_service_has_ports_unless_it_is_headless(space: Space) -> None:
    result = space.post(named("s", spec={}), "services")
    assert result.causes == {("spec.ports", "Required value")}
    assert space.post(named("s", spec={"clusterIP": "None"}), "services").status == 201


def test_the_name_of_a_service_is_a_dns_label(space: Space) -> None:
    result = space.post(named("9s", spec={"ports": [{"port": 80}]}), "services")
    assert (result.status, result.fields) == (422, {"metadata.name"})
    assert "a DNS-1035 label must consist of" in result.message


@pytest.mark.parametrize(
    ("resource", "fields"),
    [
        ("configmaps", {}),
        ("secrets", {}),
        ("leases", {"spec": {}}),
        ("controllerrevisions", {"data": {}}),
    ],
)
def test_most_kinds_answer_a_deletion_by_a_status(
    space: Space, resource: str, fields: dict[str, object]
) -> None:
    uid = space.post(named("x", **fields), resource).metadata["uid"]
    result = space.delete("x", resource=resource)
    assert (result.status, result.body["kind"]) == (200, "Status")
    assert result.body["details"]["uid"] == uid
    assert space.is_gone("x", resource)


def test_a_service_answers_its_deletion_itself(space: Space) -> None:
    created = space.post(named("s", spec={"ports": [{"port": 80}]}), "services")
    deleted = space.delete("s", resource="services")
    assert deleted.spec == created.spec
    assert deleted.version > created.version


def test_a_namespace_has_a_phase_and_a_label(space: Space) -> None:
    result = space.server.call("GET", f"/api/v1/namespaces/{space.name}")
    assert result.metadata["labels"] == {"kubernetes.io/metadata.name": space.name}
    assert (result.body["status"], result.spec) == (
        {"phase": "Active"},
        {"finalizers": ["kubernetes"]},
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.b", "must not contain dots"),
        ("Upper", "a lowercase RFC 1123 label must consist of"),
    ],
)
def test_the_name_of_a_namespace_is_a_dns_label(space: Space, name: str, message: str) -> None:
    result = space.server.call("POST", "/api/v1/namespaces", named(name))
    assert (result.status, result.fields) == (422, {"metadata.name"})
    assert f'metadata.name: Invalid value: "{name}": {message}' in result.message


def test_a_pod_needs_containers(space: Space) -> None:
    def is_judged() -> bool:
        # A real namespace admits pods once it has its service account, made a moment after it.
        return space.post(pod, "pods").status != 403

    pod = named("p", spec={"containers": []})
    space.server.eventually(is_judged, "the service account of the namespace")
    result = space.post(pod, "pods")
    assert (result.status, "spec.containers" in result.fields) == (422, True)
