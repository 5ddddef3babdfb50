"""The pure core: what happened (`events`), what it amounts to (`state`, `fold`), what ought to be
in flight now (`work`), and how it is told to people (`summary`).

Standard library only; no clock, no I/O, no async, no random values, no logging. Whatever decides
*what happens next* for a kind of definition implements `orchestrator.Orchestrator` elsewhere.
"""
