"""Canonical workflows about calls: one, in a row, side by side, polled, at most once, large."""

from __future__ import annotations

from tests.simulation.workloads.canonical.parts import (
    Canonical,
    job,
    recipe,
    step,
    workload,
)
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import JsonObject


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


def polled_call() -> Canonical:
    """A call that starts something long and is polled until it is over, twice."""
    over = '${steps.first.output.state in ["done", "failed"]}'
    spec = recipe(job("first"), job("second"), output=over)
    return Canonical(workload=workload("polled-call", spec), phases=("Succeeded",), outputs=(True,))


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
