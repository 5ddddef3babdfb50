"""`switch`: the first case whose condition holds."""

from __future__ import annotations

from perdure.engine.events import BranchTaken, StepSucceeded
from perdure.language.places import Place
from perdure.language.program import SwitchVerb
from perdure.language.run import Run


def begin(run: Run, place: Place, verb: SwitchVerb) -> None:
    """Choose; where nothing fits the step is over with null."""
    for index, case in enumerate(verb.cases):
        if run.holds(place, case.when, f"switch.cases[{index}].when"):
            _take(run, place, index)
            return
    if verb.default is not None:
        _take(run, place, -1)
    else:
        run.add(StepSucceeded(path=place.path, output=run.shaped(place, None, None)))


def _take(run: Run, place: Place, index: int) -> None:
    run.add(BranchTaken(path=place.path, index=index, attempt=run.attempt_of(place)))
