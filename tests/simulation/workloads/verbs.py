"""One rule per verb: what a step does. A new verb joins with one rule in RULES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.simulation.workloads import expressions
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.inputs import size_at_bound
from tests.simulation.workloads.scope import Scope, Shape

from perdure.engine.values import Json, JsonObject

if TYPE_CHECKING:
    from tests.simulation.workloads.author import Author

SERVICES = ("stock", "bank", "mail")
OUTSIDE = "outside.example"
"""The host of the calls by URL."""
EVENT_NAMES = ("approved", "paid", "Stock", "tick")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a verb stands: `path` is a template of the step's path, `depth` counts flows.

    `is_leaf` under a `do`; `is_plain` in a flow that runs steps side by side and must come to one
    end in every order: such a step can neither fail nor be seen by others before it is over.
    """

    author: Author
    scope: Scope
    path: str
    depth: int
    is_leaf: bool = False
    is_plain: bool = False

    @property
    def draw(self) -> Draw:
        """Return where choices come from."""
        return self.author.draw

    @property
    def is_confluent(self) -> bool:
        """Return whether the end must not depend on timing."""
        return self.author.is_confluent

    @property
    def is_main(self) -> bool:
        """Return whether this is a step of the main flow, which runs once."""
        return not self.scope.is_flow and not self.is_leaf and not self.scope.has_error

    def below(self, path: str, *, has_error: bool = False) -> Site:
        """Return the site of a leaf under this step."""
        scope = replace(self.scope, has_error=self.scope.has_error or has_error)
        return replace(self, scope=scope, path=path, is_leaf=True)


@dataclass(frozen=True, slots=True)
class Made:
    """A verb with its fields, and the shape of its output."""

    fields: JsonObject
    shape: Shape = Shape.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a verb is made, how often, and where it may stand."""

    make: Callable[[Site], Made]
    weight: float
    is_leaf: bool = True
    """May stand under a `do`."""
    may_stand: Callable[[Site], bool] = lambda site: True
    is_plain: bool = False
    """May run beside other steps without changing what they come to."""


def make(site: Site) -> Made:
    """Return one verb that may stand here."""
    weights = {
        rule: rule.weight
        for rule in RULES.values()
        if (rule.is_leaf or not site.is_leaf)
        and (rule.is_plain or not site.is_plain)
        and rule.may_stand(site)
    }
    return site.draw.weighted(weights).make(site)


def http(site: Site) -> Made:
    """Call a service; the request says which step of which instance asks, and what it has seen."""
    draw = site.draw
    if draw.chance(0.1):
        return _polled(site)
    method = draw.weighted({"POST": 7, "PUT": 1, "PATCH": 1, "GET": 1, "DELETE": 0.5})
    call: JsonObject = {**_target(draw), "method": method}
    if method in ("GET", "DELETE"):
        call["query"] = {**_who(site), "tag": ["${input.label}", "b&c"]}
    elif draw.chance(0.05):
        call["form"] = {**_who(site), "n": "${input.n}"}
    else:
        call["body"] = _body(site)
    if draw.chance(0.1):
        call["headers"] = {"X-Instance": "${workflow.name}"}
    if draw.chance(0.1):
        call["expect"] = draw.pick(
            ("result.code < 300", "result.code in [200, 404, 409]", "has(result.body.token)")
        )
    return Made({"http": call}, Shape.ANSWER)


def _polled(site: Site) -> Made:
    poll: JsonObject = {
        "every": site.draw.pick(("500ms", "2s", "5s")),
        "until": 'result.body.state != "running"',
    }
    call: JsonObject = {
        "service": site.draw.pick(SERVICES),
        "method": "POST",
        "path": "/jobs",
        "body": _body(site),
        "poll": poll,
    }
    return Made({"http": call}, Shape.ANSWER)


def _target(draw: Draw) -> JsonObject:
    path = draw.pick(("/orders", "/orders/${input.label}", "/a%20b", "/"))
    if draw.chance(0.03):
        return {"url": f"http://{OUTSIDE}{path}"}
    target: JsonObject = {"service": draw.pick(SERVICES), "path": path}
    if draw.chance(0.1):
        target["port"] = 80
    if draw.chance(0.05):
        target["scheme"] = "http"
    return target


def _who(site: Site) -> JsonObject:
    return {"uid": "${workflow.uid}", "path": site.path}


def _body(site: Site) -> JsonObject:
    body: JsonObject = {**_who(site), "seen": expressions.tokens(site.scope)}
    if site.draw.chance(0.5):
        body["value"] = expressions.value(site.draw, site.scope)
    if site.draw.chance(0.08):
        body["pad"] = "${input.pad}"
    return body


def wait(site: Site) -> Made:
    """Pause: for a literal or computed length, or until a time, mostly short."""
    draw = site.draw
    if draw.chance(0.15) and not site.is_confluent:
        moment = draw.pick(
            (
                '${workflow.startedAt + duration("5s")}',
                '${workflow.now + duration("1500ms")}',
                "${workflow.now}",
            )
        )
        return Made({"wait": {"at": moment}})
    if draw.chance(0.05):
        return Made({"wait": {"at": "2020-02-29T12:00:00+01:00"}})
    if draw.chance(0.15) and not site.is_plain:
        return Made({"wait": {"for": draw.pick(("${input.n}s", '${duration("2s")}'))}})
    short, long = ("100ms", "500ms", "1s", "2s", "5s", "13s"), ("3m", "2h", "1d")
    return Made({"wait": {"for": draw.pick(long if draw.chance(0.08) else short)}})


def event(site: Site) -> Made:
    """Wait for events. Its time-out is set here: `onTimeout` needs one."""
    if site.is_confluent:
        # One name per step, so that every event has one taker; the time of arrival is left out.
        name = f"signal{site.author.new_number()}"
        return Made({"event": {"name": name}, "output": "${result.data}"})
    draw = site.draw
    fields: JsonObject = {"name": draw.pick(EVENT_NAMES)}
    around: JsonObject = {}
    if draw.chance(0.3):
        fields["where"] = draw.pick(
            (
                "event.data.n > 1",
                'event.data.kind == "good"',
                'event.id != "no"',
                "event.data.n < 9",
            )
        )
    if draw.chance(0.2):
        fields["count"] = draw.whole(2, 4)
    if draw.chance(0.6):
        around["timeout"] = site.author.wait_timeout()
        if draw.chance(0.6):
            fields["onTimeout"] = "Continue"
    shape = Shape.OTHER if "count" in fields or "onTimeout" in fields else Shape.EVENT
    return Made({"event": fields, **around}, shape)


def assign(site: Site) -> Made:
    """Give variables new values; now and then as large as a value may be inline."""
    draw, values = site.draw, dict[str, Json]()
    if draw.chance(0.6):
        values["total"] = f"${{vars.total + {expressions.number(draw, site.scope, 1)}}}"
    if draw.chance(0.5) or not values:
        values["note"] = expressions.whole(expressions.text(draw, site.scope))
    if draw.chance(0.05):
        values["note"] = "y" * (min(size_at_bound(draw), 8 * 1024) - 2)
    elif draw.chance(0.05):
        values["note"] = "${input.pad}"
    fields: JsonObject = {"set": values}
    if draw.chance(0.15):
        fields["output"] = "${vars.total}"
    return Made(fields)


def fail(site: Site) -> Made:
    """Raise an error of its own."""
    draw = site.draw
    error: JsonObject = {"type": draw.pick(("Declined", "SoldOut"))}
    if draw.chance(0.6):
        error["message"] = "no ${input.label} for ${workflow.name}"
    if draw.chance(0.3):
        error["code"] = draw.pick((-1, 0, 402))
    if draw.chance(0.4):
        error["details"] = expressions.value(draw, site.scope)
    if draw.chance(0.4):
        error["retryable"] = draw.chance(0.7)
    return Made({"raise": error})


def back(site: Site) -> Made:
    """End the flow that the step stands in."""
    if site.draw.chance(0.2):
        return Made({"return": {}})
    return Made({"return": {"value": expressions.value(site.draw, site.scope)}})


def switch(site: Site) -> Made:
    """Run the first of one to three cases, or the default."""
    draw = site.draw
    fields: JsonObject = {
        "cases": [
            {"when": expressions.boolean(draw, site.scope), **site.author.body(site)}
            for _ in range(draw.weighted({1: 4, 2: 3, 3: 1}))
        ]
    }
    if draw.chance(0.6):
        fields["default"] = site.author.body(site)
    return Made({"switch": fields})


def call(site: Site) -> Made:
    """Run a named flow."""
    return Made({"call": site.author.flow_body(site, site.path)})


def _has_room(site: Site) -> bool:
    return site.author.has_room and site.depth > 0


def _may_await(site: Site) -> bool:
    """Where ends must not depend on timing a wait runs once: its events come once."""
    return site.is_main or not site.is_confluent


RULES: Mapping[str, Rule] = {
    "http": Rule(make=http, weight=10, is_plain=True),
    "wait": Rule(make=wait, weight=2.5, is_plain=True),
    "event": Rule(make=event, weight=2.5, is_plain=True, may_stand=_may_await),
    "set": Rule(make=assign, weight=2, may_stand=lambda site: site.scope.has_variables),
    "raise": Rule(make=fail, weight=1),
    "return": Rule(make=back, weight=0.6),
    "switch": Rule(make=switch, weight=3, is_leaf=False, may_stand=_has_room),
    "call": Rule(make=call, weight=2.5, is_leaf=False, may_stand=_has_room),
}
