"""`return`: the end of the flow its step stands in."""

from __future__ import annotations

from perdure.engine.events import FlowReturned
from perdure.language.places import Place
from perdure.language.program import ReturnVerb
from perdure.language.run import Run


def begin(run: Run, place: Place, verb: ReturnVerb) -> None:
    """End the frame with the value; what is open in it is cancelled."""
    value = None if verb.value is None else run.render(place, verb.value, "return.value")
    run.add(FlowReturned(path=place.frame, step=place.path, value=value))
