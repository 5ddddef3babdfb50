"""Values, statuses, commits and histories at their bounds: a little below, and a little beyond."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.plan import Plan
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.canonical.parts import recipe, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script

from perdure.engine.values import Json, JsonObject
from perdure.language.flow import MAX_HISTORY
from perdure.testing.simulation.fates import Fault

BACKGROUND = frozenset({Fault.REPLY_LOST, Fault.CONFLICT, Fault.CRASH_APPLIED})
INLINE = (7000, 8100, 8191, 8192, 8193)
"""Bytes of values around the most that an event holds itself."""
OUTPUTS = (15_000, 16_383, 16_384, 16_385, 16_500, 17_000)
"""Bytes of outputs around the most that a status shows."""
SHORT_HISTORY = 40
QUOTES = 2
"""Bytes of a text that are not its own."""


def bounds(seed: int, draw: Draw) -> Plan:
    """Return a plan with one instance that comes near a bound, or passes it."""
    shape = draw.pick((_near_a_full_status, _near_a_full_status, _many_at_once, _too_long))
    spec, given = shape(draw)
    script = Script(seed=seed)
    return Plan(
        seed=str(seed),
        workload=workload(f"bounds-{seed}", spec, given=given, script=script),
        operators=draw.whole(1, 2),
        storms=(),
        heal_at=draw.seconds(1.0, 6.0),
        rate=draw.pick((0.0, 0.0, 0.03)),
        faults=BACKGROUND,
        history_events=SHORT_HISTORY if shape is _too_long else MAX_HISTORY,
    )


def _near_a_full_status(draw: Draw) -> tuple[JsonObject, JsonObject]:
    """Return steps that keep large values, some of them in one turn, and a large output."""
    sizes = [draw.pick(INLINE) for _ in range(draw.whole(4, 9))]
    output = draw.pick(OUTPUTS)
    steps = _keeping(sizes, draw)
    given = {f"k{size}": _text(size) for size in {*sizes, output}}
    return recipe(*steps, vars={"note": ""}, output=f"${{input.k{output}}}"), given


def _many_at_once(draw: Draw) -> tuple[JsonObject, JsonObject]:
    """Return more than a segment, or more events than a commit, in one turn."""
    if draw.chance(0.5):
        size = draw.pick((7000, 8100))
        steps = [_keep(f"s{number}", size) for number in range(draw.whole(18, 24))]
        return recipe(*steps, vars={"note": ""}), {f"k{size}": _text(size)}
    steps = [_call(f"c{number}") for number in range(draw.whole(12, 15))]
    flow: JsonObject = {"name": "many", "steps": [_keep(f"s{n}", 10) for n in range(20)]}
    return recipe(*steps, vars={"note": ""}, flows=[flow]), {"k10": _text(10)}


def _too_long(draw: Draw) -> tuple[JsonObject, JsonObject]:
    """Return steps of more events than a short history may have, over several turns."""
    steps = [_step(f"s{number}", 10, draw) for number in range(draw.whole(14, 30))]
    return recipe(*steps, vars={"note": ""}), {"k10": _text(10)}


def _keeping(sizes: Sequence[int], draw: Draw) -> list[JsonObject]:
    return [_step(f"s{number}", size, draw) for number, size in enumerate(sizes)]


def _step(name: str, size: int, draw: Draw) -> JsonObject:
    if draw.chance(0.4):
        return {"name": name, "wait": {"for": "300ms"}}
    return _keep(name, size)


def _keep(name: str, size: int) -> JsonObject:
    return {"name": name, "set": {"note": f"${{input.k{size}}}"}}


def _call(name: str) -> JsonObject:
    return {"name": name, "call": {"flow": "many"}}


def _text(size: int) -> Json:
    """Return a text of so many bytes as JSON."""
    return "x" * (size - QUOTES)


BOUNDS = Situation(name="bounds", bring_about=bounds)
