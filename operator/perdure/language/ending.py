"""How an instance ends."""

from __future__ import annotations

from perdure.engine.events import Ending, EndRequested, Failure, InstanceEnded
from perdure.engine.values import Json, canonical
from perdure.language.run import MAX_VALUE_BYTES, Run


def finish(run: Run, ending: Ending, *, output: Json = None, error: Failure | None = None) -> None:
    """End the instance: at once, or in two commits where calls are still in flight."""
    size = len(canonical(output))
    if size > MAX_VALUE_BYTES:
        ending, output = Ending.FAILED, None
        message = f"the output has {size} bytes; at most {MAX_VALUE_BYTES} fit"
        error = Failure(type="TooLarge", message=message)
    if run.state.activities:
        run.add(EndRequested(ending=ending, output=output, error=error))
    else:
        run.add(InstanceEnded(ending=ending, output=output, error=error))


def end_if_settled(run: Run) -> None:
    """Write the last event once what was in flight has been aborted."""
    outcome = run.state.ending
    assert outcome is not None, "only an instance that is ending"
    if run.facts.is_settled:
        run.add(InstanceEnded(ending=outcome.ending, output=outcome.output, error=outcome.error))
