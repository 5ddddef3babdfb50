"""What comes from outside in a simulated run: definitions, users' actions, services.

`generated(seed)` draws a workload from a grammar, `CANONICAL` holds the named ones with the ends
that they may come to. `reductions` makes simpler ones of one, `is_confluent` says whether its end
follows from it alone, and `memory.Services` answers calls.

The grammar: `author` writes definitions, one rule per verb is in `verbs`, expressions are in
`expressions`; `clients` decides what users do. Nothing here knows the scheduler, the API server
or the oracle.
"""

from tests.simulation.workloads.canonical import CANONICAL, Canonical
from tests.simulation.workloads.confluence import is_confluent
from tests.simulation.workloads.generator import generated
from tests.simulation.workloads.memory import Arrival, Services
from tests.simulation.workloads.reductions import reductions
from tests.simulation.workloads.services import Cut, Reply, Script, Silence
from tests.simulation.workloads.workload import Workload

__all__ = [
    "CANONICAL",
    "Arrival",
    "Canonical",
    "Cut",
    "Reply",
    "Script",
    "Services",
    "Silence",
    "Workload",
    "generated",
    "is_confluent",
    "reductions",
]
