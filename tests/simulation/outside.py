"""The services of a workload, joined to the simulated network."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.workloads.memory import Arrival, Services
from tests.simulation.workloads.services import Cut, Reply
from tests.simulation.workloads.workload import Workload

from perdure.testing.simulation.calls import ServiceCall, ServiceReply

CLUSTER_SUFFIX = ".svc"


class Outside:
    """Answers calls by the script of the workload, and knows the addresses of its hosts."""

    def __init__(self, workload: Workload) -> None:
        self._services = Services(workload.script)
        self._origins: dict[str, tuple[str, str]] = {}
        """Whose a call was, by its key: a poll names its operation, and that is the key."""
        self.hosts = workload.hosts

    def reply(self, call: ServiceCall, now: float) -> ServiceReply:
        """Return what the script says."""
        answer = self._services.answer(_arrival(call, now))
        match answer:
            case Reply():
                return ServiceReply(
                    delay_seconds=answer.delay,
                    code=answer.code,
                    headers=tuple(answer.headers.items()),
                    content=answer.body,
                )
            case Cut():
                fault = "cut" if answer.is_taken else "refused"
                return ServiceReply(delay_seconds=answer.delay, fault=fault)
            case _:
                return ServiceReply(delay_seconds=0.0, fault="silent")

    def origin(self, call: ServiceCall) -> tuple[str, str]:
        """Return uid and path that the request names, or for a poll those of its start."""
        arrival = _arrival(call, 0.0)
        if not arrival.origin[0]:
            return self._origins.get(arrival.key, ("", ""))
        if arrival.key:
            self._origins[arrival.key] = arrival.origin
        return arrival.origin

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the address of a host that the workload calls by URL. Raises OSError."""
        if host not in self.hosts:
            raise OSError(f"{host} is not known")
        return ("10.1.0.1",)

    def close(self) -> None:
        """Nothing to release."""


def _arrival(call: ServiceCall, now: float) -> Arrival:
    host = call.host.removesuffix(CLUSTER_SUFFIX)
    service = host.partition(".")[0] if call.host.endswith(CLUSTER_SUFFIX) else host
    return Arrival(
        at=now,
        service=service,
        method=call.method,
        target=call.target,
        headers=call.headers,
        content=call.content,
    )
