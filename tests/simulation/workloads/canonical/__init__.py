"""The canonical workflows: small, named, each with what its users do and the ends it may come to.

They are swept call by call with every single fault, so each is as small as its subject allows.
A new one is a function in the module of its subject, and a line in the list here.
"""

from tests.simulation.workloads.canonical import blocks, calls, lives, waits
from tests.simulation.workloads.canonical.parts import Canonical

CANONICAL: tuple[Canonical, ...] = (
    calls.one_activity(),
    calls.five_in_sequence(),
    calls.fan_out(),
    waits.race_with_timeout(),
    waits.twenty_events(),
    waits.timer_chain(),
    blocks.compensation(),
    lives.cancel_race(),
    waits.suspend_and_resume(),
    calls.polled_call(),
    calls.at_most_once(),
    lives.late_definition(),
    lives.reborn(),
    calls.large_values(),
    blocks.kitchen_sink(),
)

__all__ = ["CANONICAL", "Canonical"]
