"""The definition language: what users write, checked, compiled and interpreted.

`checker` turns the spec of a WorkflowDefinition into a `program` or a list of faults with their
places; `flow` is the orchestrator that runs a program: pure, no I/O, no clock. `expressions` is
the only module that knows the CEL library. Shapes of fields are checked in `resources`, not here.
"""
