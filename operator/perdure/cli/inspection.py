"""What `perdure verify` does: log in, read, judge, and tell what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from perdure.errors import ObjectForbiddenError, ObjectNotFoundError, PerdureError, SettingsError
from perdure.kubernetes.client import connect
from perdure.kubernetes.connection import Connection
from perdure.kubernetes.histories import is_absence
from perdure.kubernetes.login import log_in
from perdure.kubernetes.objects import ApiObjects
from perdure.runtime.clock import SystemClock
from perdure.verification.evidence import Violation
from perdure.verification.standing import Inspector, Report

DAMAGED = "restore the objects from a backup of etcd, or delete the instance and start another"
ADVICE: Mapping[str, str] = {
    "I-1": DAMAGED,
    "I-2": DAMAGED,
    "I-3": DAMAGED,
    "I-4": DAMAGED,
    "I-9": "restore the ControllerRevision (apply the definition as it was), or terminate the "
    "instance",
    "I-27": "see whether an operator runs and serves this namespace; then delete what is left",
    "I-28": "somebody wrote to /status: the next commit sets it right; what has ended stays so",
}
OTHERWISE = "report it with `kubectl get wfi NAME -o yaml`: Perdure should not have written this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for; `namespace` None is that of the context."""

    name: str | None
    namespace: str | None
    is_everywhere: bool
    kubeconfig: str | None
    context: str | None


def run(request: Request) -> int:
    """Do it; return the exit status."""
    clock = SystemClock()
    try:
        connection = log_in(clock, kubeconfig=request.kubeconfig, context=request.context)
    except SettingsError as error:
        print(f"perdure verify: {error}", file=sys.stderr)
        return 2
    namespace = request.namespace or connection.namespace or "default"
    scope = None if request.is_everywhere else namespace
    try:
        report = asyncio.run(_inspected(connection, clock, scope, request.name))
    except PerdureError as error:
        print(f"perdure verify: {_kindly(error, scope, request.name)}", file=sys.stderr)
        return 1
    return _told(report)


async def _inspected(
    connection: Connection, clock: SystemClock, namespace: str | None, name: str | None
) -> Report:
    async with connect(connection, clock) as client:
        inspector = Inspector(ApiObjects(client), clock.now())
        return await inspector.inspect(namespace, name)


def _told(report: Report) -> int:
    """Print a report; return the exit status."""
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    for violation in report.violations:
        print(f"{violation.render()}; what to do: {_advice(violation)}")
    looked = f"{_count(report.instances, 'instance')}, {_count(report.events, 'history event')}"
    if report.violations:
        print(f"{looked}: {_count(len(report.violations), 'violation')}", file=sys.stderr)
        return 1
    print(f"{looked}: all good")
    return 0


def _advice(violation: Violation) -> str:
    """Return what to do."""
    return ADVICE.get(violation.invariant, OTHERWISE).replace(
        "NAME", violation.subject.rpartition("/")[2]
    )


def _kindly(error: PerdureError, namespace: str | None, name: str | None) -> str:
    where = "any namespace" if namespace is None else f'namespace "{namespace}"'
    if isinstance(error, ObjectForbiddenError):
        return f"you may not read what is in {where}: {error}; it takes get and list"
    if isinstance(error, ObjectNotFoundError):
        if not is_absence(error):
            return "the API server does not know the kinds of Perdure: apply its CRDs first"
        return f'there is no WorkflowInstance "{name}" in {where}; `kubectl get wfi` lists them'
    return str(error)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
