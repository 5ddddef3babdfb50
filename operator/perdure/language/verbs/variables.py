"""`set`: new values for variables; all right sides see the old ones."""

from __future__ import annotations

from perdure.engine.events import VariablesSet
from perdure.language.places import Place
from perdure.language.program import SetVerb
from perdure.language.run import Run


def begin(run: Run, place: Place, verb: SetVerb) -> None:
    """Evaluate everything first, then record all of it at once."""
    instance = run.render_all(place, verb.instance, "set")
    own = run.render_all(place, verb.own, "set")
    run.add(VariablesSet(path=place.path, frame=place.frame, instance=instance, own=own))
