"""The canonical workflows: small, named, each with what its users do and the ends it may come to.

They are swept call by call with every single fault, so each is as small as its subject allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Start,
    Suspend,
    Terminate,
    Undefine,
    in_order,
)
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import Json, JsonObject

DEFINITION, INSTANCE = "order", "run-1"
PATIENT: JsonObject = {"attempts": -1, "delay": "500ms", "maxDelay": "5s", "jitter": "None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A workload and the phases that its instance may end in.

    `error` is the type of the error that a failure has, `outputs` the outputs that a success may
    have; None where that is left open.
    """

    workload: Workload
    phases: tuple[str, ...]
    error: str | None = None
    outputs: tuple[Json, ...] | None = None

    @property
    def name(self) -> str:
        """Return what it is called by."""
        return self.workload.name

    def allows(self, phase: str, output: Json, error: str | None) -> bool:
        """Return whether an instance may end like this; `error` is the type of its error."""
        if phase not in self.phases:
            return False
        if phase == "Succeeded":
            return self.outputs is None or output in self.outputs
        return phase != "Failed" or self.error in (None, error)


def step(name: str, *, service: str = "stock", seen: tuple[str, ...] = (), **around: Json) -> Json:
    """Return a step that calls a service and passes on the tokens of the steps it has seen."""
    return {"name": name, **ask(name, service=service, seen=seen), **around}


def ask(path: str, *, service: str = "stock", seen: tuple[str, ...] = ()) -> dict[str, Json]:
    """Return the verb that calls a service in the name of the step at this path."""
    body: JsonObject = {
        "uid": "${workflow.uid}",
        "path": path,
        "seen": [f"${{steps.{name}.output.token}}" for name in seen],
    }
    return {"http": {"method": "POST", "service": service, "path": "/orders", "body": body}}


def recipe(*steps: Json, **fields: Json) -> JsonObject:
    """Return the spec of these steps, whose calls go on until they are answered.

    So no single fault of a call changes how the instance ends.
    """
    return {"defaults": {"retry": PATIENT}, "steps": [*steps], **fields}


def workload(
    name: str,
    spec: JsonObject,
    *actions: Action,
    script: Script | None = None,
    given: JsonObject | None = None,
) -> Workload:
    """Return the workload that applies the definition, starts one instance and does the rest."""
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    if given is not None:
        instance["input"] = given
    begin: tuple[Action, ...] = (
        Define(at=0.0, definition=DEFINITION, spec=spec),
        Start(at=1.0, instance=INSTANCE, spec=instance),
    )
    return Workload(
        name=name, actions=in_order((*begin, *actions)), script=script or Script(seed=1)
    )


def one_activity() -> Canonical:
    """One call, and its token is the output."""
    spec = recipe(step("pay"), output="${has(steps.pay.output.token)}")
    return Canonical(
        workload=workload("one-activity", spec), phases=("Succeeded",), outputs=(True,)
    )


def five_in_sequence() -> Canonical:
    """Five calls, each of which fails up to four times first and passes on what came before."""
    names = ("a", "b", "c", "d", "e")
    steps = [step(name, seen=names[:index]) for index, name in enumerate(names)]
    spec = recipe(*steps, output="${size(steps.e.output.token)}")
    script = Script(seed=2, tempers={"stock": Temper(flaky=1.0)})
    return Canonical(
        workload=workload("five-in-sequence", spec, script=script),
        phases=("Succeeded",),
        outputs=(16,),
    )


def fan_out() -> Canonical:
    """Fifty calls at once, and one that has seen all of them."""
    names = tuple(f"f{number}" for number in range(50))
    calls = [step(name, needs=[]) for name in names]
    spec = recipe(*calls, step("join", seen=names), output="${has(steps.join.output.token)}")
    return Canonical(workload=workload("fan-out", spec), phases=("Succeeded",), outputs=(True,))


def race_with_timeout() -> Canonical:
    """An event that is sent in the very moment in which the wait for it times out."""
    spec: JsonObject = {
        "steps": [
            {
                "name": "approval",
                "event": {"name": "approved", "onTimeout": "Continue"},
                "timeout": "5s",
            }
        ],
        "output": '${steps.approval.output == null ? "late" : "in time"}',
    }
    event = RaiseInSpec(at=6.0, instance=INSTANCE, event={"id": "e1", "name": "Approved"})
    return Canonical(
        workload=workload("race-with-timeout", spec, event),
        phases=("Succeeded",),
        outputs=("late", "in time"),
    )


def twenty_events() -> Canonical:
    """Twenty events in another order than they are waited for, by both doors, some twice."""
    count = 20
    spec: JsonObject = {
        "steps": [
            {"name": f"w{number}", "event": {"name": f"signal{number}"}, "output": "${result.data}"}
            for number in range(count)
        ],
        "output": [f"${{steps.w{number}.output}}" for number in range(count)],
    }
    events: list[Action] = []
    for place, number in enumerate((7 * n + 3) % count for n in range(count)):
        events.append(_signal(number, at=0.5 + place * 0.4, is_object=number % 2 == 0))
        if number % 5 == 0:
            events.append(_signal(number, at=1.5 + place * 0.4, is_object=number % 2 == 1))
    return Canonical(
        workload=workload("twenty-events", spec, *events),
        phases=("Succeeded",),
        outputs=([*range(count)],),
    )


def _signal(number: int, *, at: float, is_object: bool) -> Action:
    name = f"signal{number}"
    if is_object:
        return RaiseAsObject(
            at=at,
            instance=INSTANCE,
            object_name=f"{INSTANCE}-{name}",
            event_name=name,
            event_id=name,
            data=number,
        )
    # Before the instance exists nothing can be appended to it.
    event: JsonObject = {"id": name, "name": name, "data": number}
    return RaiseInSpec(at=max(at, 1.2), instance=INSTANCE, event=event)


def timer_chain() -> Canonical:
    """Waits one after the other, the longest a day."""
    lengths = ("100ms", "1s", "2s", "1m", "1d", "500ms")
    steps: list[Json] = []
    for number, length in enumerate(lengths):
        steps.append({"name": f"w{number}", "wait": {"for": length}})
        steps.append({"name": f"c{number}", "set": {"count": "${vars.count + 1}"}})
    spec: JsonObject = {"vars": {"count": 0}, "steps": steps, "output": "${vars.count}"}
    return Canonical(
        workload=workload("timer-chain", spec), phases=("Succeeded",), outputs=(len(lengths),)
    )


def compensation() -> Canonical:
    """A trip of nested flows whose last booking is refused: what was booked is undone by hand."""
    undo: JsonObject = {
        "flow": "undo",
        "with": {"at": "book.catch[0]"},
        "output": {"undone": "${result}", "why": "${error.code}"},
    }
    spec: JsonObject = {
        "defaults": {"retry": PATIENT},
        "steps": [{"name": "book", "call": {"flow": "trip"}, "catch": [undo]}],
        "flows": [
            {
                "name": "trip",
                "steps": [
                    {"name": "travel", "call": {"flow": "travel"}},
                    {"name": "hotel", **ask("book.hotel", service="bank")},
                ],
            },
            {
                "name": "travel",
                "steps": [
                    {"name": "train", **ask("book.travel.train")},
                    {"name": "seat", **ask("book.travel.seat", seen=("train",))},
                ],
                "output": "${steps.seat.output.token}",
            },
            {
                "name": "undo",
                "params": ["at"],
                "steps": [
                    {"name": "seat", **ask("${at}.seat")},
                    {"name": "train", **ask("${at}.train", seen=("seat",))},
                ],
                "output": 2,
            },
        ],
        "output": '${steps.book.status + ":" + string(steps.book.output.undone)}',
    }
    script = Script(seed=3, tempers={"bank": Temper(refusing=1.0)})
    return Canonical(
        workload=workload("compensation", spec, script=script),
        phases=("Succeeded",),
        outputs=("Caught:2",),
    )


def cancel_race() -> Canonical:
    """A terminate that meets the answer of the last call."""
    second = step("second", service="bank", seen=("first",))
    spec = recipe(step("first"), second, output="done")
    script = Script(seed=4, tempers={"bank": Temper(slow=1.0)})
    stop = Terminate(at=4.0, instance=INSTANCE, reason="not needed any more")
    return Canonical(
        workload=workload("cancel-race", spec, stop, script=script),
        phases=("Terminated", "Succeeded"),
    )


def suspend_and_resume() -> Canonical:
    """Suspended while a call, a timer and an event are awaited; all of them come meanwhile."""
    spec: JsonObject = {
        "defaults": {"retry": PATIENT},
        "steps": [
            step("call", needs=[], service="bank", catch=[{"output": "none"}]),
            {"name": "timer", "needs": [], "wait": {"for": "3s"}},
            {"name": "signal", "needs": [], "event": {"name": "go"}, "output": "${result.data}"},
            step("last", catch=[{"output": "none"}]),
        ],
        "output": "${steps.signal.output}",
    }
    actions: tuple[Action, ...] = (
        Suspend(at=2.0, instance=INSTANCE, reason="incident 7"),
        RaiseInSpec(at=4.0, instance=INSTANCE, event={"id": "e1", "name": "go", "data": 7}),
        Resume(at=15.0, instance=INSTANCE),
        Suspend(at=15.1, instance=INSTANCE),
        Resume(at=16.0, instance=INSTANCE),
    )
    script = Script(seed=5, tempers={"bank": Temper(slow=1.0)})
    return Canonical(
        workload=workload("suspend-and-resume", spec, *actions, script=script),
        phases=("Succeeded",),
        outputs=(7,),
    )


def polled_call() -> Canonical:
    """A call that starts something long and is polled until it is over, twice."""
    over = '${steps.first.output.state in ["done", "failed"]}'
    spec = recipe(_job("first"), _job("second"), output=over)
    return Canonical(workload=workload("polled-call", spec), phases=("Succeeded",), outputs=(True,))


def _job(name: str) -> JsonObject:
    return {
        "name": name,
        "retry": PATIENT,
        "http": {
            "method": "POST",
            "service": "stock",
            "path": "/jobs",
            "body": {"uid": "${workflow.uid}", "path": name},
            "poll": {"every": "2s", "until": 'result.body.state != "running"'},
        },
    }


def at_most_once() -> Canonical:
    """A call whose answer is lost and that must not be repeated."""
    retry: JsonObject = {"attempts": 5, "attemptTimeout": "2s"}
    pay = step("pay", service="bank", retry=retry, onUnknown="Fail")
    script = Script(seed=6, tempers={"bank": Temper(silent=1.0)})
    return Canonical(
        workload=workload("at-most-once", recipe(pay, output="paid"), script=script),
        phases=("Failed",),
        error="OutcomeUnknown",
    )


def late_definition() -> Canonical:
    """An instance before its definition, which is changed while it runs and then deleted."""
    pause: JsonObject = {"name": "pause", "wait": {"for": "5s"}}
    spec = recipe(step("a"), pause, step("b", seen=("a",)), output="first")
    other = recipe(step("x"), output="second")
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    actions: tuple[Action, ...] = (
        Start(at=0.0, instance=INSTANCE, spec=instance),
        Define(at=3.0, definition=DEFINITION, spec=spec),
        Define(at=6.0, definition=DEFINITION, spec=other),
        Undefine(at=8.0, definition=DEFINITION),
    )
    made = Workload(name="late-definition", actions=actions, script=Script(seed=7))
    return Canonical(workload=made, phases=("Succeeded",), outputs=("first", "second"))


def reborn() -> Canonical:
    """Deleted amid a call and created again under its name: two instances, two effects."""
    signal: JsonObject = {"name": "signal", "event": {"name": "go"}, "output": "${result.data}"}
    spec = recipe(step("pay", service="bank"), signal, output="${steps.signal.output}")
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    actions: tuple[Action, ...] = (
        RaiseInSpec(at=1.5, instance=INSTANCE, event={"id": "e1", "name": "go", "data": 1}),
        Delete(at=2.0, instance=INSTANCE),
        Start(at=2.1, instance=INSTANCE, spec=instance),
        RaiseAsObject(
            at=2.2,
            instance=INSTANCE,
            object_name="go-2",
            event_name="go",
            event_id="e1",
            data=2,
        ),
    )
    script = Script(seed=8, tempers={"bank": Temper(slow=1.0)})
    return Canonical(
        workload=workload("reborn", spec, *actions, script=script),
        phases=("Succeeded",),
        outputs=(2,),
    )


def large_values() -> Canonical:
    """Values at the bounds of events, status and payloads, through calls, variables and output."""
    sizes = (8191, 8192, 8193, 16_383, 16_384, 16_385)
    spec = recipe(
        step("a", service="bank"),
        step("b", service="bank", seen=("a",)),
        *[_keep(size) for size in sizes[:3]],
        vars={"note": ""},
        output="${input.k16385}",
    )
    script = Script(seed=9, tempers={"bank": Temper(large=1.0)})
    given: JsonObject = {f"k{size}": "x" * (size - 2) for size in sizes}
    return Canonical(
        workload=workload("large-values", spec, script=script, given=given),
        phases=("Succeeded",),
        outputs=("x" * 16_383,),
    )


def _keep(size: int) -> JsonObject:
    return {"name": f"k{size}", "set": {"note": f"${{input.k{size}}}"}}


def kitchen_sink() -> Canonical:
    """Every verb, blocks in blocks, steps side by side, a retried block, a catch, a return."""
    spec: JsonObject = {
        "input": {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "vars": {"total": "${input.n}"},
        "defaults": {"retry": PATIENT},
        "steps": [
            step("left", needs=[]),
            step("right", needs=[], service="bank"),
            {"name": "pause", "needs": ["left"], "wait": {"for": "1s"}},
            {"name": "add", "set": {"total": "${vars.total + steps.left.output.n * 0 + 1}"}},
            {
                "name": "route",
                "switch": {
                    "cases": [
                        {"when": "vars.total > 99", "do": {"raise": {"type": "TooMany"}}},
                        {"when": "vars.total == 4", "flow": "inner", "with": {"at": "route"}},
                    ],
                    "default": {"do": {"return": {"value": "wrong"}}},
                },
            },
            {
                "name": "risky",
                "call": {"flow": "failing"},
                "retry": {"attempts": 2, "delay": "100ms", "when": 'error.type == "Declined"'},
                "catch": [{"when": 'error.type == "Declined"', "do": ask("risky.catch[0]")}],
            },
            {"name": "skipped", "when": "vars.total < 0", **ask("skipped")},
            {"name": "signal", "event": {"name": "go", "where": "event.data > 1", "count": 2}},
            _job("job"),
            {"name": "end", "return": {"value": "${[vars.total, size(steps.signal.output)]}"}},
        ],
        "flows": [
            {
                "name": "inner",
                "params": ["at"],
                "vars": {"total": 100},
                "steps": [
                    {"name": "own", "set": {"total": "${vars.total + 1}"}},
                    {"name": "deep", "call": {"flow": "deepest", "with": {"at": "${at}.deep"}}},
                ],
                "output": "${vars.total}",
            },
            {
                "name": "deepest",
                "params": ["at"],
                "steps": [{"name": "ask", **ask("${at}.ask")}],
            },
            {
                "name": "failing",
                "steps": [
                    {"name": "try", **ask("risky.try")},
                    {"name": "decline", "raise": {"type": "Declined", "message": "no"}},
                ],
            },
        ],
    }
    actions = (
        _go("g1", at=2.0, data=0),
        _go("g2", at=3.0, data=2),
        _go("g2", at=4.0, data=2),
        _go("g3", at=20.0, data=3),
    )
    return Canonical(
        workload=workload("kitchen-sink", spec, *actions, given={"n": 3}),
        phases=("Succeeded",),
        outputs=([4, 2],),
    )


def _go(event_id: str, *, at: float, data: int) -> Action:
    event: JsonObject = {"id": event_id, "name": "go", "data": data}
    return RaiseInSpec(at=at, instance=INSTANCE, event=event)


_MAKERS: tuple[Callable[[], Canonical], ...] = (
    one_activity,
    five_in_sequence,
    fan_out,
    race_with_timeout,
    twenty_events,
    timer_chain,
    compensation,
    cancel_race,
    suspend_and_resume,
    polled_call,
    at_most_once,
    late_definition,
    reborn,
    large_values,
    kitchen_sink,
)

CANONICAL: tuple[Canonical, ...] = tuple(make() for make in _MAKERS)
