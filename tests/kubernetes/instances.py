"""Instances on the real API server, and an Objects port that loses answers on purpose."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from tests.cluster.cluster import Cluster
from tests.contract.worlds import committed, loaded, started

from perdure.engine.events import HistoryEvent, StepSucceeded
from perdure.engine.values import Json, JsonObject
from perdure.errors import UnknownOutcomeError
from perdure.kubernetes.client import ApiClient, connect
from perdure.kubernetes.login import log_in
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import WORKFLOW_HISTORIES, WORKFLOW_INSTANCES, InstanceKey, Resource, Snapshot
from perdure.runtime.clock import SystemClock

Patch = Callable[[], Awaitable[JsonObject]]
Fault = Callable[[Patch], Awaitable[JsonObject]]


class FaultyObjects(ApiObjects):
    """Counts writes; `fault` may come between a patch and its answer, once."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.calls: list[str] = []
        self.fault: Fault | None = None

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self.calls.append(f"get {resource.kind}")
        return await super().get(resource, namespace, name)

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        self.calls.append(f"create {resource.kind}")
        return await super().create(resource, namespace, body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        self.calls.append(f"patch {resource.kind}")

        async def send() -> JsonObject:
            return await super(FaultyObjects, self).patch(
                resource, namespace, name, operations, subresource=subresource
            )

        fault, self.fault = self.fault, None
        return await send() if fault is None else await fault(send)

    def taken(self) -> list[str]:
        """Return the calls since the last look."""
        calls, self.calls = self.calls, []
        return calls

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        self.calls.append(f"list {resource.kind}")
        return await super().list(resource, namespace, labels=labels, fields=fields)


async def lose_answer(send: Patch) -> JsonObject:
    """The server applies the patch, its answer is lost."""
    await send()
    raise UnknownOutcomeError("the answer was lost")


async def lose_request(send: Patch) -> JsonObject:
    """The patch is lost on its way, which the client cannot know."""
    raise UnknownOutcomeError("the connection broke")


class ApiServerWorld:
    """Instances in one namespace of a real API server; see `tests.contract.worlds.World`."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.objects = FaultyObjects(client)

    def store(self) -> KubernetesStore:
        return KubernetesStore(ApiObjects(self.client), SystemClock())

    def faulty(self) -> KubernetesStore:
        """Return a store whose calls are counted, and may get lost, by `objects`."""
        return KubernetesStore(self.objects, SystemClock())

    async def create(self, name: str, **spec: Json) -> InstanceKey:
        body = await ApiObjects(self.client).create(
            WORKFLOW_INSTANCES,
            self.namespace,
            {
                "apiVersion": "perdure.dev/v1alpha1",
                "kind": "WorkflowInstance",
                "metadata": {"name": name},
                "spec": {"definitionRef": {"name": "order"}, **spec},
            },
        )
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        return InstanceKey(self.namespace, name, str(metadata["uid"]))

    async def edit(self, key: InstanceKey, **spec: Json) -> None:
        await self.patch(key, *(add(f"/spec/{field}", value) for field, value in spec.items()))

    async def patch(
        self, key: InstanceKey, *operations: JsonObject, subresource: str | None = None
    ) -> JsonObject:
        return await ApiObjects(self.client).patch(
            WORKFLOW_INSTANCES, key.namespace, key.name, operations, subresource=subresource
        )

    async def body(self, key: InstanceKey) -> JsonObject:
        return await ApiObjects(self.client).get(WORKFLOW_INSTANCES, key.namespace, key.name)

    async def status(self, key: InstanceKey) -> JsonObject:
        status = (await self.body(key))["status"]
        assert isinstance(status, dict)
        return status

    async def histories(self, key: InstanceKey) -> list[JsonObject]:
        """Return the WorkflowHistory objects of the instance."""
        return await ApiObjects(self.client).list(
            WORKFLOW_HISTORIES, key.namespace, labels=f"perdure.dev/instance-uid={key.uid}"
        )

    async def edit_status(self, key: InstanceKey, *operations: JsonObject) -> None:
        """Do what an administrator can do with the status."""
        await self.patch(key, *operations, subresource="status")

    async def remove(self, key: InstanceKey) -> None:
        await ApiObjects(self.client).delete(
            WORKFLOW_INSTANCES, key.namespace, key.name, uid=key.uid
        )


def add(path: str, value: Json) -> JsonObject:
    """Return the operation that sets a field, there already or not."""
    return {"op": "add", "path": path, "value": value}


@asynccontextmanager
async def api_server_world(cluster: Cluster, namespace: str) -> AsyncIterator[ApiServerWorld]:
    clock = SystemClock()
    connection = log_in(clock, kubeconfig=str(cluster.kubeconfig()))
    async with connect(connection, clock) as client:
        yield ApiServerWorld(client, namespace)


async def begun(world: ApiServerWorld, store: KubernetesStore, name: str) -> Snapshot:
    """Create an instance and commit its acceptance."""
    key = await world.create(name)
    return await committed(store, await loaded(store, key), started())


def filler(count: int, size: int = 1000) -> list[HistoryEvent]:
    """Return so many events of about `size` bytes."""
    return [StepSucceeded(path=f"s{i}", output="x" * size) for i in range(count)]


def as_list(value: Json) -> list[JsonObject]:
    """Return the objects of a list."""
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]
