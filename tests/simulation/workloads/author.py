"""Writes a definition: steps, what surrounds them, flows and bodies, within a number of steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation.workloads import expressions, retries
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.scope import IN_FLOW, MAIN, Known, Scope, Shape
from tests.simulation.workloads.verbs import Made, Site, make

from perdure.engine.values import Json, JsonObject

MAX_DEPTH = 3
VARIABLES: JsonObject = {"total": 0, "note": "none"}


@dataclass(frozen=True, slots=True)
class Flow:
    """A finished flow; `height` is how many levels of flows it runs, itself included."""

    name: str
    height: int
    fields: JsonObject


class Author:
    """Writes one definition of at most so many steps, all flows and bodies counted.

    A flow is registered when it is complete, and only registered flows are called: so flows
    never run in a circle. With `is_confluent` the end of an instance does not depend on timing, as
    `confluence.py` judges it.
    """

    def __init__(self, draw: Draw, *, steps: int, is_confluent: bool) -> None:
        self.draw = draw
        self.is_confluent = is_confluent
        self.flows: list[Flow] = []
        self.has_variables = draw.chance(0.5)
        self._left = steps
        self._number = 0

    @property
    def has_room(self) -> bool:
        """Return whether further steps may be added."""
        return self._left > 0

    def new_number(self) -> int:
        """Return a number that no call before has returned."""
        self._number += 1
        return self._number

    def wait_timeout(self) -> str:
        """Return the time-out of a wait for events."""
        return retries.wait_timeout(self.draw)

    def steps(self, scope: Scope, depth: int, most: int) -> tuple[list[Json], tuple[Known, ...]]:
        """Return the steps of a flow, at least one, and what is known of each at its end."""
        is_graph = most > 2 and self.draw.chance(0.3)
        made: list[Json] = []
        known: list[Known] = []
        over: dict[str, frozenset[str]] = {}
        while not made or (self.has_room and len(made) < most):
            self._left -= 1
            name = f"s{self.new_number()}"
            needs = self._needs([k.name for k in known]) if is_graph else None
            over[name] = _closure(over, needs)
            seen = tuple(k for k in known if k.name in over[name])
            step, shape = self._step(scope.after(seen), name, depth, is_graph=is_graph)
            if needs is not None:
                step["needs"] = [*needs]
            made.append(step)
            is_sure = not ({"when", "catch"} & step.keys())
            known.append(Known(name, shape, is_sure))
            if "return" in step and "when" not in step and not is_graph:
                break  # what follows would never run
        return made, tuple(known)

    def _needs(self, above: list[str]) -> list[str] | None:
        if self.draw.chance(0.15):
            return None
        return self.draw.some(above, 2)

    def _step(
        self, scope: Scope, name: str, depth: int, *, is_graph: bool
    ) -> tuple[JsonObject, Shape]:
        site = Site(
            author=self,
            scope=scope,
            path=scope.path(name),
            depth=depth,
            is_plain=is_graph and self.is_confluent,
        )
        made = make(site)
        guard = 0.7 if {"raise", "return"} & made.fields.keys() else 0.12
        step: JsonObject = {"name": name}
        if self.draw.chance(guard) and (not site.is_plain or "http" in made.fields):
            step["when"] = expressions.boolean(self.draw, scope)
        return self._around(site, {**step, **made.fields}, made)

    def _around(self, site: Site, step: JsonObject, made: Made) -> tuple[JsonObject, Shape]:
        """Add what may stand around the verb: retry, timeout, output, catch, onUnknown."""
        draw, shape = self.draw, made.shape
        if "http" in step:
            step = {**step, **self._around_call(site)}
            if draw.chance(0.12):
                step["output"], shape = self._reshaped(shape)
        elif {"switch", "call", "raise"} & step.keys() and not self.is_confluent:
            if draw.chance(0.3):
                step["retry"] = {"attempts": draw.whole(2, 3), "delay": "500ms", "when": "true"}
            if draw.chance(0.08):
                step["timeout"] = retries.timeout(draw)
        if site.is_plain and "http" in step:
            step["catch"] = [{"output": "none"}]
        elif not site.is_plain and draw.chance(_share_caught(step)):
            step["catch"] = self._catch(site)
        return step, shape

    def _around_call(self, site: Site) -> JsonObject:
        draw, around = self.draw, dict[str, Json]()
        if self.is_confluent:
            return {"retry": retries.patient(draw)} if draw.chance(0.3) else {}
        if draw.chance(0.5):
            around["retry"] = retries.retry(draw)
        if draw.chance(0.12):
            around["timeout"] = retries.timeout(draw)
        if draw.chance(0.12):
            around["onUnknown"] = draw.pick(("Fail", "Fail", "Retry"))
        return around

    def _reshaped(self, shape: Shape) -> tuple[Json, Shape]:
        if self.draw.chance(0.4):
            return "${result.code}", Shape.OTHER
        return {"token": "${result.body.token}", "n": "${result.body.?n.orValue(0)}"}, shape

    def _catch(self, site: Site) -> list[Json]:
        draw = self.draw
        entries: list[Json] = []
        for index in range(draw.weighted({1: 4, 2: 1})):
            entry: JsonObject = {}
            if draw.chance(0.25):
                entry["when"] = draw.pick(
                    (
                        'error.type == "HttpStatus"',
                        "error.code == 404",
                        'error.type in ["Declined", "Timeout", "OutcomeUnknown"]',
                        "!error.retryable",
                    )
                )
            path = f"{site.path}.catch[{index}]"
            entries.append({**entry, **self._catch_body(site, path)})
        return entries

    def _catch_body(self, site: Site, path: str) -> JsonObject:
        draw = self.draw
        fields: JsonObject = {}
        if draw.chance(0.5):
            fields["output"] = {"why": "${error.type}", "code": "${error.code}"}
        if draw.chance(0.5) and self.has_room:
            return {**fields, "do": self._leaf(site.below(path, has_error=True), may_catch=False)}
        if draw.chance(0.6) and self.has_room and site.depth > 0:
            inside = replace(site, scope=site.scope.in_catch())
            return {**fields, **self.flow_body(inside, path)}
        return fields

    def body(self, site: Site) -> JsonObject:
        """Return the body of a case: a flow or a leaf."""
        if self.draw.chance(0.4) and self.has_room and site.depth > 0:
            return self.flow_body(site, site.path)
        return {"do": self._leaf(site.below(f"{site.path}.do"), may_catch=True)}

    def _leaf(self, site: Site, *, may_catch: bool) -> JsonObject:
        self._left -= 1
        made = make(site)
        leaf = made.fields
        if "http" in leaf:
            leaf = {**leaf, **self._around_call(site)}
        if may_catch and self.draw.chance(0.1):
            leaf = {**leaf, "catch": [{"output": {"why": "${error.type}"}}]}
        return leaf

    def flow_body(self, site: Site, path: str) -> JsonObject:
        """Return `flow` and `with` for a body whose frame has this path; writes the flow, too."""
        fitting = [flow for flow in self.flows if flow.height <= site.depth]
        is_reused = fitting and (self.draw.chance(0.3) or not self.has_room)
        flow = self.draw.pick(fitting) if is_reused else self._new_flow(site.depth)
        return {
            "flow": flow.name,
            "with": {
                "at": path,
                "amount": expressions.whole(expressions.number(self.draw, site.scope)),
                "label": expressions.whole(expressions.text(self.draw, site.scope)),
            },
        }

    def _new_flow(self, depth: int) -> Flow:
        known_before = len(self.flows)
        name = f"flow{self.new_number()}"
        owns = self.draw.chance(0.15)
        scope = replace(IN_FLOW, has_variables=self.has_variables or owns)
        steps, known = self.steps(scope, depth - 1, self.draw.whole(1, 4))
        fields: JsonObject = {"name": name, "params": ["at", "amount", "label"], "steps": steps}
        if owns:
            fields["vars"] = {"total": "${amount}", "note": "${label}"}
        if self.draw.chance(0.7):
            fields["output"] = expressions.value(self.draw, scope.after(known))
        height = 1 + max((f.height for f in self.flows[known_before:]), default=0)
        flow = Flow(name, max(height, self._height_of(steps)), fields)
        self.flows.append(flow)
        return flow

    def _height_of(self, steps: list[Json]) -> int:
        used = str(steps)
        below = [f.height for f in self.flows if f"'flow': '{f.name}'" in used]
        return 1 + max(below, default=0)

    def definition(self, *, schema: JsonObject | None) -> JsonObject:
        """Return the spec of the definition."""
        draw = self.draw
        scope = replace(MAIN, has_variables=self.has_variables)
        steps, known = self.steps(scope, MAX_DEPTH, self._left)
        spec: JsonObject = {"steps": steps}
        if schema is not None:
            spec["input"] = {"schema": schema}
        if self.flows:
            spec["flows"] = [flow.fields for flow in self.flows]
        if self.has_variables:
            spec["vars"] = {**VARIABLES, "note": draw.pick(("none", "${input.label}"))}
        if draw.chance(0.75):
            spec["output"] = expressions.value(draw, scope.after(known))
        elif draw.chance(0.2):
            spec["output"] = "${input.pad}"
        return {**spec, **self._whole()}

    def _whole(self) -> JsonObject:
        """Return what holds for the whole definition: defaults, time-out, retention."""
        draw, fields = self.draw, dict[str, Json]()
        if self.is_confluent:
            return {"defaults": {"retry": retries.PATIENT}}
        if draw.chance(0.2):
            fields["defaults"] = {"retry": retries.retry(draw), "timeout": "2m"}
        if draw.chance(0.07):
            fields["timeout"] = retries.instance_timeout(draw)
        if draw.chance(0.1):
            short = draw.pick(("10s", "2m"))
            fields["retention"] = {"succeeded": short, "failed": short, "terminated": "1m"}
        return fields


def _share_caught(step: JsonObject) -> float:
    """Return how often the failure of such a step is caught: the more often, the likelier it is."""
    if "raise" in step:
        return 0.5
    return 0.03 if "wait" in step else 0.22


def _closure(over: dict[str, frozenset[str]], needs: list[str] | None) -> frozenset[str]:
    """Return every step that is over when these are; all above where None."""
    if needs is None:
        return frozenset(over)
    return frozenset(needs).union(*(over[need] for need in needs))
