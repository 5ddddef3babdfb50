"""An API server in memory, with the semantics of a real one that matter to this project.

Single-threaded, synchronous and deterministic. `ApiServer.handle` carries out requests;
`Frontend` is one server process, with watches and a cache that lags; `ApiServer.writes` is the
audit. Faults are not in here: they belong between a client and the server. That it behaves as the
real one is shown by tests/contract/api_server, which runs against both.
"""

from perdure.testing.apiserver.frontends import Frontend
from perdure.testing.apiserver.messages import Answer, Limits, Request
from perdure.testing.apiserver.server import ApiServer
from perdure.testing.apiserver.watches import Watch

__all__ = ["Answer", "ApiServer", "Frontend", "Limits", "Request", "Watch"]
