"""What the pinned recipe of an instance says of a step: the little that checks have to know."""

from __future__ import annotations

import re

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import NOTHING, items, part, text
from perdure.verification.world import World

_CATCH = re.compile(r"catch\[(\d+)\]")


def spec_of(world: World, account: Account) -> JsonObject:
    """Return the definition's spec that the instance pinned, empty where it cannot be seen."""
    return world.recipes.get(text(part(account.started, "revision").get("digest")), NOTHING)


def fails_on_unknown(world: World, account: Account, path: str) -> bool:
    """Return whether the step must not be repeated when its outcome is unknown.

    False also where the step cannot be found: nobody is accused on a guess.
    """
    return step_at(spec_of(world, account), path).get("onUnknown") == "Fail"


def step_at(spec: JsonObject, path: str) -> JsonObject:
    """Return the step (or leaf) at a path of a running instance, empty where it is ambiguous.

    `pay~2.charge` is the step `charge` of the flow that the block `pay` calls.
    """
    frame, step = spec, NOTHING
    for name in path.split("."):
        plain = name.partition("~")[0]
        catch = _CATCH.fullmatch(plain)
        if catch is not None:
            entries = items(step.get("catch"))
            index = int(catch[1])
            step = entries[index] if index < len(entries) else NOTHING
            frame = _flow_of(spec, step)
        elif plain == "do":
            step = _leaf_of(step)
        else:
            step = _named(frame, plain)
            frame = _flow_of(spec, step)
    return part(step, "do") if "do" in step else step


def _named(frame: JsonObject, name: str) -> JsonObject:
    found = [step for step in items(frame.get("steps")) if step.get("name") == name]
    return found[0] if len(found) == 1 else NOTHING


def _bodies_of(step: JsonObject) -> list[JsonObject]:
    """Return every body that a step may run."""
    switch = part(step, "switch")
    bodies = [part(step, "call"), *items(switch.get("cases")), part(switch, "default"), step]
    return [body for body in bodies if "flow" in body or "do" in body]


def _flow_of(spec: JsonObject, step: JsonObject) -> JsonObject:
    """Return the flow that a step runs, empty where it may be one of several."""
    names = {text(body.get("flow")) for body in _bodies_of(step) if "flow" in body}
    found = [flow for flow in items(spec.get("flows")) if flow.get("name") in names]
    return found[0] if len(names) == 1 and found else NOTHING


def _leaf_of(step: JsonObject) -> JsonObject:
    leaves = [part(body, "do") for body in _bodies_of(step) if "do" in body]
    return leaves[0] if len(leaves) == 1 else NOTHING
