"""`perdure operator`: the engine as a process."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from perdure.errors import SettingsError
from perdure.settings import OperatorSettings, checked_identity, parse_length, parse_size


def operator(
    namespace: Annotated[
        str, typer.Option(envvar="PERDURE_NAMESPACE", help="The operator's own namespace.")
    ] = "perdure-system",
    identity: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_IDENTITY",
            help="A name that outlives the process and is unique among live ones; the host's "
            "name by default.",
        ),
    ] = "",
    watch_namespace: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PERDURE_WATCH_NAMESPACE",
            help="A namespace to serve; repeatable, all by default.",
        ),
    ] = None,
    http_allow: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PERDURE_HTTP_ALLOW",
            help="What http.url may reach: host[:port], *.suffix or CIDR; repeatable, nothing by "
            "default.",
        ),
    ] = None,
    service_map: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PERDURE_SERVICE_MAP",
            help="[namespace/]name=url: where a Service is while developing; repeatable.",
        ),
    ] = None,
    event_ttl: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_EVENT_TTL",
            help="How long a WorkflowEvent that was taken stays, marked Taken; 0: it goes at once.",
        ),
    ] = "0",
    metrics_port: Annotated[
        int, typer.Option(envvar="PERDURE_METRICS_PORT", min=0, max=65535)
    ] = 9090,
    health_port: Annotated[
        int, typer.Option(envvar="PERDURE_HEALTH_PORT", min=0, max=65535)
    ] = 8080,
    retention_count: Annotated[
        int,
        typer.Option(
            envvar="PERDURE_RETENTION_COUNT", min=0, help="Finished instances per namespace."
        ),
    ] = 10_000,
    retention_bytes: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_RETENTION_BYTES", help="Bytes of finished instances per namespace."
        ),
    ] = "256Mi",
    storage_budget: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_STORAGE_BUDGET",
            help="Bytes of all instances per namespace; beyond it new ones stay Pending.",
        ),
    ] = "512Mi",
    kubeconfig: Annotated[
        str | None, typer.Option(help="A kubeconfig file; KUBECONFIG or the pod's by default.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="A context of the kubeconfig.")] = None,
) -> None:
    """Run the engine: advance all instances until told to stop."""
    # Imported here: `perdure lint` must not pay for kopf and aiohttp.
    import uvloop

    from perdure.app import run_operator
    from perdure.controller import logs

    try:
        settings = OperatorSettings(
            namespace=namespace,
            identity=checked_identity(identity),
            watch_namespaces=tuple(watch_namespace or ()),
            http_allow=tuple(http_allow or ()),
            service_map=tuple(service_map or ()),
            event_ttl=parse_length(event_ttl, "--event-ttl"),
            metrics_port=metrics_port,
            health_port=health_port,
            retention_count=retention_count,
            retention_bytes=parse_size(retention_bytes, "--retention-bytes"),
            storage_budget=parse_size(storage_budget, "--storage-budget"),
            kubeconfig=kubeconfig,
            context=context,
        )
        logs.set_up()
        sys.exit(uvloop.run(run_operator(settings)))
    except SettingsError as error:
        print(f"perdure operator: {error}", file=sys.stderr)
        sys.exit(2)
