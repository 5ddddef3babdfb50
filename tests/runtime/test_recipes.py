"""Definitions and their revisions: which of those are collected, and what is read for it."""

from __future__ import annotations

from datetime import timedelta

from tests.language.definitions import flow, http
from tests.runtime.worlds import World, review_at_once

from perdure.engine.values import JsonObject
from perdure.ports import CONTROLLER_REVISIONS, WORKFLOW_INSTANCES
from perdure.runtime.marks import UNNEEDED_SINCE
from perdure.runtime.recipes import KEPT_REVISIONS, Recipes
from perdure.runtime.retention import Limits, Retention


def recipes_of(world: World) -> Recipes:
    limits = Limits(count=10, finished_bytes=10**9, total_bytes=10**9)
    retention = Retention(world.objects, world.clock, world.meter, limits)
    return Recipes(
        world.objects, world.revisions, review_at_once, retention, world.clock, lambda *_: None
    )


def put_revision(world: World, name: str) -> None:
    """Store a revision that was marked as soon as it was written."""
    now = world.clock.now().isoformat()
    meta: JsonObject = {
        "name": name,
        "creationTimestamp": now,
        "annotations": {UNNEEDED_SINCE: now},
    }
    world.objects.put(CONTROLLER_REVISIONS, {"metadata": meta})


def make_current(world: World, name: str) -> None:
    body = world.define(flow(http("a")))
    assert isinstance(body["status"], dict)
    body["status"]["revision"] = {"name": name, "digest": ""}


def put_instance(world: World, phase: str, revision: str) -> None:
    status: JsonObject = {"phase": phase, "revision": {"name": revision, "digest": ""}}
    meta: JsonObject = {"name": f"with-{revision}"}
    world.objects.put(WORKFLOW_INSTANCES, {"metadata": meta, "spec": {}, "status": status})


def left(world: World) -> list[str]:
    return sorted(n for plural, _, n in world.objects.bodies if plural == "controllerrevisions")


async def test_what_is_current_or_pinned_by_an_unfinished_instance_is_kept() -> None:
    world = World()
    for name in ("order-now", "order-pinned", "order-done"):
        put_revision(world, name)
    make_current(world, "order-now")
    put_instance(world, "Running", "order-pinned")
    put_instance(world, "Succeeded", "order-done")
    recipes = recipes_of(world)
    assert await recipes.collect() == 0
    world.clock.advance((KEPT_REVISIONS + timedelta(seconds=1)).total_seconds())
    assert await recipes.collect() == 1
    assert left(world) == ["order-now", "order-pinned"]


async def test_instances_are_not_read_while_every_revision_is_current() -> None:
    world = World()
    put_revision(world, "order-now")
    make_current(world, "order-now")
    world.clock.advance((KEPT_REVISIONS + timedelta(seconds=1)).total_seconds())
    assert await recipes_of(world).collect() == 0
    assert ("list", "workflowinstances", "") not in world.objects.calls
