"""Perdure: durable workflows that live entirely in Kubernetes.

The layers, inward: cli, then app, then controller, then kubernetes and executors, then runtime,
then ports, then definitions, then language and resources, then engine. See
docs/architecture.md#layers.
"""
