"""Whom a test can act as. What they may do stands in `rbac.yaml`."""

from dataclasses import dataclass

OPERATOR_NAMESPACE = "perdure-system"
OPERATOR_SERVICE_ACCOUNT = "perdure"
USER_ROLE = "test-perdure-user"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or program with a client certificate; `user` is its name in the audit log."""

    name: str
    user: str
    groups: tuple[str, ...] = ()


ADMIN = Identity("admin", "perdure-admin", ("system:masters",))
OPERATOR = Identity("operator", "perdure-operator")
OPERATOR_2 = Identity("operator-2", "perdure-operator-2")
USER = Identity("user", "perdure-user")
IDENTITIES = {each.name: each for each in (ADMIN, OPERATOR, OPERATOR_2, USER)}

# The operator as it runs in a pod: a service account whose token lies in a file.
SERVICE_ACCOUNT = "service-account"
SERVICE_ACCOUNT_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_SERVICE_ACCOUNT}"

CONTROLLER_MANAGER = Identity("controller-manager", "system:kube-controller-manager")
