"""What tests of workflows and of Perdure itself stand on: builders, stories, a clock that waits.

`started(spec, input)` begins a `Story`: one instance that is driven by facts in virtual time, with
no cluster and no I/O. Shipped, typed and documented; no layer imports it.
"""

from perdure.testing.clock import VirtualClock
from perdure.testing.replies import Reply, failed, ok
from perdure.testing.stories import Story, fresh_state, started

__all__ = ["Reply", "Story", "VirtualClock", "failed", "fresh_state", "ok", "started"]
