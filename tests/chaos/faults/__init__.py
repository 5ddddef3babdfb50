"""The kinds of faults, by what they strike; each leaves everything as it was."""

from collections.abc import Mapping

from tests.chaos.faults import clocks, leases, messages, network, processes, servers, service
from tests.chaos.faults.kinds import Kind

KINDS: Mapping[str, Kind] = {
    **processes.KINDS,
    **clocks.KINDS,
    **leases.KINDS,
    **network.KINDS,
    **messages.KINDS,
    **servers.KINDS,
    **service.KINDS,
}
"""By name."""
