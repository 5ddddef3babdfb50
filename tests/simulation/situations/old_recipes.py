"""Revisions that nobody needs any more are collected, just when somebody comes to need one again.

The rounds of the collector are as short as the seconds here: a revision is kept for six of them
before it is marked, and for six more before it is deleted.
"""

from __future__ import annotations

from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, Define, RaiseInSpec, Start, in_order
from tests.simulation.workloads.canonical.parts import DEFINITION, recipe, step
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.definitions import revision_name, spec_digest
from perdure.engine.values import JsonObject
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point

ROUND_SECONDS = 2.0
DELETED_AT = 26.0
"""About when the first recipe is deleted that is replaced at once."""
FAILURES = 4
AGAIN, EARLIER = "again", "earlier"


def old_recipes(seed: int, draw: Draw) -> Plan:
    """Return a plan in which an old recipe is needed again while it is about to be deleted."""
    operators = draw.pick((2, 2, 3))
    back = DELETED_AT + draw.seconds(2.2, 4.5)
    heal_at = back + draw.seconds(1.5, 3.5)
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"old-recipes-{seed}",
            actions=_actions(back, draw),
            script=Script(seed=seed),
        ),
        operators=operators,
        storms=(),
        heal_at=heal_at,
        ambushes=_ambushes(operators, heal_at, draw),
        collect_seconds=ROUND_SECONDS,
    )


def _actions(back: float, draw: Draw) -> tuple[Action, ...]:
    first, second = _recipe("first"), _recipe("second")
    named: JsonObject = {"name": DEFINITION}
    is_named = draw.chance(0.4)
    if is_named:
        named["revision"] = revision_name(DEFINITION, spec_digest(first))
    actions: list[Action] = [
        Define(at=0.0, definition=DEFINITION, spec=first),
        Define(at=draw.seconds(1.0, 3.0), definition=DEFINITION, spec=second),
        Start(at=back + 0.3, instance=AGAIN, spec={"definitionRef": named}),
    ]
    if not is_named:
        actions.append(Define(at=back, definition=DEFINITION, spec=first))
    if draw.chance(0.3):
        event: JsonObject = {"id": "over", "name": "go"}
        actions += [
            Start(at=0.4, instance=EARLIER, spec={"definitionRef": {"name": DEFINITION}}),
            RaiseInSpec(at=draw.seconds(2.0, 8.0), instance=EARLIER, event=event),
        ]
    return in_order(actions)


def _recipe(output: str) -> JsonObject:
    """Return steps that wait for what hardly ever comes."""
    return recipe(step("pay"), {"name": "signal", "event": {"name": "go"}}, output=output)


def _ambushes(operators: int, heal_at: float, draw: Draw) -> tuple[Ambush, ...]:
    """One process stands still before it deletes, and the others cannot delete meanwhile."""
    late = draw.pick(names_of(operators))
    since = DELETED_AT - 4 * ROUND_SECONDS
    pause = Fate(fault=Fault.PAUSE, variant="before", seconds=heal_at - since)
    failing = Fate(fault=Fault.SERVER_ERROR, variant="503")
    found = [Ambush(process=late, point=Point.RECIPE, since=since, fate=pause, is_write=True)]
    for name in names_of(operators):
        found += [
            Ambush(
                process=name,
                point=Point.RECIPE,
                since=since + number / 1000,
                fate=failing,
                is_write=True,
            )
            for number in range(FAILURES)
            if name != late
        ]
    return tuple(found)


OLD_RECIPES = Situation(name="old-recipes", bring_about=old_recipes)
