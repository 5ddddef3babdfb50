"""The log of turns, as pure rules: what its entries say and how a lane of them is read.

No I/O and no clock here: requests to the API server belong to `perdure.kubernetes.log`, the shape
of the WorkflowLog objects to `perdure.resources`. Source: docs/log.md.
"""
