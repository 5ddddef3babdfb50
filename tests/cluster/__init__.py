"""A real Kubernetes for tests and the demo: etcd, API server, controller manager.

The programs are built once from their Go modules (`go.mod`, `etcd/go.mod`) and started in
seconds as plain processes on loopback ports; no container and no root is needed. Here
belong building, starting and stopping them, the identities that tests act as, and the
reading of the audit log. What tests do with a cluster belongs to those tests.

`python -m tests.cluster up` from the repository root; pytest fixtures are in `fixtures.py`.
"""
