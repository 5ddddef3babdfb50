"""Paths of steps: the one identity of a place in a running instance.

    approve              a step of the main flow
    pay.charge           the step `charge` of the flow that the block `pay` runs
    pay~2.charge         the same in the second attempt of `pay`
    route.do             the leaf that the block `route` runs in place
    charge.catch[0]      the body of the first catch entry of `charge`
    charge.catch[0].log  a step of the flow that this entry names

A *frame* (one running execution of a flow) has the path of its body: "" for the main flow, `pay`,
`pay~2`, `charge.catch[0]`. Paths are unique per effect, so idempotency keys derive from them.
"""

from __future__ import annotations

MAIN = ""


def step_path(frame: str, name: str) -> str:
    """Return the path of the step `name` in the frame."""
    return f"{frame}.{name}" if frame else name


def body_path(block: str, attempt: int) -> str:
    """Return the path of the frame that attempt `attempt` (from 1) of a block runs."""
    return block if attempt == 1 else f"{block}~{attempt}"


def leaf_path(block: str, attempt: int) -> str:
    """Return the path of the leaf under the `do` of attempt `attempt` of a block."""
    return f"{body_path(block, attempt)}.do"


def catch_path(step: str, index: int) -> str:
    """Return the path of the body of catch entry `index` (from 0) of a step."""
    return f"{step}.catch[{index}]"


def is_below(path: str, ancestor: str) -> bool:
    """Return whether `path` lies strictly inside what the step `ancestor` runs."""
    if not path.startswith(ancestor) or len(path) == len(ancestor):
        return False
    return path[len(ancestor)] in ".~"


def owner_of(frame: str) -> str:
    """Return the path of the step whose body the frame is; MAIN has none.

    `pay` and `pay~2` belong to `pay`, `charge.catch[0]` to `charge`.
    """
    head, dot, last = frame.rpartition(".")
    if dot and last.startswith("catch["):
        return head
    stem, tilde, attempt = last.rpartition("~")
    if tilde and attempt.isdecimal():
        return f"{head}{dot}{stem}"
    return frame


def name_of(path: str) -> str:
    """Return the last part of a path: what people call the step."""
    return path.rpartition(".")[2]
