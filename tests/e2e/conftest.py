"""What tests of the whole share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

import pytest
from tests.cluster.cluster import Cluster
from tests.cluster.identities import SERVICE_ACCOUNT
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService


class Operators(Protocol):
    """Starts operators that end with the test; they serve the test's namespace only."""

    def __call__(
        self,
        identity: str = "op",
        kubeconfig_identity: str = SERVICE_ACCOUNT,
        services: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> OperatorProcess: ...


@pytest.fixture
def operators(cluster: Cluster, namespace: str) -> Iterator[Operators]:
    with ExitStack() as running:

        def start(
            identity: str = "op",
            kubeconfig_identity: str = SERVICE_ACCOUNT,
            services: Mapping[str, str] | None = None,
            args: Sequence[str] = (),
        ) -> OperatorProcess:
            process = OperatorProcess(
                cluster, identity, kubeconfig_identity, [namespace], services, args
            )
            return running.enter_context(process)

        yield start


@pytest.fixture
def ledger() -> Iterator[LedgerService]:
    """A service whose every request is written down."""
    with LedgerService() as service:
        yield service
