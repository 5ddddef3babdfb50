"""One namespace in which a case works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.contract.api_server.port import JSON_PATCH, MERGE_PATCH, Body, Result, Server

GROUPS: Mapping[str, str] = {
    "leases": "/apis/coordination.k8s.io/v1",
    "controllerrevisions": "/apis/apps/v1",
    "configmaps": "/api/v1",
    "secrets": "/api/v1",
    "services": "/api/v1",
    "pods": "/api/v1",
}
NOWHERE = "<nil>"
"""The field of a cause that concerns the whole object."""
PERDURE = "/apis/perdure.dev/v1alpha1"
INSTANCES, EVENTS = "workflowinstances", "workflowevents"
HISTORIES, DEFINITIONS = "workflowhistories", "workflowdefinitions"
LOGS = "workflowlogs"
KINDS: Mapping[str, str] = {
    INSTANCES: "WorkflowInstance",
    EVENTS: "WorkflowEvent",
    HISTORIES: "WorkflowHistory",
    DEFINITIONS: "WorkflowDefinition",
    LOGS: "WorkflowLog",
}


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace of a server; instances are what most cases use."""

    server: Server
    name: str

    def path(
        self, resource: str = INSTANCES, name: str | None = None, subresource: str | None = None
    ) -> str:
        parts = [GROUPS.get(resource, PERDURE), "namespaces", self.name, resource]
        return "/".join([*parts, *(part for part in (name, subresource) if part is not None)])

    def post(self, body: Body, resource: str = INSTANCES, **params: str) -> Result:
        return self.server.call("POST", self.path(resource), body, **params)

    def create(self, name: str, metadata: Body | None = None, **spec: object) -> Result:
        """Create an instance; it has to be accepted."""
        body = instance(name, **spec)
        body["metadata"] |= metadata or {}
        result = self.post(body)
        assert result.status == 201, result.text
        return result

    def get(self, name: str, resource: str = INSTANCES, **params: str) -> Result:
        return self.server.call("GET", self.path(resource, name), **params)

    def is_gone(self, name: str, resource: str = INSTANCES) -> bool:
        return self.get(name, resource).status == 404

    def put(
        self, body: Body, resource: str = INSTANCES, subresource: str | None = None, **params: str
    ) -> Result:
        path = self.path(resource, body["metadata"]["name"], subresource)
        return self.server.call("PUT", path, body, **params)

    def patch(self, name: str, *operations: object, subresource: str | None = None) -> Result:
        """Send a JSON patch to an instance."""
        path = self.path(INSTANCES, name, subresource)
        return self.server.call("PATCH", path, list(operations), JSON_PATCH)

    def merge(
        self,
        name: str,
        patch: object,
        resource: str = INSTANCES,
        subresource: str | None = None,
        **params: str,
    ) -> Result:
        path = self.path(resource, name, subresource)
        return self.server.call("PATCH", path, patch, MERGE_PATCH, **params)

    def status(self, name: str, **status: object) -> Result:
        """Merge into the status of an instance."""
        return self.merge(name, {"status": status}, subresource="status")

    def delete(
        self, name: str, options: object = None, resource: str = INSTANCES, **params: str
    ) -> Result:
        return self.server.call("DELETE", self.path(resource, name), options, **params)

    def list(self, resource: str = INSTANCES, **params: str) -> Result:
        return self.server.call("GET", self.path(resource), **params)


def custom(resource: str, name: str, spec: object) -> Body:
    """Return an object of one of our kinds."""
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": KINDS[resource],
        "metadata": {"name": name},
        "spec": spec,
    }


def instance(name: str, **spec: object) -> Body:
    return custom(INSTANCES, name, {"definitionRef": {"name": "order"}, **spec})


def definition(name: str, *steps: object, **spec: object) -> Body:
    return custom(DEFINITIONS, name, {"steps": list(steps), **spec})


def owner(result: Result, **fields: object) -> Body:
    """Return the reference to an object that owns another."""
    return {
        "apiVersion": result.body["apiVersion"],
        "kind": result.body["kind"],
        "name": result.metadata["name"],
        "uid": result.metadata["uid"],
        **fields,
    }


def breaks_rules(result: Result, field: str, *messages: str) -> bool:
    """Say whether exactly these rules of one field are told."""
    expected = {(field, f"Invalid value: {message}") for message in messages}
    assert (result.status, result.reason) == (422, "Invalid"), result.text
    assert result.causes == expected
    return True
