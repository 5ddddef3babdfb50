"""What no check can see in the logs, and who looks at it instead: part of docs/proof.md."""

from __future__ import annotations

UNSEEN: tuple[tuple[str, str], ...] = (
    (
        "whether a patch tested what it should (uid, rev, digest, resourceVersion, generation)",
        "its consequences are seen: a rev that is skipped, an end by an old generation; the rest "
        "by the planted bugs",
    ),
    (
        "whether an unknown outcome was resolved by reading, and a delete had its preconditions",
        "the exchanges of the simulation, not the log of writes",
    ),
    (
        "that deciding twice gives the same events (I-29), and that other versions fold alike",
        "the equal traces of a seed, and the histories that are kept of every release",
    ),
    (
        "whether who claimed a lane had read it to its end, and statuses only after its claim",
        "its consequences are seen: a turn that is lost, or a second one for a rev; the model of "
        "the protocol (docs/model.md) visits all orders",
    ),
    (
        "an output that its step shapes, against the answer it was shaped from",
        "only outputs that are a body as it came are compared; the language has its own tests",
    ),
    (
        "flags: how long taken events stay, how many finished instances are kept",
        "a deletion is judged by what it must not take, not by when it comes",
    ),
    (
        "a request on its way when its process dies or stands still",
        "it counts against its claim, whenever it arrives",
    ),
    (
        "latency of others beside a poisoned object (I-39), leaks, starvation",
        "load and soak tests",
    ),
    (
        "on a cluster as it stands: who wrote when, what services saw, what clients were told",
        "simulation and process chaos",
    ),
)


def unseen() -> str:
    """Return it as a table in Markdown."""
    lines = [f"| {what} | {instead} |" for what, instead in UNSEEN]
    return "\n".join(["| Not seen | Instead |", "|---|---|", *lines])
