"""From a seed to a workload."""

from __future__ import annotations

from tests.simulation.workloads import clients, inputs
from tests.simulation.workloads.actions import (
    NAMESPACE,
    Action,
    Define,
    Subject,
    Undefine,
    in_order,
)
from tests.simulation.workloads.author import Author
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.verbs import OUTSIDE, SERVICES
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject

OTHER_NAMESPACE = "yard"
SIZES = {1: 10, 2: 13, 3: 13, 4: 14, 6: 20, 9: 14, 13: 9, 19: 7}
"""How many steps a definition has at most, and how often: half of them are tiny."""
KEPT = 400
"""Most workloads run one of so many definitions: checking one takes longer than running it, and
whoever runs many seeds can keep what was checked."""
SHARE_KEPT = 0.9
SHARE_CONFLUENT = 0.3


def generated(seed: int) -> Workload:
    """Return the workload of a seed: the same one in every process and version of Python."""
    draw = Draw(seed)
    is_confluent = draw.chance(SHARE_CONFLUENT)
    count = draw.weighted({1: 62, 2: 28, 3: 7, 4: 3})
    definitions = _definitions(draw, count, is_confluent=is_confluent)
    actions: list[Action] = []
    for name, versions in definitions.items():
        for namespace in (NAMESPACE, OTHER_NAMESPACE):
            subject = Subject(namespace, name)
            actions += clients.lives_of_definition(
                draw, subject, versions, is_confluent=is_confluent
            )
    for subject in _subjects(draw, count):
        name = draw.pick(list(definitions))
        task = clients.Task(
            draw=draw,
            subject=subject,
            definition=name,
            versions=definitions[name],
            is_confluent=is_confluent,
        )
        actions += clients.life_of(task)
    used = {a.namespace for a in actions if not isinstance(a, Define | Undefine)}
    return Workload(
        name=f"seed {seed}",
        actions=in_order(a for a in actions if a.namespace in used),
        script=_script(draw, seed, is_confluent=is_confluent),
    )


def _subjects(draw: Draw, count: int) -> list[Subject]:
    """Return the instances: rarely two of one name, in two namespaces."""
    subjects = [Subject(NAMESPACE, f"run-{number}") for number in range(1, count + 1)]
    if count > 1 and draw.chance(0.12):
        subjects[-1] = Subject(OTHER_NAMESPACE, subjects[0].name)
    return subjects


def _definitions(
    draw: Draw, count: int, *, is_confluent: bool
) -> dict[str, tuple[JsonObject, ...]]:
    """Return the specs by name, each in one to three versions."""
    names = ["order"] + (["refund"] if count > 1 and draw.chance(0.4) else [])
    versions = {1: 90, 2: 8, 3: 2} if not is_confluent else {1: 1}
    return {
        name: tuple(
            _definition(draw, is_confluent=is_confluent) for _ in range(draw.weighted(versions))
        )
        for name in names
    }


def _definition(draw: Draw, *, is_confluent: bool) -> JsonObject:
    is_kept = draw.chance(SHARE_KEPT)
    number = draw.whole(0, KEPT - 1) if is_kept else draw.whole(KEPT, 2**48)
    return definition(number, is_confluent=is_confluent)


def definition(number: int, *, is_confluent: bool) -> JsonObject:
    """Return the definition of a number."""
    draw = Draw(2 * number + is_confluent)
    author = Author(draw, steps=draw.weighted(SIZES), is_confluent=is_confluent)
    return author.definition(schema=inputs.schema(draw))


def _script(draw: Draw, seed: int, *, is_confluent: bool) -> Script:
    """Return services that are mostly calm; where ends are compared none of them is odd."""
    is_idempotent = is_confluent or draw.chance(0.5)
    places = (*SERVICES, OUTSIDE)
    tempers = {place: _temper(draw) for place in places if draw.chance(0.45)}
    if is_confluent:
        tempers = {place: without_oddities(temper) for place, temper in tempers.items()}
    return Script(seed=seed, is_idempotent=is_idempotent, tempers=tempers)


def without_oddities(temper: Temper) -> Temper:
    """Return the temper of a service whose answers always have the form of an answer."""
    return Temper(
        slow=temper.slow,
        late=temper.late,
        flaky=temper.flaky,
        refusing=temper.refusing,
        cut=temper.cut,
        silent=temper.silent,
        large=temper.large,
    )


def _temper(draw: Draw) -> Temper:
    kind = draw.weighted({"mixed": 3, "flaky": 3, "slow": 2, "bad": 2.5, "large": 0.4})
    match kind:
        case "flaky":
            return Temper(flaky=draw.pick((0.3, 0.7)), cut=0.1)
        case "slow":
            return Temper(slow=0.5, late=0.1, silent=0.05)
        case "bad":
            return Temper(refusing=0.4, cut=0.2, odd=0.15, silent=0.1)
        case "large":
            return Temper(large=0.5)
        case _:
            return Temper(
                slow=0.08, late=0.03, flaky=0.1, refusing=0.12, cut=0.05, silent=0.02, odd=0.03
            )
